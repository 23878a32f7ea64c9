/**
 * A named composition of policies in a checked order.
 *
 * `standard` is the canonical one, and what most calls need; `all` composes any policies in the order given; `layer` gives
 * a dependency its policy as a Layer, and `protectService` puts it around every method of a client. `explain` tells what a
 * policy does in the worst case and which traps are in it.
 *
 * Two `Effect.provide`s of the same Layer build two policies with two circuits and two sets of permits, as two calls of
 * `layer` do: provide one, once, near the top of the program.
 */
import { Cause, type ConfigError, type Context, Effect, Exit, Layer, Runtime } from "effect"
import { dual } from "effect/Function"
import { settings as settingsFromEnvironment } from "./policy/Environment.js"
import { Base, PartsTypeId, type Policy as AnyPolicy } from "./policy/Model.js"
import type { StandardOptions } from "./policy/Options.js"
import { fromSettings, standard, type Standard } from "./policy/Standard.js"

export type { ExpectedCase } from "./policy/Budget.js"
export { explain, type Explanation, format } from "./policy/Explain.js"
export { type Hold, protectHolding } from "./policy/Holding.js"
export { partsOf, type Policy, TypeId } from "./policy/Model.js"
export type { RuleToOpen, TimeToOpen } from "./policy/Opening.js"
export type { Pool, StandardOptions } from "./policy/Options.js"
export { type Protected, protectService, protectServiceAs, type ProtectServiceOptions } from "./policy/Service.js"
export { type Overrides, standard, type Standard, type StandardError } from "./policy/Standard.js"
export { protectScoped, protectStream } from "./policy/Streams.js"
export type { Rule, Surroundings, Trap } from "./policy/Traps.js"

class Composition<E> extends Base implements AnyPolicy<E> {
  readonly [PartsTypeId]: ReadonlyArray<AnyPolicy<E>>
  constructor(
    name: string,
    parts: ReadonlyArray<AnyPolicy<E>>,
    readonly protect: AnyPolicy<E>["protect"]
  ) {
    super(name)
    this[PartsTypeId] = parts
  }
}

const unprotected: AnyPolicy<never>["protect"] = (self) => self

/**
 * The composition of policies, outermost first; its errors are theirs together.
 *
 * The order matters: a timeout outside a retry limits all attempts together, inside it limits each; a breaker outside a
 * retry counts a request once. `standard` has them in the order that most calls need.
 *
 * @example
 * ```ts
 * import { Bulkhead, Policy, Timeout } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const bulkhead = yield* Bulkhead.make("search", { maxConcurrent: 10 })
 *   const timeout = yield* Timeout.make("search", { duration: "300 millis" })
 *   return yield* Effect.succeed("found").pipe(Policy.all(bulkhead, timeout).protect)
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * ```
 */
export function all<P extends ReadonlyArray<AnyPolicy<unknown>>>(
  ...outermostFirst: P
): AnyPolicy<AnyPolicy.Error<P[number]>>
export function all<E>(...outermostFirst: ReadonlyArray<AnyPolicy<E>>): AnyPolicy<E> {
  const name = [...new Set(outermostFirst.map((policy) => policy.name))].join(" > ")
  return new Composition<E>(
    name,
    outermostFirst,
    outermostFirst.reduceRight<AnyPolicy<E>["protect"]>(
      (inside, policy) => (self) => policy.protect(inside(self)),
      unprotected
    )
  )
}

/**
 * Runs an effect under a policy. For a Stream: `protectStream`.
 *
 * @example
 * ```ts
 * import { Policy } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const search = yield* Policy.standard("search")
 *   return yield* Effect.succeed("found").pipe(Policy.protect(search))
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * ```
 */
export const protect: {
  <E>(policy: AnyPolicy<E>): <A, E2, R>(self: Effect.Effect<A, E2, R>) => Effect.Effect<A, E | E2, R>
  <A, E2, R, E>(self: Effect.Effect<A, E2, R>, policy: AnyPolicy<E>): Effect.Effect<A, E | E2, R>
} = dual(2, <A, E2, R, E>(self: Effect.Effect<A, E2, R>, policy: AnyPolicy<E>) => policy.protect(self))

/**
 * A standard policy as a Layer, registered while the Layer lives. Building it dies with `InvalidOptions` for options that
 * cannot be meant.
 *
 * @example
 * ```ts
 * import { Policy } from "@effect-resilience/core"
 * import { Context, Effect } from "effect"
 *
 * class PaymentPolicy extends Context.Tag("app/PaymentPolicy")<PaymentPolicy, Policy.Standard>() {}
 *
 * const paymentPolicy = Policy.layer(PaymentPolicy, "payment", { deadline: "5 seconds", timeout: "2 seconds" })
 * const program = Effect.flatMap(PaymentPolicy, (policy) => policy.protect(Effect.succeed("paid")))
 * Effect.runPromise(Effect.provide(program, paymentPolicy)).then(console.log)
 * ```
 */
export const layer = <I>(tag: Context.Tag<I, Standard>, name: string, options: StandardOptions = {}): Layer.Layer<I> =>
  Layer.scoped(tag, standard(name, options))

/**
 * As `layer`, with the options that the environment sets in place of `defaults`: `RESILIENCE_PAYMENT_TIMEOUT="2 seconds"`
 * for a policy named `payment`. The variables are `DEADLINE`, `TIMEOUT`, `RETRY_MAX_RETRIES`, `RETRY_BASE`, `RETRY_CAP`,
 * `RETRY_MAX_RETRY_AFTER`, `CIRCUIT_BREAKER_CONSECUTIVE`, or `CIRCUIT_BREAKER_RATE`, `CIRCUIT_BREAKER_WINDOW` and
 * `CIRCUIT_BREAKER_MINIMUM_CALLS`, `CIRCUIT_BREAKER_OPEN_DURATION`, `BULKHEAD_MAX_CONCURRENT`, `BULKHEAD_MAX_QUEUE`,
 * `BULKHEAD_MAX_WAIT`; `RETRY_BUDGET_RATIO`, `RETRY_BUDGET_MIN_PER_SECOND`, `RETRY_BUDGET_TTL`; `THROTTLE_K`,
 * `THROTTLE_MAX_REJECTION`, `THROTTLE_WINDOW`; `RATE_LIMIT_LIMIT`, `RATE_LIMIT_WINDOW`, `RATE_LIMIT_BURST`,
 * `RATE_LIMIT_MAX_WAIT`, which lets attempts wait; `CONCURRENCY_MIN`, `CONCURRENCY_MAX`, `CONCURRENCY_INITIAL`,
 * `CONCURRENCY_MAX_QUEUE`, `CONCURRENCY_MAX_WAIT`, any of which asks for an adaptive limit. Those on failures take the place of every rule on failures in `defaults`, rules on slow calls
 * stay. Fails with a `ConfigError` that names every variable whose value is not allowed.
 */
export const layerConfig = <I>(
  tag: Context.Tag<I, Standard>,
  name: string,
  defaults: StandardOptions = {}
): Layer.Layer<I, ConfigError.ConfigError> =>
  Layer.scoped(
    tag,
    Effect.flatMap(settingsFromEnvironment(name, defaults), (settings) =>
      fromSettings(name, settings, defaults.classify)
    )
  )

/**
 * A policy for code that is not Effect yet. The thunk gets a signal that is aborted when the policy gives up on it; the
 * promise is rejected with what the thunk threw, or with the policy's own error.
 *
 * @example
 * ```ts
 * import { Policy } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const search = yield* Policy.standard("search")
 *   const protect = Policy.toPromise(search, yield* Effect.runtime())
 *   return yield* Effect.promise(() => protect(async (signal) => signal.aborted))
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * ```
 */
export const toPromise =
  <E>(policy: AnyPolicy<E>, runtime: Runtime.Runtime<never>) =>
  <A>(thunk: (signal: AbortSignal) => Promise<A>): Promise<A> =>
    Runtime.runPromiseExit(runtime)(
      policy.protect(Effect.mapError(Effect.tryPromise(thunk), ({ error }) => error))
    ).then(
      Exit.match({
        onSuccess: (value) => value,
        onFailure: (cause) => {
          throw Cause.squash(cause)
        }
      })
    )
