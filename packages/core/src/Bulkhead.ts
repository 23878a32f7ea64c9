/**
 * A bulkhead: at most so many calls to a dependency at a time, so that a slow one cannot take every socket, connection or
 * fiber of the process with it. Calls beyond the limit are refused, or wait in a bounded line, first come, first served.
 *
 * Size it below the pool that the calls draw from: a caller who waits inside, for a socket, holds a permit while it does.
 *
 * A permit bounds real work only if the work ends when interrupted: a Promise that ignores its AbortSignal goes on after
 * the permit is back. Wire the signal through, or protect it with `hold: "settled"`, or make the timeout inside one with
 * `mode: "disconnect"`: both keep the permit until the work has really ended. That of `"disconnect"` is interrupted, so
 * for a Promise that ignores its signal it has ended as soon as it is.
 */
import { Data, type Duration, Effect, Exit, Option, Predicate, type Scope, type Types } from "effect"
import { dual } from "effect/Function"
import { type AnyFiber, nowMillis } from "./FiberTime.js"
import * as InvalidOptions from "./InvalidOptions.js"
import * as Occupancy from "./Occupancy.js"
import * as Outcome from "./Outcome.js"
import { Base, type Policy } from "./policy/Model.js"
import * as PolicyRegistry from "./PolicyRegistry.js"
import * as Telemetry from "./Telemetry.js"
import { limited } from "./Timer.js"
import { WaitingLine } from "./WaitingLine.js"

/** No permit was to be had: the dependency was not asked. Shed the call, answer with a fallback, or come back later. */
export class BulkheadFull extends Data.TaggedError("BulkheadFull")<{
  readonly policy: string
  readonly limit: number
  readonly queued: number
  /** `full`: nobody more may wait; `waited`: `maxWait` has passed. */
  readonly reason: "full" | "waited"
  readonly retryAfter: Option.Option<Duration.Duration>
}> {
  get [Outcome.RejectionTypeId](): true {
    return true
  }
  get [Outcome.OutcomeTypeId](): Outcome.Outcome {
    return Outcome.ignored()
  }
  override get message(): string {
    const what = this.reason === "full" ? "was refused" : "has waited as long as it may"
    return `All ${this.limit} permits of "${this.policy}" are taken, ${this.queued} wait; this call ${what}: use a fallback`
  }
}

/** Makes the error without running `Error`'s constructor, as `circuitOpen` does and for the same reason. */
const bulkheadFull = (policy: string, limit: number, queued: number, reason: BulkheadFull["reason"]): BulkheadFull => {
  const error: Types.Mutable<BulkheadFull> = Object.create(BulkheadFull.prototype)
  error._tag = "BulkheadFull"
  error.policy = policy
  error.limit = limit
  error.queued = queued
  error.reason = reason
  error.retryAfter = Option.none()
  return error
}

/** The options of a bulkhead. */
export interface Options {
  /** How many calls may run at a time. From 1. */
  readonly maxConcurrent: number
  /** How many may wait for a permit. From 0; default 0: refuse, do not queue. */
  readonly maxQueue?: number | undefined
  /**
   * How long a call may wait. From 1 ms; default as long as its caller lets it. One whose caller cannot be interrupted (an
   * acquisition, a finalizer) waits for its turn however long that takes.
   */
  readonly maxWait?: Duration.DurationInput | undefined
}

/** Options that were checked; `maxWaitMillis` is Infinity where there is none. */
export interface Settings {
  readonly limit: number
  readonly maxQueue: number
  readonly maxWaitMillis: number
}

/** Checks the options; `path` names them in what is said of them. */
export const settings = (options: Options, path: string): InvalidOptions.Checked<Settings> =>
  InvalidOptions.every<Settings>({
    limit: InvalidOptions.integer(`${path}maxConcurrent`, options.maxConcurrent, 1),
    maxQueue: InvalidOptions.integer(`${path}maxQueue`, options.maxQueue ?? 0, 0),
    maxWaitMillis:
      options.maxWait === undefined
        ? InvalidOptions.valid(Infinity)
        : InvalidOptions.span(`${path}maxWait`, options.maxWait)
  })

/** What a bulkhead is doing, as of now. */
export interface Snapshot {
  readonly active: number
  readonly queued: number
  readonly limit: number
}

const BulkheadTypeId: unique symbol = Symbol.for("@effect-resilience/core/Bulkhead")

/** A bulkhead: its one error is `BulkheadFull`; `snapshot` is as of the moment it is run. */
export interface Bulkhead extends Policy<BulkheadFull> {
  readonly [BulkheadTypeId]: Permits
  readonly snapshot: Effect.Effect<Snapshot>
  /**
   * From now on so many calls may run at a time. From 1; dies with `InvalidOptions` otherwise. If it is less than before,
   * calls that run go on, and permits are not given again until fewer do; if it is more, the first in line go at once.
   */
  readonly resize: (maxConcurrent: number) => Effect.Effect<void>
  /** Run the effect under this bulkhead, with options for this call. */
  readonly protectWith: <A, E, R>(
    self: Effect.Effect<A, E, R>,
    options: CallOptions
  ) => Effect.Effect<A, E | BulkheadFull, R>
}

/** What a call can say for itself. */
export interface CallOptions {
  /**
   * How long the call keeps its permit. `"interrupted"`, the default: until it has ended, which for what is interrupted
   * may be before the Promise behind it settles. `"settled"`: the call is never interrupted; a caller that is, goes at
   * once, and the permit comes back when the call has run to its end, which must come.
   */
  readonly hold?: "interrupted" | "settled" | undefined
}

/** Whether this is a bulkhead. */
export const isBulkhead = (u: unknown): u is Bulkhead => Predicate.hasProperty(u, BulkheadTypeId)

/** What is left of a caller's budget, and what the call fails with when that ends while it waits. */
export interface WaitBudget<E> {
  readonly millis: number
  readonly onEnd: () => E
}

/** A line and what a call goes through in it. */
export class Permits {
  private readonly line: WaitingLine
  constructor(
    readonly name: string,
    private readonly of: Settings,
    /** The Keyed that it is of one key of. */
    readonly keyed?: string | undefined
  ) {
    this.line = new WaitingLine(of)
  }

  get snapshot(): Snapshot {
    const { active, limit, queued } = this.line.present
    return { active, queued, limit }
  }

  /** Whether a call that arrives now would be refused. */
  get isFull(): boolean {
    return this.line.isFull
  }

  /** What a call is refused with that arrives when all is full. */
  readonly refuse = (fiber: AnyFiber): Effect.Effect<never, BulkheadFull> => Exit.fail(this.refusal(fiber, "full"))

  /** A permit comes free. */
  readonly release = (): void => this.line.release()

  /** From now on so many may have a permit at a time. */
  readonly resize = (to: number): Effect.Effect<void> =>
    Effect.suspend(() => {
      const { limit: from } = this.snapshot
      this.line.resize(to)
      const { keyed, name: policy } = this
      return Telemetry.report((at) => ({ _tag: "BulkheadResized", policy, keyed, at, from, to }))
    })

  /**
   * Takes a permit, in an uninterruptible region. Undefined: it was there at once. Else what it gives is to be run in the
   * same synchronous step: a refusal, or the wait for a permit, which alone `restore` is for and `budget` may end.
   */
  readonly acquire = <E = never>(
    fiber: AnyFiber,
    restore: <A, E2, R>(self: Effect.Effect<A, E2, R>) => Effect.Effect<A, E2, R>,
    budget?: () => WaitBudget<E> | undefined
  ): Effect.Effect<void, BulkheadFull | E> | undefined => {
    const decision = this.line.enter()
    if (decision === "Admitted") return undefined
    if (decision === "Rejected") return this.refuse(fiber)
    const { maxWaitMillis } = this.of
    const left = budget?.()
    const waited = () => this.refusal(fiber, "waited")
    const wait = this.line.wait((turn) => {
      const patient = limited(turn, maxWaitMillis, () => waited)
      return restore(left === undefined ? patient : limited(patient, left.millis, () => left.onEnd))
    })
    // Told only to who has left: a permit that was handed over in the moment in which the wait ended is used.
    return Effect.mapError(wait, (refuse) => refuse())
  }

  /** Makes the error of a call that gets no permit, and reports it. */
  private refusal(fiber: AnyFiber, reason: BulkheadFull["reason"]): BulkheadFull {
    const { keyed, name: policy } = this
    const { limit, queued } = this.snapshot
    const at = nowMillis(fiber)
    Telemetry.publish(fiber, () => ({ _tag: "CallRejected", policy, keyed, at, by: "bulkhead", retryAfter: undefined }))
    return bulkheadFull(policy, limit, queued, reason)
  }
}

class Compartment extends Base implements Bulkhead {
  readonly [BulkheadTypeId]: Permits
  constructor(permits: Permits) {
    super(permits.name)
    this[BulkheadTypeId] = permits
  }
  readonly protect = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | BulkheadFull, R> =>
    this.holding(self, Occupancy.occupying)
  readonly protectWith = <A, E, R>(self: Effect.Effect<A, E, R>, { hold }: CallOptions) => {
    if (hold !== "settled") return this.holding(self, Occupancy.occupying)
    Occupancy.mayBeAbandoned()
    return this.holding(Occupancy.abandonable(self, "run on"), Occupancy.occupyingAll)
  }

  private holding<A, E, R>(
    self: Effect.Effect<A, E, R>,
    occupy: Occupancy.Occupy
  ): Effect.Effect<A, E | BulkheadFull, R> {
    const permits = this[BulkheadTypeId]
    // A refusal needs no region, which would cost more than it does.
    return Effect.withFiberRuntime<A, E | BulkheadFull, R>((fiber) =>
      permits.isFull
        ? permits.refuse(fiber)
        : Effect.uninterruptibleMask((restore) => {
            const admitted = () => occupy(fiber, restore(self), permits.release)
            const asked = permits.acquire(fiber, restore)
            return asked === undefined ? admitted() : Effect.flatMap(asked, admitted)
          })
    )
  }
  readonly resize = (maxConcurrent: number): Effect.Effect<void> =>
    Effect.flatMap(
      InvalidOptions.orDie(this.name, InvalidOptions.integer("maxConcurrent", maxConcurrent, 1)),
      this[BulkheadTypeId].resize
    )
  get snapshot(): Effect.Effect<Snapshot> {
    return Effect.sync(() => this[BulkheadTypeId].snapshot)
  }
}

/** Makes a bulkhead of settings that were checked, and registers it while the scope lives. */
export const fromSettings = (name: string, of: Settings): Effect.Effect<Bulkhead, never, Scope.Scope> =>
  Effect.flatMap(PolicyRegistry.keyed, (keyed) =>
    PolicyRegistry.register(new Compartment(new Permits(name, of, keyed)))
  )

/** The permits inside a bulkhead, for compositions that take its steps themselves. */
export const permitsOf = (bulkhead: Bulkhead): Permits => bulkhead[BulkheadTypeId]

/**
 * Makes a bulkhead. Dies with `InvalidOptions` if an option is out of range.
 *
 * @example
 * ```ts
 * import { Bulkhead } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const bulkhead = yield* Bulkhead.make("reports", { maxConcurrent: 10, maxQueue: 20, maxWait: "1 second" })
 *   return yield* Effect.succeed("rendered").pipe(bulkhead.protect)
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * ```
 */
export const make = (name: string, options: Options): Effect.Effect<Bulkhead, never, Scope.Scope> =>
  Effect.flatMap(InvalidOptions.orDie(name, settings(options, "")), (of) => fromSettings(name, of))

/**
 * Runs the effect with a permit of the bulkhead; `hold` says how long it keeps that.
 *
 * @example
 * ```ts
 * import { Bulkhead } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const bulkhead = yield* Bulkhead.make("reports", { maxConcurrent: 1 })
 *   const second = Effect.flip(Effect.succeed("second").pipe(Bulkhead.protect(bulkhead)))
 *   const refused = yield* second.pipe(Bulkhead.protect(bulkhead))
 *   return refused.message
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * ```
 */
export const protect: {
  (
    bulkhead: Bulkhead,
    options?: CallOptions
  ): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | BulkheadFull, R>
  <A, E, R>(
    self: Effect.Effect<A, E, R>,
    bulkhead: Bulkhead,
    options?: CallOptions
  ): Effect.Effect<A, E | BulkheadFull, R>
} = dual(
  (args) => Effect.isEffect(args[0]),
  <A, E, R>(self: Effect.Effect<A, E, R>, bulkhead: Bulkhead, options: CallOptions = {}) =>
    bulkhead.protectWith(self, options)
)
