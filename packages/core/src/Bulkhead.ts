/**
 * A bulkhead: at most so many calls to a dependency at a time, so that a slow one cannot take every socket, connection or
 * fiber of the process with it. Calls beyond the limit are refused, or wait in a bounded line, first come, first served.
 *
 * Size it below the pool that the calls draw from: a caller who waits inside, for a socket, holds a permit while it does.
 *
 * A permit bounds real work only if the work ends when interrupted: a Promise that ignores its AbortSignal goes on after
 * the permit is back. Wire the signal through, or make the timeout inside one with `mode: "disconnect"`, which keeps the
 * permit until the work has really ended.
 */
import { Context, Data, type Duration, Effect, Option, Predicate, type Scope } from "effect"
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

/** The options of a bulkhead. */
export interface Options {
  /** How many calls may run at a time. From 1. */
  readonly maxConcurrent: number
  /** How many may wait for a permit. From 0; default 0: refuse, do not queue. */
  readonly maxQueue?: number | undefined
  /** How long a call may wait. From 1 ms; default as long as its caller lets it. */
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
    private readonly of: Settings
  ) {
    this.line = new WaitingLine(of)
  }

  get snapshot(): Snapshot {
    const { active, limit, queued } = this.line.present
    return { active, queued, limit }
  }

  /** Takes a permit, in an uninterruptible region; `restore` is for the wait alone, which `budget` may end. */
  readonly acquire = <E = never>(
    fiber: AnyFiber,
    restore: <A, E2, R>(self: Effect.Effect<A, E2, R>) => Effect.Effect<A, E2, R>,
    budget?: WaitBudget<E>
  ): Effect.Effect<void, BulkheadFull | E> => {
    const decision = this.line.enter()
    if (decision === "Admitted") return Effect.void
    if (decision === "Rejected") return Effect.fail(this.refusal(fiber, "full"))
    const { maxWaitMillis } = this.of
    const waited = () => this.refusal(fiber, "waited")
    const wait = this.line.wait((turn) => {
      const patient = limited(turn, maxWaitMillis, () => waited)
      return restore(budget === undefined ? patient : limited(patient, budget.millis, () => budget.onEnd))
    })
    // Told only to who has left: a permit that was handed over in the moment in which the wait ended is used.
    return Effect.mapError(wait, (refuse) => refuse())
  }

  /** Runs an effect that was let in and gives its permit back when it, and all that it abandoned, has ended. */
  readonly occupied = <A, E, R>(fiber: AnyFiber, self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
    const holder = Occupancy.make(this.line.release)
    const occupancy = Context.get(fiber.currentContext, Occupancy.Occupancy)
    return Effect.ensuring(
      Effect.provideService(self, Occupancy.Occupancy, { ...occupancy, holders: [...occupancy.holders, holder] }),
      Effect.sync(holder.letGo)
    )
  }

  /** Makes the error of a call that gets no permit, and reports it. */
  private refusal(fiber: AnyFiber, reason: BulkheadFull["reason"]): BulkheadFull {
    const { name: policy } = this
    const { limit, queued } = this.snapshot
    const at = nowMillis(fiber)
    Telemetry.publish(fiber, () => ({ _tag: "CallRejected", policy, at, by: "bulkhead", retryAfter: undefined }))
    return new BulkheadFull({ policy, limit, queued, reason, retryAfter: Option.none() })
  }
}

class Compartment extends Base implements Bulkhead {
  readonly [BulkheadTypeId]: Permits
  constructor(permits: Permits) {
    super(permits.name)
    this[BulkheadTypeId] = permits
  }
  readonly protect = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | BulkheadFull, R> => {
    const permits = this[BulkheadTypeId]
    return Effect.uninterruptibleMask((restore) =>
      Effect.withFiberRuntime<A, E | BulkheadFull, R>((fiber) =>
        Effect.zipRight(permits.acquire(fiber, restore), permits.occupied(fiber, restore(self)))
      )
    )
  }
  get snapshot(): Effect.Effect<Snapshot> {
    return Effect.sync(() => this[BulkheadTypeId].snapshot)
  }
}

/** Makes a bulkhead of settings that were checked, and registers it while the scope lives. */
export const fromSettings = (name: string, of: Settings): Effect.Effect<Bulkhead, never, Scope.Scope> =>
  Effect.suspend(() => PolicyRegistry.register(new Compartment(new Permits(name, of))))

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
 * Runs the effect with a permit of the bulkhead.
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
  (bulkhead: Bulkhead): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | BulkheadFull, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, bulkhead: Bulkhead): Effect.Effect<A, E | BulkheadFull, R>
} = dual(2, <A, E, R>(self: Effect.Effect<A, E, R>, bulkhead: Bulkhead) => bulkhead.protect(self))
