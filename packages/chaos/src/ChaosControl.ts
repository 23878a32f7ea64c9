/**
 * Turns faults on and off while a program runs: an experiment in staging, by hand or from the environment. Each service has a
 * plan of its own and is switched by name; what is on goes off by itself, after an hour at the latest.
 *
 * Off unless asked: without `CHAOS_ENABLED=true` the Layer of a service yields the very same object, at no cost. It does not
 * start where `NODE_ENV` is anything but development, test or staging, unless production is allowed explicitly. It says so at
 * level warn when it is on and whenever a plan is started, and everything that it injects is reported as `FaultInjected`, marked
 * as chaos.
 *
 * The environment alone makes a share of all calls fail, `CHAOS_FAILURE_RATE` from 0 to 1, of services that say how they fail,
 * and all calls late by `CHAOS_LATENCY_MS`; only in the services of `CHAOS_SERVICES`, names separated by commas, and until
 * `CHAOS_UNTIL`, a time at most an hour ahead. Services that it does not name are left alone, also when started by hand.
 *
 * Time is the monotonic one of `Clock` and is asked at each call: calls that were delayed or hang when a plan is stopped stay so. A
 * plan that is started again begins at its beginning.
 */
import { InvalidOptions, ServiceMembers } from "@effect-resilience/core"
import { type ConfigError, Context, Data, Duration, Effect, Layer, type Scope } from "effect"
import { type BlastRadius, millisOf, type Status, Switch } from "./control/Switch.js"
import { environment } from "./control/Environment.js"
import {
  ChaosRefused,
  isAllowed,
  longestMillis,
  type Options,
  planOf,
  settings,
  upToAnHour
} from "./control/Settings.js"
import type { ErrorFor, KnowsMethods, Named, ServiceCall } from "./injection/Named.js"
import { Play, type PlayOptions } from "./injection/Play.js"
import type { ErrorFault, Fault, FaultPlan } from "./plan/Model.js"

export { ChaosRefused, type Options } from "./control/Settings.js"
export type { BlastRadius, Status } from "./control/Switch.js"

/** There is nothing to start under this name: chaos is off, no such service is controlled, or it has no plan. */
export class UnknownPlan extends Data.TaggedError("UnknownPlan")<{
  readonly name: string
  readonly known: ReadonlyArray<string>
}> {
  override get message(): string {
    const known = this.known.length === 0 ? "there is none" : `there are ${this.known.join(", ")}`
    return `no plan to start is called "${this.name}": ${known}`
  }
}

/** How a plan is started. */
export interface StartOptions extends BlastRadius {
  /** For how long. From 1 ms to 1 hour; default 10 minutes. */
  readonly for?: Duration.DurationInput | undefined
}

/** Starts and stops plans. */
export interface Control {
  /** Whether there is any chaos to control. */
  readonly enabled: boolean
  /** Starts the plan of a service from its beginning. Dies with `InvalidOptions` for a time or a share out of range. */
  readonly start: (name: string, options?: StartOptions) => Effect.Effect<void, UnknownPlan>
  /** Stops the plan of a service, or all of them. What is not on stays off. */
  readonly stop: (name?: string) => Effect.Effect<void>
  /** Every controlled service, by name. */
  readonly status: Effect.Effect<ReadonlyArray<Status>>
  /** Puts a switch under control while the scope lives. For `wrap` and `layer`. */
  readonly register: (made: Switch) => Effect.Effect<boolean, never, Scope.Scope>
}

/** The control of the running program. */
export class ChaosControl extends Context.Tag("@effect-resilience/chaos/ChaosControl")<ChaosControl, Control>() {}

const defaultMillis = 600_000

const off: Control = {
  enabled: false,
  start: (name) => new UnknownPlan({ name, known: [] }),
  stop: () => Effect.void,
  status: Effect.succeed([]),
  register: () => Effect.succeed(false)
}

const started = (options: StartOptions) =>
  InvalidOptions.every<{ millis: number; share: number }>({
    millis: upToAnHour("for", options.for ?? defaultMillis, 1),
    share: InvalidOptions.fraction("share", options.share ?? 1, "0 included")
  })

const warn = (name: string, what: string, millis: number) =>
  Effect.logWarning(`chaos: ${what} is injected into "${name}" for ${Duration.format(Duration.millis(millis))}`)

const now = Effect.clockWith((clock) => Effect.sync(() => millisOf(clock)))

/**
 * A control, for those who read their settings elsewhere; for the environment there is `layerConfig`. Fails with
 * `ChaosRefused` where chaos must not start, and dies with `InvalidOptions` for a rate, latency or time out of range.
 *
 * @example
 * ```ts
 * import { ChaosControl } from "@effect-resilience/chaos"
 * import { Effect } from "effect"
 *
 * const program = Effect.flatMap(ChaosControl.make({ enabled: true }), (control) => control.status)
 * Effect.runPromise(Effect.flip(program)).then((error) => console.log(error.message))
 * ```
 */
export const make = (options: Options = {}): Effect.Effect<Control, ChaosRefused> =>
  Effect.gen(function* () {
    if (options.enabled !== true) return off
    if (!isAllowed(options)) return yield* new ChaosRefused({ environment: options.environment })
    const checked = yield* InvalidOptions.orDie("chaos", settings(options))
    const endMillis = (yield* now) + checked.leftMillis
    const which = options.services === undefined ? "every service" : options.services.join(", ")
    yield* Effect.logWarning(
      `chaos is on in "${options.environment ?? "production"}": faults may be injected into ${which}`
    )
    const switches = new Set<Switch>()
    const startable = () => [...new Set([...switches].filter(({ plan }) => plan !== undefined).map(({ name }) => name))]

    const begin = (one: Switch, plan: FaultPlan, source: "its own" | "settings", radius: BlastRadius, millis: number) =>
      Effect.gen(function* () {
        const at = yield* now
        const untilMillis = Math.min(at + millis, endMillis)
        if (untilMillis <= at) return
        yield* one.start(plan, source, radius, untilMillis)
        yield* warn(one.name, source === "its own" ? "its plan" : "what the settings say", untilMillis - at)
      })

    return {
      enabled: true,
      start: (name, startOptions = {}) =>
        Effect.gen(function* () {
          const { millis } = yield* InvalidOptions.orDie(name, started(startOptions))
          const named = [...switches].filter((one) => one.name === name && one.plan !== undefined)
          if (named.length === 0) return yield* new UnknownPlan({ name, known: startable() })
          for (const one of named) {
            if (one.plan !== undefined) yield* begin(one, one.plan, "its own", startOptions, millis)
          }
        }),
      stop: (name) =>
        Effect.sync(() => {
          for (const one of switches) if (name === undefined || one.name === name) one.stop()
        }),
      status: Effect.map(now, (at) => [...switches].map((one) => one.status(at))),
      register: (made) =>
        Effect.gen(function* () {
          if (options.services !== undefined && !options.services.includes(made.name)) return false
          yield* Effect.acquireRelease(
            Effect.sync(() => switches.add(made)),
            () => Effect.sync(() => switches.delete(made))
          )
          if (checked.failureRate > 0 && !made.fails) {
            yield* Effect.logWarning(
              `chaos: "${made.name}" does not say how it fails, so no failure is injected into it`
            )
          }
          const plan = planOf(checked, made.fails)
          if (plan !== undefined) yield* begin(made, plan, "settings", {}, longestMillis)
          return true
        })
    }
  })

/**
 * The control that the environment asks for: `CHAOS_ENABLED` (`true` or `false`), `CHAOS_FAILURE_RATE`, `CHAOS_LATENCY_MS`,
 * `CHAOS_SERVICES`, `CHAOS_UNTIL`, `CHAOS_ALLOW_PRODUCTION`, `NODE_ENV`. Fails with a `ConfigError` that names every variable
 * whose value is not allowed, and with `ChaosRefused` where chaos must not start. While it is off only `CHAOS_ENABLED` is
 * read for mistakes: a typo in the others must not keep a service in production from starting.
 *
 * @example
 * ```ts
 * import { ChaosControl } from "@effect-resilience/chaos"
 * import { ConfigProvider, Effect, Layer } from "effect"
 *
 * const environment = ConfigProvider.fromMap(new Map([["CHAOS_ENABLED", "true"], ["NODE_ENV", "staging"]]))
 * const program = Effect.map(ChaosControl.ChaosControl, (control) => control.enabled)
 * const layer = Layer.provide(ChaosControl.layerConfig(), Layer.setConfigProvider(environment))
 * Effect.runPromise(Effect.provide(program, layer)).then(console.log)
 * ```
 */
export const layerConfig = (
  options: Pick<Options, "allowProduction"> = {}
): Layer.Layer<ChaosControl, ChaosRefused | ConfigError.ConfigError> =>
  Layer.effect(
    ChaosControl,
    Effect.flatMap(environment, (found) =>
      make({
        enabled: found.enabled,
        environment: found.nodeEnv,
        allowProduction: options.allowProduction === true || found.allowProduction,
        services: found.services,
        failureRate: found.failureRate,
        latency: found.latencyMillis,
        ...(found.leftMillis !== undefined && { for: Math.max(0, found.leftMillis) })
      })
    )
  )

/** What can go wrong in a service. */
export type ServiceOptions<S, F extends Fault> = {
  /** The plan that `start` plays. Without one the service is hit only by what the settings say. */
  readonly plan?: (FaultPlan<F> & KnowsMethods<S, F>) | undefined
  /** How a call fails of those that the settings make fail: an error that every method declares. */
  readonly failure?: ((call: ServiceCall<S>) => ErrorFor<S, ErrorFault<"failure">, "failure">) | undefined
  /** What chance begins with. A whole number; default 0. */
  readonly seed?: number | undefined
} & Named<S, F>

interface AnyOptions extends PlayOptions {
  readonly plan?: FaultPlan | undefined
  readonly failure?: NonNullable<PlayOptions["errors"]>[string] | undefined
}

/**
 * A service under control while the scope lives, or the very same object if chaos is off. `name` is what it is started by.
 * What the plan names is typed as by `FaultInjection`, which says what is hit and how.
 *
 * @example
 * ```ts
 * import { ChaosControl } from "@effect-resilience/chaos"
 * import { Effect } from "effect"
 *
 * const real = { charge: (cents: number) => Effect.succeed(`charged ${cents}`) }
 * const program = Effect.map(ChaosControl.wrap(real, "payment", {}), (payments) => payments === real)
 * const off = Effect.provideServiceEffect(ChaosControl.ChaosControl, ChaosControl.make())
 * Effect.runPromise(Effect.scoped(off(program))).then(console.log)
 * ```
 */
export function wrap<S extends object, F extends Fault>(
  service: S,
  name: string,
  options: ServiceOptions<S, F>
): Effect.Effect<S, never, ChaosControl | Scope.Scope>
export function wrap<S extends object>(
  service: S,
  name: string,
  options: AnyOptions
): Effect.Effect<S, never, ChaosControl | Scope.Scope> {
  return controlled(service, name, options)
}

const controlled = <S extends object>(service: S, name: string, options: AnyOptions) =>
  Effect.gen(function* () {
    const control = yield* ChaosControl
    if (!control.enabled) return service
    const { failure, plan } = options
    const named = { ...options, errors: { ...options.errors, ...(failure && { failure }) } }
    const methods = [...ServiceMembers.keysOf(service)].map(String)
    // A plan that cannot be meant is refused now, and not when somebody wants to start it.
    if (plan !== undefined) yield* Play.start(name, plan, named, methods)
    const made = new Switch(name, plan, failure !== undefined, named, methods)
    return (yield* control.register(made)) ? made.between(service) : service
  })

/**
 * A Layer over the real service, under the same tag, that is under control. Provide the real service and a control to it.
 *
 * @example
 * ```ts
 * import { ChaosControl, FaultPlan } from "@effect-resilience/chaos"
 * import { Context, Data, Effect, Layer } from "effect"
 *
 * class Unavailable extends Data.TaggedError("Unavailable") {}
 * class Payments extends Context.Tag("app/Payments")<
 *   Payments,
 *   { readonly charge: (cents: number) => Effect.Effect<string, Unavailable> }
 * >() {}
 *
 * const control = Layer.effect(ChaosControl.ChaosControl, ChaosControl.make({ enabled: true, environment: "test" }))
 * const real = Layer.succeed(Payments, { charge: (cents) => Effect.succeed(`charged ${cents}`) })
 * const payments = ChaosControl.layer(Payments, "payment", {
 *   plan: FaultPlan.make(FaultPlan.fault("Unavailable")),
 *   errors: { Unavailable: () => new Unavailable() }
 * })
 *
 * const program = Effect.gen(function* () {
 *   const { charge } = yield* Payments
 *   const chaos = yield* ChaosControl.ChaosControl
 *   yield* chaos.start("payment", { for: "5 minutes" })
 *   const down = yield* Effect.flip(charge(100))
 *   yield* chaos.stop("payment")
 *   return [down._tag, yield* charge(100)]
 * })
 * const layer = Layer.provideMerge(Layer.provide(payments, real), control)
 * Effect.runPromise(Effect.provide(program, layer)).then(console.log)
 * ```
 */
export function layer<I, S extends object, F extends Fault>(
  tag: Context.Tag<I, S>,
  name: string,
  options: ServiceOptions<S, F>
): Layer.Layer<I, never, I | ChaosControl>
export function layer<I, S extends object>(
  tag: Context.Tag<I, S>,
  name: string,
  options: AnyOptions
): Layer.Layer<I, never, I | ChaosControl> {
  return Layer.scoped(
    tag,
    Effect.flatMap(tag, (service) => controlled(service, name, options))
  )
}
