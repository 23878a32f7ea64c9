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
import { type Duration, Effect, Predicate, type Scope } from "effect"
import { dual } from "effect/Function"
import { type BulkheadFull, Permits, type Settings, type Snapshot } from "./bulkhead/Permits.js"
import * as InvalidOptions from "./InvalidOptions.js"
import * as Occupancy from "./Occupancy.js"
import { Base, type Policy } from "./policy/Model.js"
import { inRegion, region } from "./Region.js"
import * as PolicyRegistry from "./PolicyRegistry.js"

export { BulkheadFull, Permits, type Settings, type Snapshot, type WaitBudget } from "./bulkhead/Permits.js"

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
    return region<A, E | BulkheadFull, R>(
      (fiber, restore) => {
        const admitted = () => occupy(fiber, self, permits.release)
        const asked = permits.acquire(fiber, restore)
        return asked === undefined ? admitted() : Effect.flatMap(asked, () => inRegion(admitted(), restore))
      },
      (fiber) => (permits.isFull ? permits.refuse(fiber) : undefined)
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
