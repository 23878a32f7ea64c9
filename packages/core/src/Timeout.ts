/**
 * A limit on one attempt. With the semantics of `Effect.timeoutFail`: the work is interrupted, its finalizers run, and
 * uninterruptible work is waited for.
 *
 * It stops work only if the work ends when interrupted: a Promise that ignores its AbortSignal goes on after its caller
 * was answered. With `mode: "disconnect"` the caller is answered at the limit whatever the work does, and an enclosing
 * bulkhead keeps the permit until the work has really ended.
 *
 * `make` has a limit that is given, `adaptive` one that is learned.
 */
import { Duration, Effect, type Scope } from "effect"
import { dual } from "effect/Function"
import * as InvalidOptions from "./InvalidOptions.js"
import { abandonable, mayBeAbandoned } from "./Occupancy.js"
import { Base, type Policy } from "./policy/Model.js"
import * as PolicyRegistry from "./PolicyRegistry.js"
import type * as Telemetry from "./Telemetry.js"
import { type Mode, type TimedOut, timedOut } from "./TimedOut.js"
import { limited } from "./Timer.js"

export {
  adaptive,
  type AdaptiveTimeout,
  isAdaptiveTimeout,
  type Options as AdaptiveOptions,
  type Snapshot as AdaptiveSnapshot
} from "./AdaptiveTimeout.js"
export { type Mode, TimedOut, timedOut } from "./TimedOut.js"

/** The options of a timeout. */
export interface Options {
  /** The limit. From 1 ms. */
  readonly duration: Duration.DurationInput
  /** Default `"wait"`. */
  readonly mode?: Mode | undefined
}

/** A timeout: its one error is `TimedOut`, and `limit` is how long an attempt may take. */
export interface Timeout extends Policy<TimedOut> {
  readonly limit: Duration.Duration
}

const limit = <A, E, R>(self: Effect.Effect<A, E, R>, of: Telemetry.Subject, millis: number, mode: Mode) =>
  Effect.withFiberRuntime<A, E | TimedOut, R>((fiber) =>
    limited(mode === "wait" ? self : abandonable(self, "interrupt"), millis, () => timedOut(fiber, of, millis))
  )

class TimeoutPolicy extends Base implements Timeout {
  constructor(
    name: string,
    private readonly millis: number,
    private readonly mode: Mode,
    private readonly keyed: string | undefined
  ) {
    super(name)
  }
  get limit(): Duration.Duration {
    return Duration.millis(this.millis)
  }
  readonly protect = <A, E, R>(self: Effect.Effect<A, E, R>) =>
    limit(self, { policy: this.name, keyed: this.keyed }, this.millis, this.mode)
}

/**
 * A limit on one attempt as a policy. Dies with `InvalidOptions` if the duration is out of range.
 *
 * @example
 * ```ts
 * import { Timeout } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const timeout = yield* Timeout.make("inventory", { duration: "900 millis" })
 *   return yield* Effect.succeed("in stock").pipe(timeout.protect)
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * ```
 */
export const make = (name: string, options: Options): Effect.Effect<Timeout, never, Scope.Scope> =>
  Effect.flatMap(InvalidOptions.orDie(name, InvalidOptions.span("duration", options.duration)), (millis) =>
    Effect.flatMap(PolicyRegistry.keyed, (keyed) => {
      if (options.mode === "disconnect") mayBeAbandoned()
      return PolicyRegistry.register(new TimeoutPolicy(name, millis, options.mode ?? "wait", keyed))
    })
  )

/**
 * Runs the effect under a timeout.
 *
 * @example
 * ```ts
 * import { Timeout } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const timeout = yield* Timeout.make("inventory", { duration: "20 millis" })
 *   return yield* Effect.never.pipe(
 *     Timeout.protect(timeout),
 *     Effect.catchTag("TimedOut", (error) => Effect.succeed(error.policy))
 *   )
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * ```
 */
export const protect: {
  (timeout: Policy<TimedOut>): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | TimedOut, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, timeout: Policy<TimedOut>): Effect.Effect<A, E | TimedOut, R>
} = dual(2, <A, E, R>(self: Effect.Effect<A, E, R>, timeout: Policy<TimedOut>) => timeout.protect(self))
