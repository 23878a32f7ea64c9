/**
 * A load shedder, for servers: while there is capacity it lets everything in, and when there is not, what matters most. How
 * much a request matters its `Criticality` says; give that by route, for if everything is critical nothing is.
 *
 * Use it around the handler, before a body is read, with health checks outside. How many requests may run at a time is
 * learned from how long they take, or a fixed number. Beyond that a request waits, briefly, in a line of its class; whatever
 * comes free goes to the highest class that waits. As capacity runs short the lowest class is refused first, as much of it
 * as must be, and whenever a class is refused every lower one is, too. What runs is never ended.
 *
 * In a line the newest is served first once many wait, and who waits too long is refused, by the rule of controlled delay,
 * since whoever answers all of them late serves nobody. A request whose deadline leaves no time is refused, and so are
 * lower classes while the event loop is late, if somebody measures that (`EventLoopDelay`).
 *
 * A refusal is decided before anything is set up for the request, and costs less than anything else here. It is of one
 * process: what a load balancer sends it is the load balancer's business. A caller that cannot be interrupted waits in
 * line until something comes free or the next request arrives, however long that takes.
 *
 * Sources are those of the machine, `@effect-resilience/machines`' `LoadShedder`.
 */
import { type Duration, Effect, type Option, Predicate, type Scope } from "effect"
import { dual } from "effect/Function"
import { Classifier } from "./Classifier.js"
import { EventLoopDelay } from "./EventLoopDelay.js"
import * as InvalidOptions from "./InvalidOptions.js"
import { Base, type Policy } from "./policy/Model.js"
import * as PolicyRegistry from "./PolicyRegistry.js"
import { region } from "./Region.js"
import { Admission } from "./shedder/Admission.js"
import { type Options, settings } from "./shedder/Options.js"
import type { Shed } from "./shedder/Shed.js"

export type { Options } from "./shedder/Options.js"
export { type Reason, Shed } from "./shedder/Shed.js"

/** What a load shedder is doing, as of now. */
export interface Snapshot {
  /** How many requests may run at a time. */
  readonly limit: number
  readonly inFlight: number
  readonly waiting: number
  /** What a request takes when none waits for another, as far as that is known. */
  readonly baseline: Option.Option<Duration.Duration>
}

const LoadShedderTypeId: unique symbol = Symbol.for("@effect-resilience/core/LoadShedder")

/** A load shedder: its one error is `Shed`; `snapshot` is as of the moment it is run. */
export interface LoadShedder extends Policy<Shed> {
  readonly [LoadShedderTypeId]: typeof LoadShedderTypeId
  readonly snapshot: Effect.Effect<Snapshot>
}

/** Whether this is a load shedder. */
export const isLoadShedder = (u: unknown): u is LoadShedder => Predicate.hasProperty(u, LoadShedderTypeId)

class Shedder extends Base implements LoadShedder {
  readonly [LoadShedderTypeId]: typeof LoadShedderTypeId = LoadShedderTypeId
  constructor(
    name: string,
    private readonly admission: Admission
  ) {
    super(name)
  }

  readonly protect = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | Shed, R> => {
    return region<A, E | Shed, R>(
      (fiber, restore) => this.admission.enter(fiber, restore, self),
      (fiber) => this.admission.refusedAtOnce(fiber)
    )
  }

  get snapshot(): Effect.Effect<Snapshot> {
    return Effect.sync(() => this.admission.snapshot)
  }
}

/**
 * Makes a load shedder, and registers it while the scope lives. Dies with `InvalidOptions` if an option is out of range.
 *
 * @example
 * ```ts
 * import { Criticality, LoadShedder } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const shedder = yield* LoadShedder.make("api", { capacity: { max: 500 } })
 *   const order = Effect.succeed("ordered").pipe(shedder.protect, Criticality.withClass("CRITICAL_PLUS"))
 *   const hints = Effect.succeed(["books"]).pipe(shedder.protect, Criticality.withClass("SHEDDABLE"))
 *   return yield* Effect.zip(order, Effect.catchTag(hints, "Shed", () => Effect.succeed([])))
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * ```
 */
export const make = (name: string, options: Options = {}): Effect.Effect<LoadShedder, never, Scope.Scope> =>
  Effect.gen(function* () {
    const of = yield* InvalidOptions.orDie(name, settings(options))
    const subject = { policy: name, keyed: yield* PolicyRegistry.keyed }
    const { lateMillis } = yield* EventLoopDelay
    const admission = new Admission(subject, of, new Classifier(subject, options.classify), lateMillis)
    return yield* PolicyRegistry.register(new Shedder(name, admission))
  })

/**
 * Runs the effect as a request of the class in force, if there is capacity for it.
 *
 * @example
 * ```ts
 * import { LoadShedder } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const shedder = yield* LoadShedder.make("api", { capacity: 1, maxWaiting: 0 })
 *   const second = Effect.flip(Effect.succeed("second").pipe(LoadShedder.protect(shedder)))
 *   const shed = yield* second.pipe(LoadShedder.protect(shedder))
 *   return shed.reason
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * ```
 */
export const protect: {
  (shedder: LoadShedder): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | Shed, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, shedder: LoadShedder): Effect.Effect<A, E | Shed, R>
} = dual(2, <A, E, R>(self: Effect.Effect<A, E, R>, shedder: LoadShedder) => shedder.protect(self))
