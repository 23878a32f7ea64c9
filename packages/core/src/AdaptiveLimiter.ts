/**
 * A bulkhead whose limit is learned from how long calls take: as many at a time as make more calls done, and no more, which
 * would only wait for each other inside. It needs no number that was right for last year's dependency.
 *
 * Use it where the capacity of what is called is not known or changes: towards a dependency whose instances come and go;
 * for a server itself `LoadShedder`, which knows what matters most. Where a pool of connections is the limit, `max` is its
 * size, or a `Bulkhead` does.
 *
 * Only successes are samples of latency. A call that timed out, that its caller's deadline cut off, or that was refused
 * for overload (its outcome says when to come back) was dropped, a reason for a lower limit. Others say nothing: failures
 * without such a hint, defects, what is ignored, calls that their callers gave up, and those that another policy refused
 * inside. So stand it next to the call, the timeout inside and the retry outside: waits and repetitions are no latency.
 *
 * It is found by calls that fill it: with fewer the limit stays where it is. It is of one process: n instances learn n
 * limits, which share what there is. A permit bounds real work only as that of a `Bulkhead` does.
 */
import type { AdaptiveLimit as Machine } from "@effect-resilience/machines"
import { type Duration, Effect, type Option, Predicate, type Scope } from "effect"
import { dual } from "effect/Function"
import { Learning, limitSettings, type LimitOptions } from "./adaptive/Learning.js"
import * as Bulkhead from "./Bulkhead.js"
import { Classifier } from "./Classifier.js"
import { type DeadlineExceeded, inForce, missed } from "./Deadline.js"
import { type AnyFiber, nowMillis } from "./FiberTime.js"
import * as InvalidOptions from "./InvalidOptions.js"
import * as Occupancy from "./Occupancy.js"
import type * as Outcome from "./Outcome.js"
import { Base, type Policy } from "./policy/Model.js"
import * as PolicyRegistry from "./PolicyRegistry.js"
import { inRegion, outside, type Outside, region, type Restore, type Step } from "./Region.js"

export type { LimitOptions } from "./adaptive/Learning.js"

/** The options of an adaptive limiter. */
export interface Options extends LimitOptions {
  /** How many may wait for a permit. From 0; default 0: refuse, do not queue. */
  readonly maxQueue?: number | undefined
  /**
   * How long a call may wait. From 1 ms; default as long as its deadline allows. One whose caller cannot be interrupted
   * waits for its turn however long that takes.
   */
  readonly maxWait?: Duration.DurationInput | undefined
}

/** The options of a limiter that stands alone: it also says how exits count. */
export interface MakeOptions extends Options {
  /** How an exit counts. Default `Outcome.classify`. */
  readonly classify?: Outcome.Classify | undefined
}

/** Options that were checked. */
export interface Settings {
  readonly learning: Machine.Config
  readonly line: Bulkhead.Settings
}

/** Checks the options; `path` names them in what is said of them. */
export const settings = (options: Options, path: string): InvalidOptions.Checked<Settings> => {
  const { maxQueue, maxWait } = options
  const learning = limitSettings(options, path)
  return InvalidOptions.every<Settings>({
    learning,
    line: Bulkhead.settings({ maxConcurrent: 1, maxQueue, maxWait }, path)
  })
}

/** What an adaptive limiter is doing, as of now. */
export interface Snapshot {
  /** How many calls may run at a time. */
  readonly limit: number
  readonly inFlight: number
  readonly waiting: number
  /** What a call takes when none waits for another, as far as that is known. */
  readonly baseline: Option.Option<Duration.Duration>
}

/** What the policy adds to the errors of a call: no permit was to be had, or none before the deadline. */
export type Refusal = Bulkhead.BulkheadFull | DeadlineExceeded

const AdaptiveLimiterTypeId: unique symbol = Symbol.for("@effect-resilience/core/AdaptiveLimiter")

/** An adaptive limiter: a call that gets no permit fails with `BulkheadFull`; `snapshot` is as of the moment it is run. */
export interface AdaptiveLimiter extends Policy<Refusal> {
  readonly [AdaptiveLimiterTypeId]: Gate
  readonly snapshot: Effect.Effect<Snapshot>
}

/** Whether this is an adaptive limiter. */
export const isAdaptiveLimiter = (u: unknown): u is AdaptiveLimiter => Predicate.hasProperty(u, AdaptiveLimiterTypeId)

/** What calls go through, and what is learned of them. */
export class Gate {
  private readonly learning: Learning
  private readonly permits: Bulkhead.Permits
  constructor(
    readonly name: string,
    of: Settings,
    /** The Keyed that it is of one key of. */
    private readonly keyed: string | undefined
  ) {
    this.learning = new Learning(of.learning)
    this.permits = new Bulkhead.Permits(name, { ...of.line, limit: this.learning.limit }, keyed)
  }

  get snapshot(): Snapshot {
    const { active, limit, queued } = this.permits.snapshot
    return { limit, inFlight: active, waiting: queued, baseline: this.learning.baseline }
  }

  /** Runs the effect with a permit. */
  readonly through = <A, E, R>(
    self: Effect.Effect<A, E, R>,
    classifier: Classifier
  ): Effect.Effect<A, E | Refusal, R> =>
    region<A, E | Refusal, R>(
      (fiber, restore) => this.entered(fiber, restore, self, classifier),
      (fiber) => (this.permits.isFull ? this.permits.refuse(fiber) : undefined)
    )

  /** Runs a call that has its place, and learns from how it ended. */
  private entered<A, E, R>(
    fiber: AnyFiber,
    restore: Restore,
    self: Effect.Effect<A, E, R>,
    classifier: Classifier
  ): Step<A, E | Refusal, R> {
    const wait = this.permits.acquire(fiber, restore, () => this.budget(fiber))
    if (wait === undefined) return this.watched(fiber, self, classifier)
    return Effect.flatMap(wait, () => inRegion(this.watched(fiber, self, classifier), restore))
  }

  /** What the caller has left to wait in line. */
  private budget(fiber: AnyFiber): Bulkhead.WaitBudget<DeadlineExceeded> | undefined {
    const { keyed, name: policy } = this
    const deadline = inForce(fiber)
    if (deadline === undefined) return undefined
    const onEnd = () => missed(fiber, deadline, "waiting", { policy, keyed })
    return { millis: Math.max(0, deadline.dueMillis - nowMillis(fiber)), onEnd }
  }

  /** Runs a call that has a permit, learns from how it ends, and gives the permit back under the limit that was learned. */
  private watched<A, E, R>(fiber: AnyFiber, self: Effect.Effect<A, E, R>, classifier: Classifier): Outside<A, E, R> {
    const call = { startedMillis: nowMillis(fiber), inFlight: this.permits.snapshot.active }
    const { letGo, work } = Occupancy.occupied(fiber, self, this.permits.release)
    return outside(work, (exit) => {
      const before = this.learning.limit
      const answer = this.learning.ended(fiber, call, exit, classifier)
      const { limit } = this.learning
      if (limit !== before) this.permits.adjust(limit)
      letGo()
      return answer
    })
  }
}

class Limiter extends Base implements AdaptiveLimiter {
  readonly [AdaptiveLimiterTypeId]: Gate
  constructor(
    gate: Gate,
    private readonly classifier: Classifier
  ) {
    super(gate.name)
    this[AdaptiveLimiterTypeId] = gate
  }
  readonly protect = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | Refusal, R> =>
    this[AdaptiveLimiterTypeId].through(self, this.classifier)
  get snapshot(): Effect.Effect<Snapshot> {
    return Effect.sync(() => this[AdaptiveLimiterTypeId].snapshot)
  }
}

/** The gate inside a limiter, for compositions that take its steps themselves. */
export const gateOf = (limiter: AdaptiveLimiter): Gate => limiter[AdaptiveLimiterTypeId]

/** Makes a limiter of settings that were checked, and registers it while the scope lives. */
export const fromSettings = (
  name: string,
  of: Settings,
  classify: Outcome.Classify | undefined
): Effect.Effect<AdaptiveLimiter, never, Scope.Scope> =>
  Effect.flatMap(PolicyRegistry.keyed, (keyed) =>
    PolicyRegistry.register(new Limiter(new Gate(name, of, keyed), new Classifier({ policy: name, keyed }, classify)))
  )

/**
 * Makes an adaptive limiter. Dies with `InvalidOptions` if an option is out of range.
 *
 * @example
 * ```ts
 * import { AdaptiveLimiter, Policy, Timeout } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const limiter = yield* AdaptiveLimiter.make("search", { max: 200, maxQueue: 10, maxWait: "50 millis" })
 *   const timeout = yield* Timeout.make("search", { duration: "1 second" })
 *   yield* Effect.succeed("found").pipe(Policy.all(limiter, timeout).protect)
 *   return (yield* limiter.snapshot).limit
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * ```
 */
export const make = (name: string, options: MakeOptions = {}): Effect.Effect<AdaptiveLimiter, never, Scope.Scope> =>
  Effect.flatMap(InvalidOptions.orDie(name, settings(options, "")), (of) => fromSettings(name, of, options.classify))

/**
 * Runs the effect with a permit of the limiter.
 *
 * @example
 * ```ts
 * import { AdaptiveLimiter } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const limiter = yield* AdaptiveLimiter.make("search")
 *   return yield* Effect.succeed("found").pipe(AdaptiveLimiter.protect(limiter))
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * ```
 */
export const protect: {
  (limiter: AdaptiveLimiter): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | Refusal, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, limiter: AdaptiveLimiter): Effect.Effect<A, E | Refusal, R>
} = dual(2, <A, E, R>(self: Effect.Effect<A, E, R>, limiter: AdaptiveLimiter) => limiter.protect(self))
