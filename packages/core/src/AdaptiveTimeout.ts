/**
 * A limit on one attempt that is learned from how long calls take: `factor` times a quantile of the successes of late. For
 * dependencies whose latency nobody knows, or that changes with the day.
 *
 * It stops calls that take far longer than is usual, and follows when the usual changes: a call that was stopped counts as
 * one that took as long as it might, or the limit would sink below what calls really take and stay there. Where more calls
 * are stopped than the quantile leaves out, the limit grows by `factor`, up to `max`, as soon as they are in the window.
 * What failed before its limit says nothing. Before there were calls enough the limit is `max`.
 *
 * It knows what is usual, not what the caller can wait for: that is a deadline. As for the rest it is a `Timeout`.
 */
import { Duration, Effect, Predicate, type Scope } from "effect"
import { nowMillis } from "./FiberTime.js"
import * as InvalidOptions from "./InvalidOptions.js"
import * as Latencies from "./Latencies.js"
import { abandonable, mayBeAbandoned } from "./Occupancy.js"
import { Base, type Policy } from "./policy/Model.js"
import * as PolicyRegistry from "./PolicyRegistry.js"
import { type Mode, type TimedOut, timedOut } from "./TimedOut.js"
import { limited } from "./Timer.js"

/** The options of an adaptive timeout. */
export interface Options extends Omit<Latencies.Options, "quantile"> {
  /** The longest limit, and the limit at first. From `min`. */
  readonly max: Duration.DurationInput
  /** The shortest limit. From 1 ms; default 1 ms. */
  readonly min?: Duration.DurationInput | undefined
  /** The share of the calls that takes no longer than what is multiplied. From 0 to 1; default 0.99. */
  readonly quantile?: number | undefined
  /** By how much. From 1.1, or a limit that stops all calls would learn itself from them; default 2. */
  readonly factor?: number | undefined
  /** Default `"wait"`. */
  readonly mode?: Mode | undefined
}

/** Options that were checked. */
interface Settings {
  readonly of: Latencies.Settings
  readonly minMillis: number
  readonly maxMillis: number
  readonly factor: number
}

/** What an adaptive timeout does now. */
export interface Snapshot {
  /** How long an attempt may take that begins now. */
  readonly limit: Duration.Duration
  /** How long calls took. */
  readonly latency: Latencies.Snapshot
}

const AdaptiveTimeoutTypeId: unique symbol = Symbol.for("@effect-resilience/core/AdaptiveTimeout")

/** An adaptive timeout: its one error is `TimedOut`; `snapshot` is as of the moment it is run. */
export interface AdaptiveTimeout extends Policy<TimedOut> {
  readonly [AdaptiveTimeoutTypeId]: typeof AdaptiveTimeoutTypeId
  readonly snapshot: Effect.Effect<Snapshot>
}

/** Whether this is an adaptive timeout. */
export const isAdaptiveTimeout = (u: unknown): u is AdaptiveTimeout => Predicate.hasProperty(u, AdaptiveTimeoutTypeId)

/** It must leave room above the error of what is learned, 0.01, for a limit that stops all calls to grow. */
const leastFactor = 1.1

const settings = (options: Options): InvalidOptions.Checked<Settings> =>
  InvalidOptions.also(
    InvalidOptions.every<Settings>({
      of: Latencies.settings({ ...options, quantile: options.quantile ?? 0.99 }, ""),
      minMillis: InvalidOptions.span("min", options.min ?? 1),
      maxMillis: InvalidOptions.span("max", options.max),
      factor: InvalidOptions.atLeast("factor", options.factor ?? 2, leastFactor)
    }),
    ({ maxMillis, minMillis }) => minMillis <= maxMillis,
    ({ maxMillis, minMillis }) => ({
      option: "max",
      value: `${maxMillis} ms`,
      allowed: `at least min, ${minMillis} ms`
    })
  )

class AdaptiveTimeoutPolicy extends Base implements AdaptiveTimeout {
  readonly [AdaptiveTimeoutTypeId]: typeof AdaptiveTimeoutTypeId = AdaptiveTimeoutTypeId
  private readonly latencies: Latencies.Latencies
  constructor(
    name: string,
    private readonly of: Settings,
    private readonly mode: Mode,
    private readonly keyed: string | undefined
  ) {
    super(name)
    this.latencies = new Latencies.Latencies(of.of)
  }

  get snapshot(): Effect.Effect<Snapshot> {
    return Effect.withFiberRuntime<Snapshot>((fiber) => {
      const now = nowMillis(fiber)
      return Effect.succeed({ limit: Duration.millis(this.limitMillis(now)), latency: this.latencies.snapshot(now) })
    })
  }

  readonly protect = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | TimedOut, R> =>
    Effect.withFiberRuntime<A, E | TimedOut, R>((fiber) => {
      const { keyed, latencies, name: policy } = this
      const begunMillis = nowMillis(fiber)
      const millis = this.limitMillis(begunMillis)
      const onLimit = () => {
        latencies.add(millis, nowMillis(fiber))
        return timedOut(fiber, { policy, keyed }, millis)
      }
      const work = this.mode === "wait" ? self : abandonable(self, "interrupt")
      return Effect.map(limited(work, millis, onLimit), (value) => {
        const now = nowMillis(fiber)
        latencies.add(now - begunMillis, now)
        return value
      })
    })

  private limitMillis(now: number): number {
    const { factor, maxMillis, minMillis } = this.of
    const learned = this.latencies.learned(now)
    return learned === undefined ? maxMillis : Math.min(maxMillis, Math.max(minMillis, Math.ceil(factor * learned)))
  }
}

/**
 * A timeout that learns its limit, as a policy. Dies with `InvalidOptions` if an option is out of range.
 *
 * @example
 * ```ts
 * import { Timeout } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const timeout = yield* Timeout.adaptive("inventory", { quantile: 0.99, factor: 2, min: "50 millis", max: "2 seconds" })
 *   return yield* Effect.succeed("in stock").pipe(timeout.protect)
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * ```
 */
export const adaptive = (name: string, options: Options): Effect.Effect<AdaptiveTimeout, never, Scope.Scope> =>
  Effect.flatMap(Effect.zip(InvalidOptions.orDie(name, settings(options)), PolicyRegistry.keyed), ([of, keyed]) => {
    const { mode = "wait" } = options
    if (mode === "disconnect") mayBeAbandoned()
    return PolicyRegistry.register(new AdaptiveTimeoutPolicy(name, of, mode, keyed))
  })
