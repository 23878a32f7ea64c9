/**
 * One call through a standard policy, its layers fused.
 *
 * Composed of parts, each layer has an uninterruptible region, a frame, and readings of the clock of its own, and all of
 * them together cost several times what the call does. Here they share one: permits are taken and the limit of the first
 * attempt is set in one synchronous step, and what the attempt ended with is seen by timeout, retry, breaker and bulkhead
 * in another. What only some calls need (a wait in line, a second attempt, a budget of the policy's own) is composed of the
 * parts and costs nothing to the others. What `Policy.all` of the same parts does, this does, but for what no part can know
 * by itself: that the circuit is open before the line is joined, that a probe is not to be repeated, and how long the last of
 * several attempts has lasted. The order of the layers is that of `Standard`.
 *
 * A `Call` is mutable, and nobody has it but the one call: it goes from `enter` to `finish`, once.
 */
import { Deadline as Machine } from "@effect-resilience/machines"
import { Context, Effect, Exit, FiberRef } from "effect"
import type * as Bulkhead from "../Bulkhead.js"
import { isPermit, type Permit } from "../Circuit.js"
import { CurrentDeadline, type DeadlineExceeded, inForce, missed } from "../Deadline.js"
import { setReference } from "../FiberContext.js"
import { type AnyFiber, nowMillis } from "../FiberTime.js"
import * as Outcome from "../Outcome.js"
import * as Occupancy from "../Occupancy.js"
import { inRegion, onEnd, outside, region, type Restore, type Step } from "../Region.js"
import * as Repetition from "../Repetition.js"
import * as Retry from "../Retry.js"
import { settleExit, type Teller } from "../Settlement.js"
import { withOwnChildren } from "../SameFiber.js"
import type { Counted } from "../telemetry/Events.js"
import * as Telemetry from "../Telemetry.js"
import type { TimedOut } from "../TimedOut.js"
import { armed, type Armed, type Limit, limited } from "../Timer.js"
import { attemptEnded, callEnded, turnedAway } from "./Told.js"
import { type Caller, hedged } from "./Hedged.js"
import { atLimit, type Gate, refused, refusedAtOnce, type StandardError, type Way } from "./Way.js"

export type { Gate, StandardError, Way } from "./Way.js"

const nothing = () => {}

class Call<A, E, R> implements Limit<TimedOut | DeadlineExceeded>, Teller, Caller {
  /** The budget of the caller, and that of the call: a shorter one of the policy's own, or the same. */
  private readonly outer: Machine.Deadline | undefined
  private deadline: Machine.Deadline | undefined = undefined
  /** Gives back what the call occupies. */
  private letGo: () => void = nothing
  permit: Permit | undefined = undefined
  /** The limit of the first attempt, where an alarm has it. */
  private armed: Armed<TimedOut | DeadlineExceeded> | undefined = undefined
  /** When the attempt that is under way began, its limit, and whose that is. */
  startedMillis = 0
  millis = Infinity
  private limitedBy: "timeout" | "deadline" = "timeout"
  /** How long the last attempt took, where that is not the whole call. */
  lastedMillis: number | undefined = undefined
  private enteredMillis = 0
  /** When the call ended, where the clock was read for that already. */
  private endedMillis: number | undefined = undefined
  attempts = 0
  hasPaidCopies = false
  /** What the last attempt that was judged has ended with. */
  private before: Exit.Exit<unknown, unknown> | undefined = undefined
  /** The same, of a call that was given up while it waited for another attempt. */
  private last: Exit.Exit<unknown, unknown> | undefined = undefined
  /** Where anybody hears of every call. */
  readonly hub: Telemetry.Hub | undefined
  /** Puts the context back, where a budget of the policy's own is published; the context itself, where that takes an effect. */
  private putBack: (() => void) | undefined = undefined
  private contextBefore: Context.Context<never> | undefined = undefined

  private work: Effect.Effect<A, E | StandardError, R>

  constructor(
    readonly fiber: AnyFiber,
    readonly way: Way,
    readonly restore: Restore,
    self: Effect.Effect<A, E, R>
  ) {
    const { hedge } = way
    this.work = hedge === undefined ? self : hedged(hedge, this, self)
    this.outer = inForce(fiber)
    this.hub = Telemetry.hubOfCalls(fiber)
  }

  /** Takes a permit of the bulkhead, waiting no longer than the budget allows, unless the circuit refuses anyway. */
  enter(): Step<A, E | StandardError, R> {
    const { fiber, outer, way } = this
    const now = nowMillis(fiber)
    this.enteredMillis = now
    const refusal = refused(way, fiber, outer, now)
    if (refusal !== undefined) return this.turnedAway(refusal)
    const { deadlineMillis } = way.settings
    this.deadline = deadlineMillis === Infinity ? outer : Machine.start(way.name, deadlineMillis, outer, now)
    if (way.permits === undefined) return this.admitted(now)
    const { deadline } = this
    const budget = () =>
      deadline && {
        millis: Machine.remainingMillis(deadline, now),
        onEnd: () => missed(fiber, deadline, "waiting", way.of)
      }
    const wait = way.permits.acquire(fiber, this.restore, budget)
    if (wait === undefined) return this.occupying(way.permits, now)
    const { permits } = way
    return Effect.flatMap(this.turnedAway(wait), () =>
      inRegion(this.occupying(permits, nowMillis(fiber)), this.restore)
    )
  }

  private occupying(permits: Bulkhead.Permits, now: number): Step<A, E | StandardError, R> {
    const { letGo, work } = Occupancy.occupied(this.fiber, this.work, permits.release)
    this.letGo = letGo
    this.work = work
    return this.admitted(now)
  }

  /** Asks the circuit. */
  private admitted(now: number): Step<A, E | StandardError, R> {
    const { circuit } = this.way
    if (circuit === undefined) return this.begin(now)
    const answer = circuit.acquire(this.fiber, now)
    if (isPermit(answer)) {
      this.permit = answer
      return this.begin(now)
    }
    return Effect.matchCauseEffect(answer, {
      onSuccess: (permit) => {
        this.permit = permit
        return inRegion(this.begin(nowMillis(this.fiber)), this.restore)
      },
      onFailure: (cause) => {
        this.letGo()
        return this.turnedAway(Exit.failCause(cause))
      }
    })
  }

  /** Publishes a budget of the policy's own for all attempts. */
  private begin(now: number): Step<A, E | StandardError, R> {
    const { deadline, fiber, outer } = this
    if (deadline === outer) return this.firstAttempt(now)
    this.putBack = setReference(fiber, CurrentDeadline, { deadline })
    if (this.putBack !== undefined) return this.firstAttempt(now)
    const { currentContext } = fiber
    this.contextBefore = currentContext
    const within = Context.add(currentContext, CurrentDeadline, { deadline })
    return Effect.flatMap(FiberRef.set(FiberRef.currentContext, within), () =>
      inRegion(this.firstAttempt(now), this.restore)
    )
  }

  private firstAttempt(now: number): Step<A, E | StandardError, R> {
    this.way.budget?.called(now)
    const attempt = this.way.gate === undefined ? this.attempt(now, true) : this.gated(this.way.gate)
    return outside(attempt, (exit) => this.attempted(exit))
  }

  /** An attempt that begins when it is let through, if it is. Until then it has not lasted at all. */
  private gated(gate: Gate): Effect.Effect<A, E | StandardError, R> {
    this.lastedMillis = 0
    // Each copy goes through the gate.
    if (this.way.hedge !== undefined) return this.work
    return gate(Effect.withFiberRuntime<A, E | StandardError, R>((fiber) => this.again(fiber)))
  }

  /** An attempt without an alarm of its own. */
  private again(fiber: AnyFiber): Effect.Effect<A, E | StandardError, R> {
    this.lastedMillis = undefined
    return this.attempt(nowMillis(fiber), false)
  }

  /** One attempt, under its own limit or what is left of the budget, whichever ends first. */
  private attempt(now: number, isFirst: boolean): Effect.Effect<A, E | StandardError, R> {
    const { deadline, fiber, way, work } = this
    this.startedMillis = now
    this.millis = way.settings.timeoutMillis
    if (deadline !== undefined) {
      const remaining = Machine.remainingMillis(deadline, now)
      if (remaining === 0) return Effect.fail(missed(fiber, deadline, "before-start", way.of))
      const { by, millis } = Machine.attemptLimit(this.millis, remaining)
      this.limitedBy = by
      this.millis = millis
    }
    this.attempts++
    if (this.millis === Infinity) return work
    if (isFirst) this.armed = armed(this)
    return this.armed === undefined || !isFirst
      ? limited(work, this.millis, () => this.onLimit())
      : withOwnChildren(fiber, work)
  }

  /** What an attempt fails with that has reached its limit. */
  onLimit(): TimedOut | DeadlineExceeded {
    const { deadline, fiber, millis, way } = this
    return atLimit(way, fiber, deadline, this.limitedBy, millis)
  }

  /** The first attempt has ended. */
  private attempted(exit: Exit.Exit<A, E | StandardError>): Effect.Effect<A, E | StandardError, R> {
    if (this.armed === undefined) return this.repeated(exit)
    const answer = this.armed.answer(exit)
    return answer === exit ? this.repeated(exit) : onEnd(answer, (inTime) => this.repeated(inTime))
  }

  /** Makes the call again, as long as that is worth it. */
  private repeated(exit: Exit.Exit<A, E | StandardError>): Effect.Effect<A, E | StandardError, R> {
    const { budget, circuit, classifier, gate, of, settings } = this.way
    if (gate) this.lastedMillis ??= nowMillis(this.fiber) - this.startedMillis
    if (settings.retry === undefined || (exit._tag === "Success" && classifier.isDefault)) return this.atOnce(exit)
    if (Outcome.wasCutShort(exit)) return this.concludeLast(exit)
    // Most are not worth repeating: asked before a plan is made of how.
    const first = classifier.judge(this.fiber, exit)
    if (first.exit === exit && !Outcome.isTransient(first.outcome)) {
      // Who has given up at this moment is told that, and not what the call has failed with.
      if (exit._tag === "Success") return this.atOnce(exit)
      this.endedMillis = nowMillis(this.fiber)
      this.lastedMillis ??= this.endedMillis - this.startedMillis
      this.before = exit
      return onEnd(this.restore(exit), (last) => this.concludeLast(last))
    }
    const { permit } = this
    const mayRepeat = () => circuit === undefined || permit === undefined || circuit.mayRepeat(permit)
    const plan = Retry.plan<A, E | StandardError>(of, settings.retry, mayRepeat, budget, (fiber, answer) => {
      this.lastedMillis ??= nowMillis(fiber) - this.startedMillis
      this.before = answer
      const judged = answer === exit ? first : classifier.judge(fiber, answer)
      return Repetition.judgement(judged.exit, judged.outcome)
    })
    const again = Effect.withFiberRuntime<A, E | StandardError, R>((fiber) => {
      this.notTheLast()
      return gate === undefined ? this.again(fiber) : this.gated(gate)
    })
    const answer = Repetition.afterFirst(again, plan, this.fiber, exit)
    return onEnd(this.restore(answer), (last) => this.concludeLast(last))
  }

  /** The last attempt has ended, or the call was given up since. */
  private concludeLast(last: Exit.Exit<A, E | StandardError>): Effect.Effect<A, E | StandardError, R> {
    if (this.lastedMillis !== undefined && Outcome.wasCutShort(last)) this.last = this.before
    this.lastedMillis ??= nowMillis(this.fiber) - this.startedMillis
    return this.conclude(last)
  }

  /** The first attempt was the only one. */
  private atOnce(exit: Exit.Exit<A, E | StandardError>): Effect.Effect<A, E | StandardError, R> {
    if (exit._tag === "Success") this.way.budget?.succeeded(this.hasPaidCopies)
    return this.conclude(exit)
  }

  /** All attempts have been made: the budget is no longer published. */
  private conclude(exit: Exit.Exit<A, E | StandardError>): Effect.Effect<A, E | StandardError, R> {
    this.putBack?.()
    return this.contextBefore === undefined
      ? this.finish(exit)
      : Effect.flatMap(FiberRef.set(FiberRef.currentContext, this.contextBefore), () => this.finish(exit))
  }

  /** Tells the circuit how the call ended, and gives the permits back. */
  private finish(exit: Exit.Exit<A, E | StandardError>): Effect.Effect<A, E | StandardError> {
    const { circuit, classifier } = this.way
    const teller = this.hub && this
    if (exit._tag === "Failure") Telemetry.ended(this.fiber, this.way.of, exit)
    try {
      if (circuit !== undefined && this.permit !== undefined) {
        return settleExit(this.fiber, circuit, this.permit, classifier.judge, exit, this.lastedMillis, teller)
      }
      teller?.settled(this.endedMillis ?? nowMillis(this.fiber), exit, undefined)
      return exit
    } finally {
      this.letGo()
    }
  }

  /** Tells how the call has ended. */
  settled(at: number, exit: Exit.Exit<unknown, unknown>, counted: Counted | undefined): void {
    const { attempts, fiber, hub, last, way } = this
    if (hub === undefined) return
    const lastAttempt = attempts === 0 ? 0 : (this.lastedMillis ?? at - this.startedMillis)
    callEnded(hub, fiber, way.of, exit, { at, counted, duration: at - this.enteredMillis, attempts, lastAttempt }, last)
  }

  /** Tells of an attempt after which another is made. */
  private notTheLast(): void {
    const { attempts, before, fiber, hub, lastedMillis, way } = this
    if (hub === undefined || before === undefined || lastedMillis === undefined) return
    attemptEnded(hub, fiber, way.of, before, attempts, lastedMillis)
  }

  private turnedAway<B, E2>(wait: Effect.Effect<B, E2>) {
    return turnedAway(this.fiber, this.way.of, this.enteredMillis, wait)
  }
}

/** Runs the effect as a call on this way. */
export const through = <A, E, R>(way: Way, self: Effect.Effect<A, E, R>): Effect.Effect<A, E | StandardError, R> =>
  region<A, E | StandardError, R>(
    (fiber, restore) => new Call(fiber, way, restore, self).enter(),
    (fiber) => {
      const refusal = refusedAtOnce(way, fiber)
      return refusal && turnedAway(fiber, way.of, undefined, refusal)
    }
  )
