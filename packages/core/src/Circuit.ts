/**
 * A circuit breaker's state in its cell, and the steps that calls take through it.
 */
import { CircuitBreaker as Machine, TripPolicy } from "@effect-resilience/machines"
import { Duration, Effect, Exit, MutableRef, Option, type Stream } from "effect"
import { type CircuitOpen, Refusal, retryAfterIn } from "./CircuitOpen.js"
import type { Numbers } from "./CircuitOptions.js"
import { type Snapshot, snapshot } from "./CircuitSnapshot.js"
import { type AnyFiber, drawn, nowMillis } from "./FiberTime.js"
import * as Observation from "./Observation.js"
import * as Outcome from "./Outcome.js"
import * as Telemetry from "./Telemetry.js"
import { type Cause, type Follower, Followers, streamOf, type Transition } from "./Transitions.js"

export type { CircuitOpen } from "./CircuitOpen.js"

/** Closed lets calls through, open refuses them, half-open lets a few probes through. */
export type State = Machine.StateName
/** Given to a call that was let through, which must settle it once. */
export interface Permit extends Machine.Permit {
  /** The circuit would have refused the call, but only observes. */
  readonly wouldReject?: true
}

const reset: Cause = { _tag: "Reset" }
const byObserving: Cause = { _tag: "Observing" }
const present: Transition["cause"] = { _tag: "Present" }

/** The machine in its cell: reads the clock and steps in one synchronous step. */
export class Circuit {
  private readonly cell: MutableRef.MutableRef<Machine.State>
  /** Beside the state, which it does not touch: a call that is let through need not look at it. */
  private readonly observation = MutableRef.make<Observation.Observation | undefined>(undefined)
  private readonly followers = new Followers()
  constructor(
    readonly name: string,
    private readonly numbers: Numbers,
    random: number,
    /** The Keyed that it is of one key of. */
    readonly keyed?: string | undefined
  ) {
    this.cell = MutableRef.make(Machine.withJitter(Machine.initial(numbers.machine), random))
  }

  /** Whether calls are let through whatever the time is: there is no need to ask `refusing`. */
  get isClosed(): boolean {
    return this.cell.current._tag === "Closed"
  }

  /** What `acquire` would refuse with now, for those who would only wait to hear it; asks for no permit. */
  refusing(fiber: AnyFiber, now: number): Effect.Effect<never, CircuitOpen> | undefined {
    const { machine } = this.numbers
    const { current } = this.cell
    const refused = this.observation.current === undefined ? Machine.peek(machine, current, now) : undefined
    if (refused === undefined) return undefined
    const step = Machine.elapse(machine, current, now)
    if (step === undefined) return Exit.fail(this.refusal(fiber, refused, now))
    // The step of a probe whose time is up is taken here, so that it is told of.
    const [transition, next] = step
    MutableRef.set(this.cell, next)
    this.changed(fiber, transition)
    return Effect.uninterruptible(Effect.zipRight(this.redraw(fiber), Exit.fail(this.refusal(fiber, refused, now))))
  }

  /** Asks for a permit, which is there at once or never; whoever gets one must `settle` it once. */
  acquire(fiber: AnyFiber, now: number): Permit | Effect.Effect<Permit, CircuitOpen> {
    const { current } = this.cell
    // Nearly every call.
    if (current._tag === "Closed") return Machine.granted(current, now)
    const [decision, next] = Machine.acquire(this.numbers.machine, current, now)
    MutableRef.set(this.cell, next)
    const { transition } = decision
    if (transition !== undefined) this.changed(fiber, transition)
    if (decision._tag === "Admitted") return decision.permit
    if (transition === undefined) {
      return this.observation.current === undefined
        ? Exit.fail(this.refusal(fiber, decision, now))
        : this.permitAgainst(fiber, this.observation.current, decision, now)
    }
    // A probe's time was up. The opening that follows may be over too: ask again.
    return Effect.flatMap(this.redraw(fiber), () => {
      const permit = this.acquire(fiber, nowMillis(fiber))
      return isPermit(permit) ? Effect.succeed(permit) : permit
    })
  }

  /**
   * Counts what the call that the permit was granted for has ended with, and how long its last attempt has lasted (by
   * default all of it); what it gives is to be run, if anything.
   */
  settle(
    fiber: AnyFiber,
    now: number,
    permit: Permit,
    outcome: Outcome.Outcome,
    lastedMillis: number = now - permit.startedMillis
  ): Effect.Effect<void> | undefined {
    if (permit.wouldReject) {
      const isSlow = this.isSlow(lastedMillis)
      MutableRef.update(
        this.observation,
        (observation) => observation && Observation.ended(observation, permit.generation, outcome._tag, isSlow)
      )
      return undefined
    }
    const told = { _tag: outcome._tag, retryAfterMillis: hintMillis(outcome), lastedMillis }
    const [transition, next] = Machine.settle(this.numbers.machine, this.cell.current, permit, told, now)
    MutableRef.set(this.cell, next)
    if (transition === undefined) return undefined
    this.changed(fiber, transition)
    return transition.to === "Open" ? this.redraw(fiber) : undefined
  }

  /**
   * Whether a request that holds this permit may ask the dependency once more. A probe is one call, unless the circuit
   * only observes: then it stands in nobody's way.
   */
  mayRepeat(permit: Permit): boolean {
    const { _tag, generation } = this.cell.current
    if (_tag === "Closed" && generation === permit.generation) return true
    return _tag === "Disabled" || this.observation.current !== undefined
  }

  /** Whether a rule calls this slow. */
  isSlow(lastedMillis: number): boolean {
    return lastedMillis >= TripPolicy.slowerThanMillis(this.numbers.machine.tripPolicy)
  }

  /** How a call that was cut short counts: against the dependency only if that had had its patience. */
  cutShort(now: number, permit: Permit, lastedMillis: number = now - permit.startedMillis): Outcome.Outcome {
    return lastedMillis >= this.numbers.patienceMillis ? Outcome.failure() : Outcome.ignored()
  }

  /** What there is to be seen now; changes nothing. */
  snapshot(fiber: AnyFiber): Snapshot {
    return snapshot(this.numbers.machine, this.cell.current, this.observation.current, nowMillis(fiber))
  }

  /** By hand: every call is refused, until the circuit is reset, disabled or only observes. */
  isolate(fiber: AnyFiber): Effect.Effect<void> {
    return this.byHand(fiber, Machine.isolate)
  }

  /** By hand: every call is let through and counted, until the circuit is reset, isolated or observes. */
  disable(fiber: AnyFiber): Effect.Effect<void> {
    return this.byHand(fiber, (state, now) => Machine.disable(this.numbers.machine, state, now))
  }

  /** By hand: the circuit is as it was at first. */
  reset(fiber: AnyFiber): Effect.Effect<void> {
    return this.byHand(fiber, (state, now) => Machine.reset(this.numbers.machine, state, now))
  }

  /**
   * By hand: nothing is refused, and what would have been is counted apart, until the circuit is reset, isolated or
   * disabled. The machine goes on from where it is; one that was set by hand starts afresh.
   */
  observe(fiber: AnyFiber): Effect.Effect<void> {
    if (this.observation.current !== undefined) return Effect.void
    const at = nowMillis(fiber)
    const more = this.pass(fiber, at)
    const { current } = this.cell
    const wasSet = current._tag === "Isolated" || current._tag === "Disabled"
    const next = wasSet ? Machine.reset(this.numbers.machine, current, at)[1] : current
    MutableRef.set(this.cell, next)
    MutableRef.set(this.observation, Observation.begun(next.generation))
    this.followers.tell({ from: current._tag, to: next._tag, cause: byObserving, at, observing: true })
    this.report(fiber, "CircuitChanged", { from: current._tag, to: "Closed", cause: byObserving, at })
    return more
  }

  /** Every transition from now on, after the present state; each run of the stream follows by itself. */
  get transitions(): Stream.Stream<Transition> {
    return streamOf(
      (fiber, to) => this.follow(fiber, to),
      (to) => this.followers.remove(to)
    )
  }

  /** Ends every run of `transitions`. */
  close(): void {
    this.followers.close()
  }

  /** Tells a new follower how the circuit is, and from then on what becomes of it. */
  private follow(fiber: AnyFiber, to: Follower): Effect.Effect<void> {
    const at = nowMillis(fiber)
    const more = this.pass(fiber, at)
    const { _tag } = this.cell.current
    const observing = this.observation.current !== undefined
    this.followers.add(to, { from: _tag, to: _tag, cause: present, at, observing })
    return more
  }

  /** Takes the steps that the clock alone has made due, so that whatever is done now comes after them. */
  private pass(fiber: AnyFiber, now: number): Effect.Effect<void> {
    const step = Machine.elapse(this.numbers.machine, this.cell.current, now)
    if (step === undefined) return Effect.void
    const [transition, next] = step
    MutableRef.set(this.cell, next)
    this.changed(fiber, transition)
    const more = this.pass(fiber, now)
    return transition.to === "Open" ? Effect.zipRight(this.redraw(fiber), more) : more
  }

  /** A step by hand, which also ends the observing. */
  private byHand(
    fiber: AnyFiber,
    step: (state: Machine.State, now: number) => readonly [Machine.Transition | undefined, Machine.State]
  ): Effect.Effect<void> {
    const at = nowMillis(fiber)
    const more = this.pass(fiber, at)
    const { _tag: from } = this.cell.current
    const wasObserving = this.observation.current !== undefined
    const [transition, next] = step(this.cell.current, at)
    MutableRef.set(this.cell, next)
    MutableRef.set(this.observation, undefined)
    if (transition === undefined && !wasObserving) return more
    const cause = transition?.cause ?? reset
    this.followers.tell({ from, to: next._tag, cause, at, observing: false })
    this.report(fiber, "CircuitChanged", { from: wasObserving ? "Closed" : from, to: next._tag, cause, at })
    return more
  }

  /** Lets a call through that is only observed to be refused. */
  private permitAgainst(
    fiber: AnyFiber,
    observation: Observation.Observation,
    { retryAfterMillis: retryAfter }: Machine.Rejected,
    at: number
  ): Permit {
    MutableRef.set(this.observation, Observation.refused(observation))
    const { keyed, name: policy } = this
    Telemetry.publish(fiber, () => ({ _tag: "RejectionObserved", policy, keyed, at, by: "circuit", retryAfter }))
    return { generation: this.cell.current.generation, startedMillis: at, wouldReject: true }
  }

  /** One random number for each opening, drawn ahead so that an opening is decided in one step. */
  private redraw(fiber: AnyFiber): Effect.Effect<void> {
    return Effect.map(drawn(fiber), (random) => {
      MutableRef.update(this.cell, (state) => Machine.withJitter(state, random))
    })
  }

  /** Makes the error of a call that is not let through, and reports it. */
  private refusal(fiber: AnyFiber, refused: Machine.Rejected, at: number): CircuitOpen {
    const { reason, retryAfterMillis, state } = refused
    const known = state === "Isolated" ? undefined : retryAfterMillis
    const error = new Refusal(this.name, state, retryAfterIn(known), reason)
    // By itself, for what makes an event costs as much as the error where nobody hears it.
    if (Telemetry.isHeard(fiber)) this.reportRefusal(fiber, error, at, known)
    return error
  }

  /** Reports the refusal of a call, for those who listen. */
  private reportRefusal(fiber: AnyFiber, error: CircuitOpen, at: number, retryAfter: number | undefined): void {
    const { keyed, name: policy } = this
    Telemetry.ownedBy(fiber, { policy, keyed }, error)
    Telemetry.publish(fiber, () => ({ _tag: "CallRejected", policy, keyed, at, by: "circuit", retryAfter }))
  }

  /** Tells of a transition that the machine took by itself. */
  private changed(fiber: AnyFiber, { atMillis: at, cause, from, to }: Machine.Transition): void {
    const observing = this.observation.current !== undefined
    this.followers.tell({ from, to, cause, at, observing })
    this.report(fiber, observing ? "ChangeObserved" : "CircuitChanged", { from, to, cause, at })
  }

  /** Reports a transition under the name that it has in telemetry. */
  private report(
    fiber: AnyFiber,
    _tag: "CircuitChanged" | "ChangeObserved",
    change: Pick<Telemetry.CircuitChanged, "from" | "to" | "cause" | "at">
  ): void {
    const { current } = this.cell
    const openFor = current._tag === "Open" && change.to === "Open" ? current.openMillis : 0
    const { keyed, name: policy } = this
    const { openings } = current
    const changed = { policy, keyed, ...change, openings, openFor }
    Telemetry.publish(fiber, () => (_tag === "CircuitChanged" ? { _tag, ...changed } : { _tag, ...changed }))
  }
}

const hintMillis = (outcome: Outcome.Outcome): number =>
  outcome._tag === "Success"
    ? 0
    : Option.match(Outcome.retryAfter(outcome), { onNone: () => 0, onSome: Duration.toMillis })

/** Whether a permit was to be had at once. */
export const isPermit = (answer: Permit | Effect.Effect<Permit, CircuitOpen>): answer is Permit =>
  "generation" in answer
