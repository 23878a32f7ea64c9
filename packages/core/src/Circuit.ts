/**
 * A circuit breaker's state in its cell, and the steps that calls take through it.
 */
import { CircuitBreaker as Machine } from "@effect-resilience/machines"
import { Duration, Effect, type Exit, MutableRef, Option } from "effect"
import { CircuitOpen } from "./CircuitOpen.js"
import type { Numbers } from "./CircuitOptions.js"
import type { Judge } from "./Classifier.js"
import { DeadlineExceeded, inForce } from "./Deadline.js"
import { type AnyFiber, drawn, nowMillis } from "./FiberTime.js"
import * as Outcome from "./Outcome.js"
import * as Telemetry from "./Telemetry.js"

export type { CircuitOpen } from "./CircuitOpen.js"

/** Closed lets calls through, open refuses them, half-open lets a few probes through. */
export type State = Machine.StateName
/** Given to a call that was let through, which must settle it once. */
export type Permit = Machine.Permit

/** What a circuit breaker is doing, as of now. */
export interface Snapshot {
  readonly state: State
  /** Calls and failures in the window; 0 unless closed. */
  readonly calls: number
  readonly failures: number
  /** failures / calls, 0 without calls. */
  readonly failureRate: number
  /** How many openings in a row there were. */
  readonly openings: number
  /** Probes under way. */
  readonly probing: number
  /** When open: how long until a probe is let through. */
  readonly retryAfter: Option.Option<Duration.Duration>
}

/** The machine in its cell: reads the clock and steps in one synchronous step. */
export class Circuit {
  private readonly cell: MutableRef.MutableRef<Machine.State>
  constructor(
    readonly name: string,
    private readonly numbers: Numbers,
    random: number
  ) {
    this.cell = MutableRef.make(Machine.withJitter(Machine.initial(numbers.machine), random))
  }

  /** What `acquire` would refuse with now, for those who would only wait to hear it; asks for no permit. */
  refusing(fiber: AnyFiber, now: number): Effect.Effect<never, CircuitOpen> | undefined {
    const refused = Machine.peek(this.numbers.machine, this.cell.current, now)
    if (refused === undefined) return undefined
    // Refuses as well, and takes the step of a probe whose time is up, so that it is told of.
    const [{ transition }, next] = Machine.acquire(this.numbers.machine, this.cell.current, now)
    MutableRef.set(this.cell, next)
    if (transition !== undefined) this.changed(fiber, transition)
    const refusal = Effect.fail(this.refusal(fiber, refused, now))
    return transition === undefined ? refusal : Effect.zipRight(this.redraw(fiber), refusal)
  }

  /** Asks for a permit, which is there at once or never; whoever gets one must `settle` it once. */
  acquire(fiber: AnyFiber, now: number): Permit | Effect.Effect<Permit, CircuitOpen> {
    const [decision, next] = Machine.acquire(this.numbers.machine, this.cell.current, now)
    MutableRef.set(this.cell, next)
    const { transition } = decision
    if (transition !== undefined) this.changed(fiber, transition)
    if (decision._tag === "Admitted") return decision.permit
    if (transition === undefined) return Effect.fail(this.refusal(fiber, decision, now))
    // A probe's time was up. The opening that follows may be over too: ask again.
    return Effect.flatMap(this.redraw(fiber), () => {
      const permit = this.acquire(fiber, nowMillis(fiber))
      return isPermit(permit) ? Effect.succeed(permit) : permit
    })
  }

  /** Counts what the call that the permit was granted for has ended with; what it gives is to be run, if anything. */
  settle(
    fiber: AnyFiber,
    now: number,
    permit: Permit,
    outcome: Outcome.Outcome,
    lastedMillis: number = now - permit.startedMillis
  ): Effect.Effect<void> | undefined {
    const told = { _tag: outcome._tag, retryAfterMillis: hintMillis(outcome), lastedMillis }
    const [transition, next] = Machine.settle(this.numbers.machine, this.cell.current, permit, told, now)
    MutableRef.set(this.cell, next)
    if (transition === undefined) return undefined
    this.changed(fiber, transition)
    return transition.to === "Open" ? this.redraw(fiber) : undefined
  }

  /** Whether a request that holds this permit may ask the dependency once more. A probe is one call. */
  mayRepeat(permit: Permit): boolean {
    return this.cell.current._tag === "Closed" && this.cell.current.generation === permit.generation
  }

  /** How a call that was cut short counts: against the dependency only if that had had its patience. */
  cutShort(now: number, permit: Permit): Outcome.Outcome {
    return now - permit.startedMillis >= this.numbers.patienceMillis ? Outcome.failure() : Outcome.ignored()
  }

  /** What there is to be seen now; changes nothing. */
  snapshot(fiber: AnyFiber): Snapshot {
    const { calls, failures, openings, probing, retryAfterMillis, state } = Machine.snapshot(
      this.numbers.machine,
      this.cell.current,
      nowMillis(fiber)
    )
    const retryAfter = state === "Open" ? Option.some(Duration.millis(retryAfterMillis)) : Option.none()
    return { state, calls, failures, failureRate: calls === 0 ? 0 : failures / calls, openings, probing, retryAfter }
  }

  /** One random number for each opening, drawn ahead so that an opening is decided in one step. */
  private redraw(fiber: AnyFiber): Effect.Effect<void> {
    return Effect.map(drawn(fiber), (random) => {
      MutableRef.update(this.cell, (state) => Machine.withJitter(state, random))
    })
  }

  /** Makes the error of a call that is not let through, and reports it. */
  private refusal(fiber: AnyFiber, refused: Machine.Rejected, at: number): CircuitOpen {
    const { name: policy } = this
    const { reason, retryAfterMillis, state } = refused
    const known = state === "Isolated" ? undefined : retryAfterMillis
    Telemetry.publish(fiber, () => ({ _tag: "CallRejected", policy, at, by: "circuit", retryAfter: known }))
    const retryAfter = known === undefined ? Option.none() : Option.some(Duration.millis(known))
    return new CircuitOpen({ policy, state, retryAfter, reason })
  }

  /** Reports that the circuit went from one state to another. */
  private changed(fiber: AnyFiber, { atMillis, cause, from, to }: Machine.Transition): void {
    const { current } = this.cell
    const openFor = current._tag === "Open" ? current.openMillis : 0
    const { name: policy } = this
    const { openings } = current
    Telemetry.publish(fiber, () => ({
      _tag: "CircuitChanged",
      policy,
      at: atMillis,
      from,
      to,
      cause,
      openings,
      openFor
    }))
  }
}

const hintMillis = (outcome: Outcome.Outcome): number =>
  Option.match(Outcome.retryAfter(outcome), { onNone: () => 0, onSome: Duration.toMillis })

/** Whether a permit was to be had at once. */
export const isPermit = (answer: Permit | Effect.Effect<Permit, CircuitOpen>): answer is Permit =>
  "generation" in answer

/** Whether the budget that the call was made in has ended, and took it along. A budget inside the call is the call's own. */
const byCallersDeadline = (fiber: AnyFiber, now: number, exit: Exit.Exit<unknown, unknown>): boolean => {
  const outer = inForce(fiber)
  return (
    outer !== undefined &&
    now >= outer.dueMillis &&
    Option.exists(Outcome.typedError(exit), (error) => error instanceof DeadlineExceeded && error.where === "in-flight")
  )
}

/** Settles what an admitted call ended with, and gives it to its caller. */
export const settleExit = <A, E>(
  fiber: AnyFiber,
  circuit: Circuit,
  permit: Permit,
  judge: Judge<A, E>,
  exit: Exit.Exit<A, E>
): Effect.Effect<A, E> => {
  const now = nowMillis(fiber)
  const verdict =
    exit._tag === "Failure" && (Outcome.wasCutShort(exit) || byCallersDeadline(fiber, now, exit))
      ? { outcome: circuit.cutShort(now, permit), exit }
      : judge(fiber, exit)
  const more = circuit.settle(fiber, now, permit, verdict.outcome)
  return more === undefined ? verdict.exit : Effect.zipRight(more, verdict.exit)
}
