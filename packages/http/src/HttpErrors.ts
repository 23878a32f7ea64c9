/**
 * How the errors of policies answer over HTTP: as problem details (RFC 9457), with a status that says whose turn it is.
 * `CircuitOpen`, `BulkheadFull`, `Throttled` and `Shed` are 503, `TimedOut` and `DeadlineExceeded` 504, `RateLimited` 429.
 *
 * The answer says what the status says and, where it is known, when to come back; what a policy is called, why it refused
 * and how much it lets through is nobody's business outside, unless one asks for it.
 *
 * Put it around the application, before that is served: `router.pipe(HttpErrors.respond(), HttpServer.serve())`. What
 * `HttpServer.serve` itself takes as its middleware runs around the sending of the response, which is too late.
 *
 * Left alone is an error that answers for itself (a `Respondable`), and a failure that holds more than such errors: where
 * an error of the program's own or a defect is with them, that is what went wrong.
 */
import { HttpLayerRouter, type HttpApp, HttpServerRespondable, HttpServerResponse } from "@effect/platform"
import {
  type AdaptiveThrottle,
  type Bulkhead,
  type CircuitBreaker,
  type Deadline,
  InvalidOptions,
  type LoadShedder,
  Outcome,
  type RateLimiter,
  type Timeout
} from "@effect-resilience/core"
import { Cause, Duration, Effect, Either, type Layer, Option, Predicate, Random } from "effect"

/** The errors that are answered. */
export type Answered =
  | CircuitBreaker.CircuitOpen
  | Bulkhead.BulkheadFull
  | AdaptiveThrottle.Throttled
  | RateLimiter.RateLimited
  | LoadShedder.Shed
  | Timeout.TimedOut
  | Deadline.DeadlineExceeded

const titles = { 429: "Too Many Requests", 503: "Service Unavailable", 504: "Gateway Timeout" } as const

type Status = keyof typeof titles

const statuses: Readonly<Record<Answered["_tag"], Status>> = {
  CircuitOpen: 503,
  BulkheadFull: 503,
  Throttled: 503,
  Shed: 503,
  TimedOut: 504,
  DeadlineExceeded: 504,
  RateLimited: 429
}

/** What the body of an answer says; the last three only where one asks for them. */
export interface Details {
  readonly type: "about:blank"
  readonly title: string
  readonly status: number
  readonly detail?: string
  readonly error?: string
  readonly policy?: string
}

/** An answer: its body, and when to come back. */
export interface Problem {
  readonly details: Details
  readonly retryAfter: Option.Option<Duration.Duration>
}

/** What answers say. */
export interface Options {
  /** Whether the body has the error's tag, message and policy, with all their names and numbers. Default false. */
  readonly verbose?: boolean | undefined
  /**
   * How far `Retry-After` is stretched at most, as a part of itself, so that not all who were refused come back at once.
   * From 0 to 1; default 0.1. Rounded up: 1 second is stretched by 0 or 1. That of a load shedder is spread by itself, and
   * rounded up or down by chance, so that it stays so.
   */
  readonly retryAfterJitter?: number | undefined
}

interface Settings {
  readonly verbose: boolean
  readonly jitter: number
}

const settings = (options: Options): Settings =>
  Either.getOrThrowWith(
    InvalidOptions.every<Settings>({
      verbose: InvalidOptions.valid(options.verbose ?? false),
      jitter: InvalidOptions.fraction("retryAfterJitter", options.retryAfterJitter ?? 0.1, "0 included")
    }),
    (problems) => new InvalidOptions.InvalidOptions({ policy: "HttpErrors", problems })
  )

/**
 * Whether this is an error that is answered. The tag alone does not say so: an application may call an error of its own by
 * one of these.
 */
export const isAnswered = (error: unknown): error is Answered =>
  Predicate.hasProperty(error, "_tag") &&
  typeof error._tag === "string" &&
  Object.hasOwn(statuses, error._tag) &&
  Predicate.hasProperty(error, Outcome.OutcomeTypeId) &&
  Predicate.hasProperty(error, "policy") &&
  typeof error.policy === "string" &&
  !HttpServerRespondable.isRespondable(error)

/**
 * The answer to an error of a policy; none to any other.
 *
 * @example
 * ```ts
 * import { Bulkhead } from "@effect-resilience/core"
 * import { HttpErrors } from "@effect-resilience/http"
 * import { Option } from "effect"
 *
 * const full = { policy: "stock", limit: 5, queued: 0, reason: "full", retryAfter: Option.none() } as const
 * const answer = HttpErrors.problem(new Bulkhead.BulkheadFull(full))
 * console.log(Option.getOrThrow(answer).details)
 * // { type: 'about:blank', title: 'Service Unavailable', status: 503 }
 * ```
 */
export const problem = (error: unknown, { verbose = false }: Pick<Options, "verbose"> = {}): Option.Option<Problem> =>
  isAnswered(error) ? Option.some(described(error, verbose)) : Option.none()

const described = (error: Answered, verbose: boolean): Problem => {
  const status = statuses[error._tag]
  const said = verbose ? { detail: error.message, error: error._tag, policy: error.policy } : {}
  return { details: { type: "about:blank", title: titles[status], status, ...said }, retryAfter: error.retryAfter }
}

/**
 * The value of `Retry-After`: whole seconds, at least 1, never earlier than asked. `random`, from 0 to 1 without 1, picks
 * among the seconds that `jitter` allows.
 *
 * @example
 * ```ts
 * import { HttpErrors } from "@effect-resilience/http"
 * import { Duration } from "effect"
 *
 * console.log(HttpErrors.retryAfter(Duration.millis(29_200), { jitter: 0.1, random: 0.5 }))
 * // 32
 * ```
 */
export const retryAfter = (
  wait: Duration.Duration,
  { jitter, random }: { readonly jitter: number; readonly random: number }
): number => {
  const seconds = Math.max(1, Math.ceil(Duration.toSeconds(wait)))
  return seconds + Math.floor(random * (Math.ceil(seconds * jitter) + 1))
}

/** As `retryAfter`, of a wait that was spread already and promises nothing: what is rounded up is the same for all. */
const rounded = (wait: Duration.Duration, random: number): number =>
  Math.max(1, Math.floor(Duration.toSeconds(wait) + random))

const sent = (error: Answered, { jitter, verbose }: Settings): Effect.Effect<HttpServerResponse.HttpServerResponse> => {
  const { details, retryAfter: wait } = described(error, verbose)
  const response = HttpServerResponse.unsafeJson(details, {
    status: details.status,
    contentType: "application/problem+json"
  })
  return Option.match(wait, {
    onNone: () => Effect.succeed(response),
    onSome: (duration) =>
      Effect.map(Random.next, (random) => {
        const seconds = error._tag === "Shed" ? rounded(duration, random) : retryAfter(duration, { jitter, random })
        return HttpServerResponse.setHeader(response, "retry-after", String(seconds))
      })
  })
}

/**
 * What a failure is answered by: the first of its errors, if they are all of this kind and nothing is with them but
 * interruptions, which is what the siblings of an error end with.
 */
const answered = <E extends Answered>(
  cause: Cause.Cause<unknown>,
  isKind: Predicate.Refinement<unknown, E>
): Option.Option<E> => {
  const errors = [...Cause.failures(cause)]
  return Cause.isDie(cause) || !errors.every(isKind) ? Option.none() : Option.fromNullable(errors[0])
}

/**
 * Runs the effect, and what `then` says with the answer where it fails with errors of this kind. In a failure that holds
 * others too they are defects: the type does not have them any more.
 */
const answering = <E2 extends Answered, A2>(
  isKind: Predicate.Refinement<unknown, E2>,
  options: Options,
  then: (response: HttpServerResponse.HttpServerResponse) => Effect.Effect<A2>
): (<A, E, R>(self: Effect.Effect<A, E | E2, R>) => Effect.Effect<A | A2, E, R>) => {
  const of = settings(options)
  return <A, E, R>(self: Effect.Effect<A, E | E2, R>) =>
    Effect.catchAllCause(self, (cause) =>
      Option.match(answered(cause, isKind), {
        onNone: (): Effect.Effect<A2, E> =>
          Effect.failCause(
            Cause.flatMap(cause, (error): Cause.Cause<E> => (isKind(error) ? Cause.die(error) : Cause.fail(error)))
          ),
        onSome: (error) => Effect.flatMap(sent(error, of), then)
      })
    )
}

/**
 * The answer to an error, for what catches it itself. Throws `InvalidOptions` if an option is out of range.
 *
 * @example
 * ```ts
 * import { Bulkhead } from "@effect-resilience/core"
 * import { HttpErrors } from "@effect-resilience/http"
 * import { Effect, Option } from "effect"
 *
 * const answer = HttpErrors.answer()
 * const full = { policy: "stock", limit: 5, queued: 0, reason: "full", retryAfter: Option.none() } as const
 * Effect.runPromise(answer(new Bulkhead.BulkheadFull(full))).then(({ status }) => console.log(status))
 * // 503
 * ```
 */
export const answer = (
  options: Options = {}
): ((error: Answered) => Effect.Effect<HttpServerResponse.HttpServerResponse>) => {
  const of = settings(options)
  return (error) => sent(error, of)
}

/** As `respond`, for errors of one kind. */
export const respondTo = <E2 extends Answered>(
  isKind: Predicate.Refinement<unknown, E2>,
  options: Options = {}
): (<E, R>(app: HttpApp.Default<E | E2, R>) => HttpApp.Default<E, R>) => answering(isKind, options, Effect.succeed)

/**
 * Middleware that answers the errors of policies: around an application or router before it is served, or a route of
 * `HttpRouter` or `HttpLayerRouter`. Throws `InvalidOptions` if an option is out of range.
 *
 * @example
 * ```ts
 * import { Policy } from "@effect-resilience/core"
 * import { HttpErrors } from "@effect-resilience/http"
 * import { HttpApp, HttpRouter, HttpServerResponse } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const stock = yield* Policy.standard("stock", { timeout: "20 millis", retry: "none" })
 *   const items = Effect.as(stock.protect(Effect.never), HttpServerResponse.empty())
 *   const app = HttpRouter.empty.pipe(HttpRouter.get("/items", items), HttpErrors.respond())
 *   const response = yield* Effect.promise(() => HttpApp.toWebHandler(app)(new Request("http://shop.example/items")))
 *   return yield* Effect.promise(() => response.text())
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * // {"type":"about:blank","title":"Gateway Timeout","status":504}
 * ```
 */
export const respond = (options?: Options): (<E, R>(app: HttpApp.Default<E | Answered, R>) => HttpApp.Default<E, R>) =>
  respondTo(isAnswered, options)

/**
 * The same for all routes of an `HttpLayerRouter`, also those of an `HttpApi` added to it: merge it with their Layers.
 * Throws `InvalidOptions` if an option is out of range.
 *
 * @example
 * ```ts
 * import { Deadline } from "@effect-resilience/core"
 * import { HttpErrors } from "@effect-resilience/http"
 * import { HttpLayerRouter } from "@effect/platform"
 * import { Effect, Layer } from "effect"
 *
 * const report = HttpLayerRouter.add("GET", "/report", Effect.never.pipe(Deadline.protect("20 millis")))
 * const routes = Layer.mergeAll(report, HttpErrors.layerRouter({ verbose: true }))
 * const { handler } = HttpLayerRouter.toWebHandler(routes, { disableLogger: true })
 * handler(new Request("http://shop.example/report")).then(({ status }) => console.log(status))
 * // 504
 * ```
 */
export const layerRouter = (options?: Options): Layer.Layer<never, never, HttpLayerRouter.HttpRouter> =>
  HttpLayerRouter.middleware(respond(options), { global: true })
