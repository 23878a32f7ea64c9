/**
 * What answers tell of a limit: the headers of the IETF draft, and those that servers sent before.
 *
 * Times are in whole seconds, rounded up: what a client is told is never too early.
 */
import { Headers, HttpServerResponse } from "@effect/platform"
import { Clock, Duration, Effect, Option } from "effect"
import * as RateLimitHeaders from "../RateLimitHeaders.js"

/** Which of the older headers there are, and what their reset is. */
export type Form = "none" | "seconds" | "epoch"

/** A limit, as it is called. */
export interface Limit {
  readonly name: string
  readonly window: Duration.Duration
}

/** What is told of a limit. */
export interface Told {
  readonly limit: number
  readonly remaining: number
  readonly reset: Duration.Duration
}

type Values = Readonly<Record<string, string>>

/** The headers of the draft. */
const ofDraft = ({ name: policy, window }: Limit, { limit, remaining, reset }: Told): Values => ({
  "ratelimit-policy": RateLimitHeaders.printPolicies([{ policy, quota: limit, window }]),
  ratelimit: RateLimitHeaders.print([{ policy, remaining: Option.some(remaining), reset: Option.some(reset) }])
})

/** The older headers; `nowMillis` is the wall clock. */
const older = ({ limit, remaining, reset }: Told, form: Form, nowMillis: number): Values => {
  if (form === "none") return {}
  const since = form === "epoch" ? nowMillis : 0
  return {
    "x-ratelimit-limit": `${limit}`,
    "x-ratelimit-remaining": `${remaining}`,
    "x-ratelimit-reset": `${Math.ceil((since + Duration.toMillis(reset)) / 1_000)}`
  }
}

/** The response, telling of one more limit: a list where others were told of before, but of the older headers the last. */
export const withQuota = (
  response: HttpServerResponse.HttpServerResponse,
  limit: Limit,
  told: Told,
  form: Form
): Effect.Effect<HttpServerResponse.HttpServerResponse> =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    const added = Object.entries(ofDraft(limit, told)).map(([header, value]): [string, string] => [
      header,
      Option.match(Headers.get(response.headers, header), {
        onNone: () => value,
        onSome: (before) => `${before}, ${value}`
      })
    ])
    return HttpServerResponse.setHeaders(response, { ...Object.fromEntries(added), ...older(told, form, now) })
  })
