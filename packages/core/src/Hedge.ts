/**
 * A second copy of a call that is slow, for its tail: most calls that are slow have had bad luck (a lost packet, a pause,
 * a long line), which the next try does not share. The first success is the answer; what a few more calls cost.
 *
 * Only for operations that may happen twice at a time, which `idempotent: true` says: the copy that has lost was sent, and
 * may have done its work. Only against bad luck: where everything is slow, a second copy of everything makes it slower,
 * which is what the budget is there to prevent. Not against failures that last: a copy that failed in a way that passes
 * makes way for the next at once, but `Retry` waits in between.
 *
 * The delay is best a high quantile of the latency, as 0.95 or 0.98, which then is the share of calls that are made twice.
 * It is learned of first copies: of their successes, and of those that were still slow when something else ended the call,
 * as having taken until then. What second copies say does not count; only the fast ones among them do win.
 *
 * Each copy runs in a fiber of its own, also the first, which costs every call a fork: a loser in the caller's fiber could
 * not be left behind. Losers are interrupted and not waited for: they end in the background, at the latest with the fiber
 * of the caller, which waits for its children; a limit of time around the call waits for them as well. What stands around
 * keeps its permits until they have ended; to make that possible, from the making of the first hedge on each permit of a
 * bulkhead costs several times as much. A Promise that ignores its AbortSignal goes on all the same. A caller that is
 * interrupted waits for all copies. Changes that the winner made to FiberRefs stay, as with `Effect.race`.
 *
 * A bulkhead around a hedge counts the call once, one inside it each copy. What is opened for longer has no second copy
 * (`Policy.protectStream`, `Policy.protectScoped`, `Policy.protectHolding`), so neither have the calls of an HTTP client under
 * a policy with a hedge: put the hedge around those.
 *
 * Source: "The Tail at Scale", Dean and Barroso, Communications of the ACM, 2013.
 */
import { Duration, Effect, Option, Predicate, type Scope } from "effect"
import { dual } from "effect/Function"
import { Classifier } from "./Classifier.js"
import { type AnyFiber, nowMillis } from "./FiberTime.js"
import { type MakeOptions, settings as checked, type Settings } from "./hedge/Options.js"
import { type Original, raced, type Rules } from "./hedge/Race.js"
import * as InvalidOptions from "./InvalidOptions.js"
import * as Latencies from "./Latencies.js"
import { mayBeAbandoned, runsAlone } from "./Occupancy.js"
import type * as Outcome from "./Outcome.js"
import { Base, type Policy } from "./policy/Model.js"
import * as PolicyRegistry from "./PolicyRegistry.js"
import { region, type Restore } from "./Region.js"
import * as RetryBudget from "./RetryBudget.js"
import type * as Telemetry from "./Telemetry.js"

export type { LearnedDelay, MakeOptions, Options } from "./hedge/Options.js"

/** What a hedge does now. */
export interface Snapshot {
  /** After how long without an answer another copy begins. */
  readonly delay: Duration.Duration
  /** How long calls took, where the delay is learned. */
  readonly latency: Option.Option<Latencies.Snapshot>
}

const HedgeTypeId: unique symbol = Symbol.for("@effect-resilience/core/Hedge")

/** A hedge: it has no error of its own; `snapshot` is as of the moment it is run. */
export interface Hedge extends Policy<never> {
  readonly [HedgeTypeId]: Hedger
  readonly maxHedges: number
  readonly snapshot: Effect.Effect<Snapshot>
}

/** Whether this is a hedge. */
export const isHedge = (u: unknown): u is Hedge => Predicate.hasProperty(u, HedgeTypeId)

/** What a call through a hedge has of its own. */
export type OfCall = Pick<Rules, "classifier" | "hindrance">

/** What is learned, and what each call goes by. */
export class Hedger {
  private readonly latencies: Latencies.Latencies | undefined
  constructor(
    readonly of: Telemetry.Subject,
    readonly settings: Settings,
    private readonly paidBy: RetryBudget.Account | undefined
  ) {
    const { delay } = settings
    this.latencies = delay._tag === "Learned" ? new Latencies.Latencies(delay.of) : undefined
  }

  /** The delay as of now. */
  delayMillis(now: number): number {
    const { delay } = this.settings
    if (delay._tag === "Fixed") return delay.millis
    const learned = this.latencies?.learned(now)
    if (learned === undefined) return delay.initialMillis
    return Math.min(delay.maxMillis, Math.max(delay.minMillis, Math.ceil(learned)))
  }

  /** What it does as of now. */
  snapshot(now: number): Snapshot {
    return {
      delay: Duration.millis(this.delayMillis(now)),
      latency: Option.fromNullable(this.latencies?.snapshot(now))
    }
  }

  /** Runs a call in copies, in an uninterruptible region of the fiber; what may not have two has one. */
  race<A, E, R>(
    fiber: AnyFiber,
    restore: Restore,
    { classifier, hindrance }: OfCall,
    original: Original<A, E, R>
  ): Effect.Effect<A, E, R> {
    const { latencies, of, paidBy } = this
    const { maxHedges, minAttemptMillis } = this.settings
    const delayMillis = this.delayMillis(nowMillis(fiber))
    const numbers = { delayMillis, maxHedges: runsAlone(fiber) ? 0 : maxHedges, minAttemptMillis }
    return raced(fiber, restore, { ...numbers, of, classifier, latencies, paidBy, hindrance }, original)
  }

  /** Whether hedges are paid from this, if from anything. */
  isPaidFrom(budget: RetryBudget.Account | undefined): boolean {
    return this.paidBy === budget
  }

  /** A call begins; told by whoever does not tell the budget already. */
  called(now: number): void {
    this.paidBy?.called(now)
  }

  /** It has succeeded. */
  succeeded(hedged: boolean): void {
    this.paidBy?.succeeded(hedged)
  }
}

const noHindrance = () => undefined

class HedgePolicy extends Base implements Hedge {
  readonly [HedgeTypeId]: Hedger
  constructor(
    name: string,
    hedger: Hedger,
    private readonly classifier: Classifier
  ) {
    super(name)
    this[HedgeTypeId] = hedger
  }
  get maxHedges(): number {
    return this[HedgeTypeId].settings.maxHedges
  }
  get snapshot(): Effect.Effect<Snapshot> {
    return Effect.withFiberRuntime<Snapshot>((fiber) => Effect.succeed(this[HedgeTypeId].snapshot(nowMillis(fiber))))
  }
  readonly protect = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
    const hedger = this[HedgeTypeId]
    const ofCall: OfCall = { classifier: this.classifier, hindrance: noHindrance }
    return region<A, E, R>((fiber, restore) => {
      hedger.called(nowMillis(fiber))
      let copies = 0
      return hedger.race(fiber, restore, ofCall, {
        copy: () => {
          copies++
          return self
        },
        ended: (_, exit, __, isLast) => {
          if (isLast && exit._tag === "Success") hedger.succeeded(copies > 1)
        }
      })
    })
  }
}

/** What runs the calls of a hedge, for compositions that take its steps themselves. */
export const hedgerOf = (hedge: Hedge): Hedger => hedge[HedgeTypeId]

/** Makes a hedge of settings that were checked, paid from `shared` if nothing else was said, and registers it. */
export const fromSettings = (
  name: string,
  of: Settings,
  classify: Outcome.Classify | undefined,
  shared?: RetryBudget.RetryBudget
): Effect.Effect<Hedge, never, Scope.Scope> =>
  Effect.gen(function* () {
    mayBeAbandoned()
    const keyed = yield* PolicyRegistry.keyed
    const subject = { policy: name, keyed }
    const given = of.isBudgetGiven ? of.budget : (shared ?? of.budget)
    const budget =
      given === undefined || RetryBudget.isRetryBudget(given) ? given : yield* RetryBudget.fromSettings(name, given)
    const hedger = new Hedger(subject, of, budget && RetryBudget.accountOf(budget))
    return yield* PolicyRegistry.register(new HedgePolicy(name, hedger, new Classifier(subject, classify)))
  })

/**
 * Makes a hedge. Dies with `InvalidOptions` if an option is out of range.
 *
 * @example
 * ```ts
 * import { Hedge } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const hedge = yield* Hedge.make("search", {
 *     delay: { quantile: 0.95, initial: "100 millis", min: "5 millis" },
 *     idempotent: true
 *   })
 *   return yield* Effect.succeed("found").pipe(hedge.protect)
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * ```
 */
export const make = (name: string, options: MakeOptions): Effect.Effect<Hedge, never, Scope.Scope> =>
  Effect.flatMap(InvalidOptions.orDie(name, checked(options, "")), (of) => fromSettings(name, of, options.classify))

/**
 * Runs the effect under a hedge: more than once if it is slow.
 *
 * @example
 * ```ts
 * import { Hedge } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const hedge = yield* Hedge.make("search", { delay: "10 millis", idempotent: true })
 *   let made = 0
 *   const slowAtFirst = Effect.suspend(() => (made++ === 0 ? Effect.never : Effect.succeed(`answered by copy ${made}`)))
 *   return yield* slowAtFirst.pipe(Hedge.protect(hedge))
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * ```
 */
export const protect: {
  (hedge: Hedge): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, hedge: Hedge): Effect.Effect<A, E, R>
} = dual(2, <A, E, R>(self: Effect.Effect<A, E, R>, hedge: Hedge) => hedge.protect(self))
