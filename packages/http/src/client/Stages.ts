/**
 * The two stages of a client of `@effect/platform`: what it does to a request before it is sent, and the sending. The
 * first is done once for a call, the second for each attempt, and between them it is known where a request goes.
 *
 * Every client that `HttpClient.make` or `makeWith` has made has both; its type does not say so, so they are looked for.
 * One without them is used as a whole.
 */
import type { HttpClient } from "@effect/platform"
import { Effect } from "effect"

/** What a client does. */
export interface Stages<E, R> {
  readonly preprocess: HttpClient.HttpClient.Preprocess<E, R>
  readonly postprocess: HttpClient.HttpClient.Postprocess<E, R>
}

const hasStages = <E, R>(
  client: HttpClient.HttpClient.With<E, R>
): client is HttpClient.HttpClient.With<E, R> & Stages<E, R> =>
  "preprocess" in client &&
  typeof client.preprocess === "function" &&
  "postprocess" in client &&
  typeof client.postprocess === "function"

/** The stages of a client. */
export const stagesOf = <E, R>(client: HttpClient.HttpClient.With<E, R>): Stages<E, R> =>
  hasStages(client) ? client : { preprocess: Effect.succeed, postprocess: Effect.flatMap(client.execute) }
