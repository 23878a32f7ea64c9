/**
 * A JSON client for one dependency: checks every answer against a schema, reads every body to its end (an unread one
 * would keep its socket), and says of each failure how it counts for the policy around the call.
 *
 * It has no timeout, no retry and no limit of its own: those are the policy's, in a Layer of its own.
 */
import { Outcome } from "@effect-resilience/core"
import { DeadlineHeader, HttpOutcome } from "@effect-resilience/http"
import {
  FileSystem,
  HttpClient,
  type HttpClientError,
  HttpClientRequest,
  HttpIncomingMessage,
  type HttpClientResponse
} from "@effect/platform"
import { Clock, type Config, Context, Data, Duration, Effect, type Exit, Option, Schema } from "effect"

/** The dependency gave no usable answer: it could not be reached, refused with an error status, or sent nonsense. */
export class DependencyFailed extends Data.TaggedError("DependencyFailed")<{
  readonly dependency: string
  readonly reason: string
  /** The status code that came, if one did. */
  readonly status: number | undefined
  readonly [Outcome.OutcomeTypeId]: Outcome.Outcome
}> {
  override get message() {
    return `${this.dependency}: ${this.reason}`
  }
}

/** How long an attempt of a dependency's calls may take, in milliseconds, by its name; by default no one limits them. */
export class AttemptLimits extends Context.Reference<AttemptLimits>()("order-service/AttemptLimits", {
  defaultValue: (): ReadonlyMap<string, number> => new Map()
}) {}

/** Turns the body of a status that is an answer (404, 402, 409) into the error it stands for. */
export type Refusal<E> = (status: number, body: string) => Option.Option<E>

const noRefusal = (): Option.Option<never> => Option.none()

const largestAnswer = Option.some(FileSystem.Size(1024 * 1024))

/**
 * Nothing here is harmed by being done twice (reads, reservations by order, charges and notices by key), so whatever a
 * repetition may help is repeated. A 500, which says that the work may have been done and only its answer was lost, is as
 * good as after a read.
 */
const harmless: HttpOutcome.Rules = { repeatable: true, statuses: { 500: { repeated: "repeatable" } } }

const failureOf = (dependency: string) => (reason: string, outcome: Outcome.Outcome, status?: number) =>
  new DependencyFailed({ dependency, reason, status, [Outcome.OutcomeTypeId]: outcome })

/** The status codes of refusals that are answers. */
const refusals: Readonly<Record<string, string>> = { UnknownProduct: "404", OutOfStock: "409", PaymentDeclined: "402" }

/** What a call ended with, for metrics: the status code, where it was not a good one. */
export const status = (exit: Exit.Exit<unknown, unknown>): string | undefined => {
  const error = Option.getOrUndefined(Outcome.typedError(exit))
  if (error instanceof DependencyFailed) return error.status === undefined ? undefined : String(error.status)
  return refusals[Outcome.errorTag(error)]
}

/** Makes the client of the dependency called `name` that listens at `url`. */
export const make = (name: string, url: Config.Config<string>) =>
  Effect.gen(function* () {
    const at = yield* url
    const send = DeadlineHeader.send({ origins: [at] })
    // The dependency works no longer than this attempt waits for it.
    const client = (yield* HttpClient.HttpClient).pipe(
      HttpClient.mapRequestEffect((request) =>
        Effect.flatMap(AttemptLimits, (limits) => send(HttpClientRequest.prependUrl(request, at), limits.get(name)))
      )
    )

    const failed = failureOf(name)
    const unreadable = () => failed("an answer that is not as agreed", Outcome.failure({ transient: false }))
    // The policy lasts until the body has been read, so a connection that is lost in it counts as one lost before it.
    const brokenOff = () => failed("no whole answer", Outcome.failure({ transient: true }))

    const unreachable = (error: HttpClientError.HttpClientError) =>
      failed("no answer", HttpOutcome.ofError(error, harmless))

    const refused = (response: HttpClientResponse.HttpClientResponse) =>
      Effect.map(Clock.currentTimeMillis, (nowMillis) =>
        failed(
          `status ${response.status}`,
          HttpOutcome.ofResponse(response.request, response, { ...harmless, nowMillis }),
          response.status
        )
      )

    const body = <E>(
      request: HttpClientRequest.HttpClientRequest,
      refusal: Refusal<E>
    ): Effect.Effect<string, DependencyFailed | E> =>
      client.execute(request).pipe(
        Effect.mapError(unreachable),
        Effect.flatMap((response) =>
          response.text.pipe(
            HttpIncomingMessage.withMaxBodySize(largestAnswer),
            Effect.mapError(brokenOff),
            Effect.flatMap((text): Effect.Effect<string, DependencyFailed | E> => {
              if (response.status >= 200 && response.status < 300) return Effect.succeed(text)
              return Option.match(refusal(response.status, text), {
                onNone: () => Effect.flatMap(refused(response), Effect.fail),
                onSome: Effect.fail
              })
            })
          )
        )
      )

    return {
      /** Sends a request whose answer has a body, of which `answer` makes what it says. */
      ask: <A, E = never>(
        request: HttpClientRequest.HttpClientRequest,
        answer: Schema.Schema<A, string>,
        refusal: Refusal<E> = noRefusal
      ): Effect.Effect<A, DependencyFailed | E> =>
        Effect.flatMap(body(request, refusal), (text) => Effect.mapError(Schema.decode(answer)(text), unreadable)),
      /** Sends a request of which only the status matters. */
      tell: (request: HttpClientRequest.HttpClientRequest): Effect.Effect<void, DependencyFailed> =>
        Effect.asVoid(body(request, noRefusal)),
      unreadable
    }
  })

/** How long a failed call's error asks to wait, if it says so. */
export const retryAfterOf = (error: unknown): Option.Option<Duration.Duration> =>
  typeof error === "object" && error !== null && "retryAfter" in error && Option.isOption(error.retryAfter)
    ? Option.filter(error.retryAfter, Duration.isDuration)
    : Option.none()
