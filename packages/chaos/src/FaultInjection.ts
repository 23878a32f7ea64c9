/**
 * Plays a `FaultPlan` against the code that ships: a Layer that puts faults between a service and its callers, or one effect
 * that is hit. The real service stays underneath; calls that no fault hits go to it as they are.
 *
 * Hit are members that are effects or Streams, and functions that give them; everything else passes through (see
 * `ServiceMembers`). What happens to a call is decided when its effect or Stream is run, each time anew: a retry is another
 * call. A Stream is hit before its first element. A call that is interrupted while it is delayed or hangs never reaches the
 * real service; the function that gives the effect has run by then, as it does when a program calls a method and drops what
 * it gives.
 *
 * Whatever is injected is reported as `FaultInjected`, marked as chaos. `hang` keeps no timer: a program that has nothing
 * else to do ends.
 */
import { ServiceMembers } from "@effect-resilience/core"
import { type Context, Effect, Layer } from "effect"
import type { KnowsMethods, Named, NamedForOne } from "./injection/Named.js"
import { Play, type PlayOptions } from "./injection/Play.js"
import type { Call, Fault, FaultPlan } from "./plan/Model.js"

export type {
  ErrorFor,
  ErrorName,
  Named,
  OutcomeFor,
  OutcomeName,
  PredicateName,
  ServiceCall
} from "./injection/Named.js"
export { InjectedDefect } from "./injection/Play.js"

/** How a plan is played, besides what its names stand for. */
export interface Options {
  /** What the service is called in telemetry and messages. Default the key of its tag. */
  readonly name?: string | undefined
  /** What chance begins with: the same seed and the same calls give the same faults. A whole number; default 0. */
  readonly seed?: number | undefined
  /**
   * Asked at each call whether the plan may hit it, before chance is: a call that is not let in here is as if it had not been
   * made. Default always. For what turns faults on and off while the program runs.
   */
  readonly gate?: ((call: Call) => boolean) | undefined
}

/**
 * A service between the real one and its callers, whose calls are hit as the plan says. The plan starts when the effect is
 * run. What `layer` does for a service of a Layer, and what it asks of the compiler, holds here too.
 *
 * @example
 * ```ts
 * import { FaultInjection, FaultPlan } from "@effect-resilience/chaos"
 * import { Effect } from "effect"
 *
 * const real = { charge: (cents: number) => Effect.succeed(`charged ${cents}`) }
 * const program = Effect.gen(function* () {
 *   const slow = yield* FaultInjection.wrap(real, FaultPlan.make(FaultPlan.latency("5 millis")), { name: "payment" })
 *   return yield* slow.charge(100)
 * })
 * Effect.runPromise(program).then(console.log)
 * ```
 */
export function wrap<S extends object, F extends Fault>(
  service: S,
  plan: FaultPlan<F> & KnowsMethods<S, F>,
  options: Options & { readonly name: string } & Named<S, F>
): Effect.Effect<S>
export function wrap<S extends object>(
  service: S,
  plan: FaultPlan,
  options: PlayOptions & { readonly name: string }
): Effect.Effect<S> {
  return between(service, plan, options.name, options)
}

const between = <S extends object>(
  service: S,
  plan: FaultPlan,
  name: string,
  options: PlayOptions
): Effect.Effect<S> => {
  const methods = [...ServiceMembers.keysOf(service)].map(String)
  return Effect.map(Play.start(name, plan, options, methods), (play) =>
    ServiceMembers.wrap<S>(service, {
      effect: (self, { args, member }) => play.effect(self, String(member), args),
      stream: (self, { args, member }) => play.stream(self, String(member), args)
    })
  )
}

/**
 * A Layer over the real service, under the same tag, with the plan in between. The plan starts when the Layer is built.
 *
 * Each error, result and predicate that the plan names is given by name, as a function of the call; an error must be one that
 * every method it may hit declares, a result one that each of them may have, or it does not compile. Where the names are not
 * known to the compiler, as in a plan from JSON, every error and result given must fit every method, and building the Layer dies
 * with `InvalidOptions` that says which names are missing.
 *
 * Provide the real service to it. Merging it with the real one instead silently gives one or the other.
 *
 * @example
 * ```ts
 * import { FaultInjection, FaultPlan } from "@effect-resilience/chaos"
 * import { Context, Data, Effect, Layer } from "effect"
 *
 * class Unavailable extends Data.TaggedError("Unavailable") {}
 * class Payments extends Context.Tag("app/Payments")<
 *   Payments,
 *   { readonly charge: (cents: number) => Effect.Effect<string, Unavailable> }
 * >() {}
 *
 * const real = Layer.succeed(Payments, { charge: (cents) => Effect.succeed(`charged ${cents}`) })
 * const plan = FaultPlan.make(FaultPlan.fault("Unavailable", { methods: ["charge"], times: 1 }))
 * const faulty = FaultInjection.layer(Payments, plan, { errors: { Unavailable: () => new Unavailable() } })
 *
 * const program = Effect.flatMap(Payments, (payments) => Effect.retry(payments.charge(100), { times: 1 }))
 * Effect.runPromise(Effect.provide(program, Layer.provide(faulty, real))).then(console.log)
 * ```
 */
export function layer<I, S extends object, F extends Fault>(
  tag: Context.Tag<I, S>,
  plan: FaultPlan<F> & KnowsMethods<S, F>,
  options: Options & Named<S, F>
): Layer.Layer<I, never, I>
export function layer<I, S extends object>(
  tag: Context.Tag<I, S>,
  plan: FaultPlan,
  options: PlayOptions & { readonly name?: string | undefined }
): Layer.Layer<I, never, I> {
  return Layer.effect(
    tag,
    Effect.flatMap(tag, (service) => between(service, plan, options.name ?? tag.key, options))
  )
}

/** How one effect is called in telemetry and messages, by itself. */
export interface OneOptions extends Options {
  /** What the call is called in a plan and in telemetry. Default `"call"`. */
  readonly method?: string | undefined
}

/**
 * One effect whose runs are hit as the plan says, with the errors that the plan names added to its own. The plan starts when
 * the outer effect is run, and goes on over all runs of the inner one: a retry is another call of the same plan. Its `name`
 * defaults to `"effect"`.
 *
 * @example
 * ```ts
 * import { FaultInjection, FaultPlan } from "@effect-resilience/chaos"
 * import { Effect } from "effect"
 *
 * const plan = FaultPlan.make(FaultPlan.fault("Refused", { times: 2 }))
 * const program = Effect.gen(function* () {
 *   const search = yield* FaultInjection.inject(Effect.succeed("found"), plan, { errors: { Refused: () => "refused" } })
 *   return [yield* Effect.flip(search), yield* Effect.retry(search, { times: 1 })]
 * })
 * Effect.runPromise(program).then(console.log)
 * // [ 'refused', 'found' ]
 * ```
 */
export function inject<A, E, R, F extends Fault, E2 = never>(
  self: Effect.Effect<A, E, R>,
  plan: FaultPlan<F>,
  options: OneOptions & NamedForOne<A, E2, F>
): Effect.Effect<Effect.Effect<A, E | E2, R>>
export function inject(
  self: Effect.Effect<unknown, unknown, unknown>,
  plan: FaultPlan,
  options: PlayOptions & { readonly name?: string | undefined; readonly method?: string | undefined }
): Effect.Effect<Effect.Effect<unknown, unknown, unknown>> {
  const method = options.method ?? "call"
  return Effect.map(Play.start(options.name ?? "effect", plan, options, [method]), (play) =>
    play.effect(self, method, [])
  )
}
