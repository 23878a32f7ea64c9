/**
 * One call that is made in several copies, the first success of which is its answer.
 *
 * Each copy runs in a fiber of its own, a child of the caller's; the caller's waits for what happens next: a copy has
 * ended, or the delay has passed. All that is decided is decided there, in one step each, by the machine.
 *
 * Whoever has lost is interrupted and not waited for: an answer that had to wait for the finalizers of a copy that hangs
 * would be as late as that copy. As a child it ends with the caller's fiber at the latest, and it keeps the permits that
 * stand around the call until it has ended. A caller that is interrupted does wait for all copies.
 */
import { Deadline as Budget, Hedge as Machine } from "@effect-resilience/machines"
import { Cause, Duration, Effect, Exit, type Fiber, Option } from "effect"
import type { Classifier } from "../Classifier.js"
import { inForce } from "../Deadline.js"
import { type AnyFiber, nowMillis } from "../FiberTime.js"
import type { Latencies } from "../Latencies.js"
import { keepingPermits } from "../Occupancy.js"
import * as Outcome from "../Outcome.js"
import type { Restore } from "../Region.js"
import * as Repetition from "../Repetition.js"
import type { Account } from "../RetryBudget.js"
import { withOwnChildren } from "../SameFiber.js"
import * as Telemetry from "../Telemetry.js"
import { after } from "../Timer.js"

/** What all copies of a call go by. */
export interface Rules {
  readonly of: Telemetry.Subject
  readonly maxHedges: number
  readonly delayMillis: number
  /** No copy is begun that would have less of the budget of time than this. */
  readonly minAttemptMillis: number
  readonly classifier: Classifier
  readonly latencies: Latencies | undefined
  /** What hedges are paid from. */
  readonly paidBy: Account | undefined
  /** What else stands against another copy now. */
  readonly hindrance: (now: number) => "circuit" | "throttle" | undefined
}

/** One copy; the first is number 1. */
export interface Copy {
  readonly number: number
  readonly begunMillis: number
}

/** What is made copies of. */
export interface Original<A, E, R> {
  readonly copy: (copy: Copy) => Effect.Effect<A, E, R>
  /** Told of each copy that has ended, or that nobody waits for any more; of the one that ends the call last. */
  readonly ended: (copy: Copy, exit: Exit.Exit<A, E>, now: number, isLast: boolean) => void
}

interface Runner<A, E> extends Copy {
  readonly fiber: Fiber.RuntimeFiber<A, E>
  exit: Exit.Exit<A, E> | undefined
}

const nothing = (): void => {}

class Race<A, E, R> {
  private state = Machine.initial
  /** The copies of which nothing has been told yet, the eldest first. */
  private readonly runners = new Set<Runner<A, E>>()
  private readonly arrived: Array<Runner<A, E>> = []
  private isDue = false
  private wake = nothing
  private callOff = nothing
  /** What a copy has failed with, the last of those that asked the dependency if any has. */
  private failure: { readonly exit: Exit.Exit<A, E>; readonly wasRefused: boolean } | undefined
  /** The dependency has asked not to be called again so soon. */
  private mustWait = false

  constructor(
    private readonly fiber: AnyFiber,
    private readonly restore: Restore,
    private readonly rules: Rules,
    private readonly original: Original<A, E, R>
  ) {}

  /** Begins a copy, and goes on with whatever happens next. */
  begin(number: number): Effect.Effect<A, E, R> {
    const { fiber, original, restore } = this
    const begunMillis = nowMillis(fiber)
    const copy = original.copy({ number, begunMillis })
    return Effect.flatMap(withOwnChildren(fiber, Effect.fork(restore(copy))), (child) => {
      const runner: Runner<A, E> = { number, begunMillis, fiber: child, exit: undefined }
      this.runners.add(runner)
      child.addObserver((exit) => {
        runner.exit = exit
        this.arrived.push(runner)
        this.wake()
      })
      return this.arm()
    })
  }

  /** Has the next copy begin after the delay, if there may be one. */
  private arm(): Effect.Effect<A, E, R> {
    this.callOff()
    this.isDue = false
    if (!Machine.hasMore(this.rules.maxHedges, this.state)) return this.next()
    const ring = () => {
      this.isDue = true
      this.wake()
    }
    return Effect.flatMap(after(this.fiber, this.rules.delayMillis, ring), (callOff) => {
      this.callOff = callOff
      return this.next()
    })
  }

  private next(): Effect.Effect<A, E, R> {
    return Effect.matchCauseEffect(this.restore(this.somethingHappens), {
      onSuccess: () => this.step(),
      onFailure: (cause) => this.givenUp(cause)
    })
  }

  /** Without a canceller: there is nothing to cancel, and one that is not yet installed would not be run. */
  private readonly somethingHappens: Effect.Effect<void> = Effect.async((resume) => {
    this.wake = () => {
      this.wake = nothing
      resume(Effect.void)
    }
    if (this.isDue || this.arrived.length > 0) this.wake()
  })

  private step(): Effect.Effect<A, E, R> {
    const runner = this.arrived.shift()
    if (runner?.exit !== undefined) return this.arrival(runner, runner.exit)
    if (!this.isDue) return this.next()
    this.isDue = false
    const [decision, state] = Machine.elapsed(this.rules.maxHedges, this.state, this.mayHedge())
    this.state = state
    return decision === "Start" ? this.begin(state.started) : this.next()
  }

  private arrival(runner: Runner<A, E>, answer: Exit.Exit<A, E>): Effect.Effect<A, E, R> {
    const { classifier, maxHedges } = this.rules
    if (Outcome.wasCutShort(answer)) return this.conclude(runner, answer, "failed")
    const { exit, outcome } = classifier.judge(this.fiber, answer)
    const isPassing = Option.isSome(Repetition.judgement(exit, outcome).again)
    const wasRefused = outcome._tag === "Ignored" && Option.exists(Outcome.typedError(exit), Outcome.isRejection)
    if (exit._tag === "Success" && !isPassing) return this.conclude(runner, exit, "won")
    this.mustWait ||= Option.exists(Outcome.retryAfter(outcome), Duration.greaterThan(0))
    if (!wasRefused || this.failure?.wasRefused !== false) this.failure = { exit, wasRefused }
    const result = wasRefused ? "suppressed" : "failed"
    const mayHedge = isPassing && Machine.hasMore(maxHedges, this.state) && this.mayHedge()
    const [decision, state] = Machine.failed(maxHedges, this.state, !isPassing && !wasRefused, mayHedge)
    this.state = state
    if (decision === "Fail") return this.conclude(runner, this.failure?.exit ?? exit, result)
    this.gone(runner, exit, false, result)
    return decision === "Start" ? this.begin(state.started) : this.next()
  }

  /** Whether another copy may be begun; if so it is paid for. */
  private mayHedge(): boolean {
    const reason = this.obstacle(nowMillis(this.fiber))
    if (reason !== undefined) this.tell(this.state.started, "suppressed", reason)
    return reason === undefined
  }

  private obstacle(now: number): Telemetry.HedgeSettled["reason"] {
    const { hindrance, minAttemptMillis, paidBy } = this.rules
    if (this.mustWait) return "retryAfter"
    const found = hindrance(now)
    if (found !== undefined) return found
    if (!Budget.leavesRoom(0, minAttemptMillis, Budget.remainingMillis(inForce(this.fiber), now))) return "deadline"
    return paidBy?.withdraw(now) === false ? "budget" : undefined
  }

  /** A copy has ended the call: nobody waits for the others. */
  private conclude(
    by: Runner<A, E>,
    exit: Exit.Exit<A, E>,
    result: Telemetry.HedgeSettled["result"]
  ): Effect.Effect<A, E> {
    const { fiber } = this
    this.callOff()
    for (const loser of this.runners) {
      if (loser === by) continue
      keepingPermits(fiber, loser.fiber)
      loser.fiber.unsafeInterruptAsFork(fiber.id())
      this.gone(loser, loser.exit ?? Exit.interrupt(fiber.id()), false, "lost")
    }
    this.gone(by, exit, true, result)
    return exit._tag === "Success" ? Effect.zipRight(by.fiber.inheritAll, exit) : exit
  }

  /** The caller was interrupted: every copy is, and is waited for. Defects in what they do at the end are not lost. */
  private givenUp(cause: Cause.Cause<never>): Effect.Effect<never> {
    const { fiber } = this
    const endedMillis = nowMillis(fiber)
    this.callOff()
    const runners = [...this.runners]
    for (const each of runners) each.fiber.unsafeInterruptAsFork(fiber.id())
    const [eldest] = runners
    return Effect.flatMap(
      Effect.forEach(runners, (each) => each.fiber.await),
      (exits) => {
        for (const [at, exit] of exits.entries()) {
          const runner = runners[at]
          if (runner !== undefined && runner !== eldest) this.gone(runner, exit, false, "lost", endedMillis)
        }
        if (eldest !== undefined) this.gone(eldest, eldest.exit ?? Exit.failCause(cause), true, "lost", endedMillis)
        const defects = exits.flatMap((exit) =>
          exit._tag === "Success" ? [] : Option.toArray(Cause.keepDefects(exit.cause))
        )
        return Effect.failCause(defects.reduce<Cause.Cause<never>>(Cause.sequential, cause))
      }
    )
  }

  /** Nothing more is to be heard of a copy. `endedMillis`: how it closes after that is no latency. */
  private gone(
    copy: Runner<A, E>,
    exit: Exit.Exit<A, E>,
    isLast: boolean,
    result: Telemetry.HedgeSettled["result"],
    endedMillis: number = nowMillis(this.fiber)
  ): void {
    const { delayMillis, latencies } = this.rules
    const now = nowMillis(this.fiber)
    const lastedMillis = endedMillis - copy.begunMillis
    this.runners.delete(copy)
    if (copy.number > 1) this.tell(copy.number - 1, result, result === "suppressed" ? "refused" : undefined)
    else if (result === "won" || lastedMillis >= delayMillis) latencies?.add(lastedMillis, now)
    this.original.ended(copy, exit, now, isLast)
  }

  private tell(
    hedge: number,
    result: Telemetry.HedgeSettled["result"],
    reason: Telemetry.HedgeSettled["reason"]
  ): void {
    const { delayMillis: delay, of } = this.rules
    const { keyed, policy } = of
    const at = nowMillis(this.fiber)
    Telemetry.publish(this.fiber, () => ({ _tag: "HedgeSettled", policy, keyed, at, hedge, result, reason, delay }))
  }
}

/** Runs a call in copies, in an uninterruptible region of the fiber. */
export const raced = <A, E, R>(
  fiber: AnyFiber,
  restore: Restore,
  rules: Rules,
  original: Original<A, E, R>
): Effect.Effect<A, E, R> => new Race(fiber, restore, rules, original).begin(1)
