/**
 * An `HttpClient` of `@effect/platform` under the standard policy, with HTTP's own rules: what may be repeated, what a
 * status means, what `Retry-After` asks. `HttpOutcome` has the rules.
 *
 * Each origin has a breaker and a bulkhead of its own, so that one that is ill does not take another's calls with it. The
 * time limit of an attempt and the breaker's outcome end with the headers. The permit of the bulkhead and the budget last
 * until the body has ended: read, discarded, cut off after `bodyIdle` of silence, or, if it is small and nobody reads it,
 * read into memory. `holdUntil: "headers"` is for long streams, which would keep their permits as long.
 *
 * What is repeated is sent as it was, with the same `Idempotency-Key`. After the last attempt the caller gets the last
 * response or error unchanged. A request that may have arrived and may not be made twice is sent once.
 *
 * Redirects are not followed unless `maxRedirects` says so, and what is sent to another origin then carries neither
 * credentials nor the key. A client that follows by itself must be told not to, or a POST may be sent again because the
 * place it was redirected to could not be reached: `FetchHttpClient` by providing `FetchHttpClient.RequestInit` with
 * `{ redirect: "manual" }`. Make an error of a status outside of this client (`HttpClient.filterStatusOk` of it): inside,
 * little of the error's body is kept. What is done to requests inside (`HttpClient.mapRequest`) is done once for a call, not
 * for each attempt: `beforeAttempt` is for that. `HttpClient.withScope` inside ends a body with its scope, too, and not
 * what is held for it.
 */
import { InvalidOptions, Keyed, type Outcome, Policy, Region } from "@effect-resilience/core"
import { HttpClient, type HttpClientError, type HttpClientRequest, type HttpClientResponse } from "@effect/platform"
import { Context, Duration, Effect, Layer, Option, type Scope } from "effect"
import { dual } from "effect/Function"
import type { BeforeAttempt } from "./client/Attempt.js"
import { connecting } from "./client/Connection.js"
import { classify as classifyBy, Exchange, statusOf, type Terms, type Way } from "./client/Exchange.js"
import * as OpenBodies from "./client/OpenBodies.js"
import * as Origin from "./client/Origin.js"
import { following } from "./client/Redirects.js"
import { clientKinds, quotas, settings, standardKinds } from "./client/Settings.js"
import type { Quotas } from "./client/Quotas.js"
import { stagesOf } from "./client/Stages.js"
import { type Said, Variants } from "./client/Variants.js"
import type * as CriticalityHeader from "./CriticalityHeader.js"
import type * as DeadlineHeader from "./DeadlineHeader.js"
import * as HttpOutcome from "./HttpOutcome.js"

export type { Attempt, BeforeAttempt } from "./client/Attempt.js"
export { BodyCutOff } from "./client/BodyCutOff.js"

/** A client under a standard policy. `E` and `R` are those of the client itself. */
export interface ResilientHttpClient<E = HttpClientError.HttpClientError, R = never> extends HttpClient.HttpClient.With<
  E | Policy.StandardError,
  R
> {}

/** What goes for all calls of a client, whatever its policies. */
export interface ClientOptions {
  /** Other rulings for some statuses than `HttpOutcome.table` has, in whole or in part. */
  readonly statuses?: HttpOutcome.Rules["statuses"]
  /** How long a body may be silent before it is cut off. From 1 ms; default 10 seconds. */
  readonly bodyIdle?: Duration.DurationInput | undefined
  /** How long the permit and the budget last: until the `"body"` has ended, the default, or until the `"headers"`. */
  readonly holdUntil?: "body" | "headers" | undefined
  /** How many redirects a call follows. From 0; default 0: the caller gets the answer that redirects. */
  readonly maxRedirects?: number | undefined
  /** What a request becomes for an attempt, such as one that tells how long its sender will wait. */
  readonly beforeAttempt?: BeforeAttempt | undefined
  /**
   * To which origins each attempt tells how much time it has, in `x-request-timeout-ms`: the shorter of its own limit and
   * what is left of the budget, less the margin. A 504 that comes when that was over is not repeated, and counts
   * as ignored, but as a failure if the dependency has had its `patience`.
   * Default: none.
   */
  readonly deadlineHeader?: DeadlineHeader.SendOptions | undefined
  /** To which origins each attempt tells how much the request matters, in `x-request-criticality`. Default: none. */
  readonly criticalityHeader?: CriticalityHeader.SendOptions | undefined
}

/** The options of a client under standard policies, one for each key. */
export interface Options extends Omit<Policy.StandardOptions, "classify" | "idempotent" | "hedge">, ClientOptions {
  /**
   * What is done about an answer that says that nothing is left of a quota (`RateLimit`, `X-RateLimit-*`): the next attempts
   * at that origin wait until there is, for `maxWait` at most (from 0 ms; default 30 seconds), or fail at once with
   * `RateLimited` where that, or their deadline, is shorter. No answer is believed for longer than 5 minutes. Default `{}`.
   */
  readonly rateLimitHeaders?: { readonly maxWait?: Duration.DurationInput | undefined } | "none" | undefined
  /** By what dependencies are told apart. Default: by origin. */
  readonly key?: ((request: HttpClientRequest.HttpClientRequest) => string) | undefined
  /** How many policies are kept at most, as in `Keyed`. From 1; default 1,000. */
  readonly capacity?: number | undefined
  /** How long a policy is kept that nobody uses. From 1 ms; default 10 minutes. */
  readonly idleTimeToLive?: Duration.DurationInput | undefined
}

/** What a call can say for itself. */
export interface Overrides extends Said {
  /** Other rulings for some statuses, before those of the client. */
  readonly statuses?: HttpOutcome.Rules["statuses"]
  readonly holdUntil?: "body" | "headers" | undefined
}

class CurrentOverrides extends Context.Reference<CurrentOverrides>()("@effect-resilience/http/Overrides", {
  defaultValue: (): Overrides => ({})
}) {}

/**
 * Says something else for the calls that an effect makes.
 *
 * @example
 * ```ts
 * import { ResilientHttpClient } from "@effect-resilience/http"
 * import { HttpClient } from "@effect/platform"
 *
 * const search = HttpClient.post("https://search.example/query").pipe(
 *   ResilientHttpClient.override({ repeatable: true, timeout: "500 millis" })
 * )
 * ```
 */
export const override: {
  (overrides: Overrides): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, overrides: Overrides): Effect.Effect<A, E, R>
} = dual(2, <A, E, R>(self: Effect.Effect<A, E, R>, overrides: Overrides) =>
  Effect.provideService(self, CurrentOverrides, overrides)
)

/** How the exit of a call counts, for policies of one's own around this client (`protectWith`). */
export const classify: Outcome.Classify = classifyBy(false)

/** What a call ended with, in telemetry: the status code that came, for policies of one's own (`policy.with`). */
export const status: NonNullable<Policy.Overrides["status"]> = statusOf

/** Runs the attempts of a call under what is there for it, and tells the call the limit of each. */
type Under<E2> = (terms: Terms, overrides: Overrides) => Policy.Policy<E2>["protect"]

const through = <E, R, E2>(
  client: HttpClient.HttpClient.With<E, R>,
  name: string,
  options: ClientOptions,
  under: Under<E2>
): Effect.Effect<HttpClient.HttpClient.With<E | E2, R>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { criticalityHeader, deadlineHeader, idleMillis, maxRedirects } = yield* InvalidOptions.orDie(
      name,
      settings(options)
    )
    const { beforeAttempt } = options
    const { postprocess, preprocess } = stagesOf(client)
    const sending = HttpClient.makeWith<E, R, E, R>(postprocess, Effect.succeed)
    const way: Way<E, R> = {
      client: sending,
      connect: yield* connecting(sending),
      bodies: yield* OpenBodies.make,
      idleMillis,
      beforeAttempt,
      deadlineHeader,
      criticalityHeader
    }
    const call = (request: HttpClientRequest.HttpClientRequest) =>
      Region.region<HttpClientResponse.HttpClientResponse, E | E2, R>((fiber) => {
        const overrides = Context.get(fiber.currentContext, CurrentOverrides)
        const { repeatable } = overrides
        const statuses =
          overrides.statuses === undefined ? options.statuses : { ...options.statuses, ...overrides.statuses }
        const terms: Terms = {
          request,
          timeout: Option.none(),
          patienceMillis: Infinity,
          isRepeatable: repeatable ?? HttpOutcome.isRepeatable(request),
          rules: { statuses, repeatable },
          holdUntil: overrides.holdUntil ?? options.holdUntil ?? "body",
          hear: undefined
        }
        return new Exchange(way, terms).under(fiber, under(terms, overrides))
      })
    return HttpClient.makeWith<E, R, E | E2, R>(Effect.flatMap(following(call, maxRedirects)), preprocess)
  })

/** The policy for a call that hears what its answer says of quotas, and waits for what other answers have said. */
const heeding = (known: Quotas, keyed: string, terms: Terms, policy: Policy.Standard): Policy.Standard => {
  const subject = () => ({ policy: policy.name, keyed, origin: Origin.of(terms.request) })
  terms.hear = (fiber, headers) => known.heard(fiber, subject, headers)
  const inTurn = known.turnOf(subject)
  return inTurn === undefined ? policy : policy.with({ inTurn })
}

/**
 * A client under standard policies, one for each origin. Its name is that of the policies, with the key, in errors and
 * telemetry, which knows calls by their method, or by the `operation` that `override` gives them, and tells the status code
 * that came. The client works until the scope closes, when bodies that are still open are cut off. Dies with
 * `InvalidOptions` if an option is out of range.
 *
 * @example
 * ```ts
 * import { ResilientHttpClient } from "@effect-resilience/http"
 * import { FetchHttpClient, HttpClient } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const client = yield* ResilientHttpClient.protect(yield* HttpClient.HttpClient, "inventory", {
 *     timeout: "900 millis",
 *     retry: { maxRetries: 1 },
 *     bulkhead: { maxConcurrent: 20 }
 *   })
 *   return yield* client.get("http://127.0.0.1:1/stock").pipe(
 *     Effect.map((response) => `${response.status}`),
 *     Effect.catchTag("RequestError", (error) => Effect.succeed(error.reason))
 *   )
 * })
 * Effect.runPromise(Effect.scoped(program).pipe(Effect.provide(FetchHttpClient.layer))).then(console.log)
 * ```
 */
export const protect = <E, R>(
  client: HttpClient.HttpClient.With<E, R>,
  name: string,
  options: Options = {}
): Effect.Effect<ResilientHttpClient<E, R>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { capacity = 1_000, idleTimeToLive = "10 minutes", key = Origin.of } = options
    const keyed = Keyed.make(name, {
      capacity,
      idleTimeToLive,
      lookup: (of: string) => Policy.standard(`${name} ${of}`, { ...options, classify: classifyBy(true) })
    })
    // Those of the policies are checked here, where they are given, and not at the first call.
    yield* InvalidOptions.together(name, [
      InvalidOptions.orDie(name, standardKinds(options)),
      InvalidOptions.orDie(name, settings(options)),
      InvalidOptions.orDie(name, quotas(options)),
      Effect.scoped(Policy.standard(name, options)),
      Effect.scoped(keyed)
    ])
    const policies = yield* keyed
    const variants = new Variants()
    const told = yield* InvalidOptions.orDie(name, quotas(options))
    return yield* through<E, R, Policy.StandardError>(
      client,
      name,
      options,
      (terms, overrides) => (attempt) =>
        policies.use(key(terms.request), (policy) => {
          const fitting = variants.of(policy, terms, overrides)
          terms.timeout = fitting.timeout
          terms.patienceMillis = Option.match(fitting.patience, { onNone: () => Infinity, onSome: Duration.toMillis })
          return told === undefined ? fitting.protect(attempt) : heeding(told, name, terms, fitting).protect(attempt)
        })
    )
  })

/**
 * A client under a policy of one's own for each request, such as a breaker alone, or parts in another order. Give the
 * parts that judge `classify: ResilientHttpClient.classify`. A policy that retries runs the whole attempt again.
 *
 * @example
 * ```ts
 * import { CircuitBreaker } from "@effect-resilience/core"
 * import { ResilientHttpClient } from "@effect-resilience/http"
 * import { FetchHttpClient, HttpClient } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const breaker = yield* CircuitBreaker.make("mail", { classify: ResilientHttpClient.classify })
 *   const client = yield* ResilientHttpClient.protectWith(yield* HttpClient.HttpClient, "mail", () => breaker)
 *   return yield* Effect.flip(client.get("http://127.0.0.1:1/"))
 * })
 * Effect.runPromise(Effect.scoped(program).pipe(Effect.provide(FetchHttpClient.layer))).then(({ _tag }) => console.log(_tag))
 * ```
 */
export const protectWith = <E, R, E2>(
  client: HttpClient.HttpClient.With<E, R>,
  name: string,
  policy: (request: HttpClientRequest.HttpClientRequest) => Policy.Policy<E2>,
  options: ClientOptions = {}
): Effect.Effect<HttpClient.HttpClient.With<E | E2, R>, never, Scope.Scope> =>
  Effect.zipRight(
    InvalidOptions.together(name, [
      InvalidOptions.orDie(name, clientKinds(options)),
      InvalidOptions.orDie(name, settings(options))
    ]),
    through<E, R, E2>(client, name, options, ({ request }) => policy(request).protect)
  )

/**
 * As `protect`, as a Layer over the client that is there.
 *
 * @example
 * ```ts
 * import { ResilientHttpClient } from "@effect-resilience/http"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Context, Effect, Layer } from "effect"
 *
 * class Inventory extends Context.Tag("app/Inventory")<Inventory, ResilientHttpClient.ResilientHttpClient>() {}
 *
 * const inventory = ResilientHttpClient.layer(Inventory, "inventory", { timeout: "900 millis" })
 * const program = Effect.flatMap(Inventory, (client) => Effect.exit(client.get("http://127.0.0.1:1/stock")))
 * const live = Layer.provide(inventory, FetchHttpClient.layer)
 * Effect.runPromise(Effect.provide(program, live)).then((exit) => console.log(exit._tag))
 * ```
 */
export const layer = <I>(
  tag: Context.Tag<I, ResilientHttpClient>,
  name: string,
  options: Options = {}
): Layer.Layer<I, never, HttpClient.HttpClient> =>
  Layer.scoped(
    tag,
    Effect.flatMap(HttpClient.HttpClient, (client) => protect(client, name, options))
  )
