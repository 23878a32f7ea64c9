/**
 * The loop behind every retry: run, look at the exit, decide, wait, run again. Costs nothing until something fails.
 */
import { Backoff as Machine, Deadline as Budget } from "@effect-resilience/machines"
import {
  Clock,
  Context,
  Duration,
  Effect,
  Exit,
  Option,
  type Schedule,
  ScheduleDecision,
  ScheduleIntervals
} from "effect"
import { inForce } from "./Deadline.js"
import { type AnyFiber, drawn, nowMillis } from "./FiberTime.js"
import * as Outcome from "./Outcome.js"
import type * as RetryBudget from "./RetryBudget.js"
import * as Telemetry from "./Telemetry.js"

/** What decides whether a call is made again. `In` is what the schedule is told. */
export interface Plan<A, E, In, R> {
  readonly of: Telemetry.Subject
  readonly maxRetries: number
  readonly schedule: Schedule.Schedule<unknown, In, R>
  /** A dependency's wish for a longer wait than this ends the retry. */
  readonly maxRetryAfterMillis: number
  /** No wait that would leave less than this for the attempt after it. */
  readonly minAttemptMillis: number
  /** Whether an exit is worth repeating. */
  readonly judge: (fiber: AnyFiber, exit: Exit.Exit<A, E>) => Judgement<A, E, In>
  /** Asked before every repetition: may the circuit be bothered again for this request? */
  readonly admitted: () => boolean
  /** What repetitions are paid from. */
  readonly budget: RetryBudget.Account | undefined
}

export interface Judgement<A, E, In> {
  readonly exit: Exit.Exit<A, E>
  /** What to tell the schedule, if this is worth repeating. */
  readonly again: Option.Option<In>
  /** What the dependency asked for. */
  readonly retryAfter: Option.Option<Duration.Duration>
}

/** The judgement that an outcome makes of an exit. Defects, interruption and our own refusals are never repeated. */
export const judgement = <A, E>(exit: Exit.Exit<A, E>, outcome: Outcome.Outcome): Judgement<A, E, unknown> => {
  const told: Option.Option<unknown> = exit._tag === "Success" ? Option.some(exit.value) : Outcome.typedError(exit)
  const again = Option.filter(told, (input) => Outcome.isTransient(outcome) && !Outcome.isRejection(input))
  return { exit, again, retryAfter: Outcome.retryAfter(outcome) }
}

type Reason = Telemetry.RetriesExhausted["reason"]

/** Runs the effect, and again as long as the plan allows; the answer is that of the last run. */
export const run = <A, E, R, In, R2>(
  self: Effect.Effect<A, E, R>,
  plan: Plan<A, E, In, R2>
): Effect.Effect<A, E, R | R2> => {
  const { budget } = plan
  const first = attempt(self, plan, 1, plan.schedule.initial)
  if (budget === undefined) return first
  return Effect.withFiberRuntime<A, E, R | R2>((fiber) => {
    budget.called(nowMillis(fiber))
    return first
  })
}

/** As `run`, from where the first run has ended on; an exit where it is not made again. The budget was told of the call. */
export const afterFirst = <A, E, R, In, R2>(
  self: Effect.Effect<A, E, R>,
  plan: Plan<A, E, In, R2>,
  fiber: AnyFiber,
  answer: Exit.Exit<A, E>
): Effect.Effect<A, E, R | R2> => afterAttempt(self, plan, 1, plan.schedule.initial, fiber, answer)

const attempt = <A, E, R, In, R2>(
  self: Effect.Effect<A, E, R>,
  plan: Plan<A, E, In, R2>,
  made: number,
  state: unknown
): Effect.Effect<A, E, R | R2> => {
  const decide = (exit: Exit.Exit<A, E>) =>
    Effect.withFiberRuntime<A, E, R | R2>((fiber) => afterAttempt(self, plan, made, state, fiber, exit))
  const work = made === 1 ? self : toldIfInterrupted(self, plan.of, made)
  return Effect.matchCauseEffect(work, {
    onSuccess: (value) => decide(Exit.succeed(value)),
    onFailure: (cause) => decide(Exit.failCause(cause))
  })
}

const afterAttempt = <A, E, R, In, R2>(
  self: Effect.Effect<A, E, R>,
  plan: Plan<A, E, In, R2>,
  made: number,
  state: unknown,
  fiber: AnyFiber,
  answer: Exit.Exit<A, E>
): Effect.Effect<A, E, R | R2> => {
  if (Outcome.wasCutShort(answer)) return answer
  const { again, exit, retryAfter } = plan.judge(fiber, answer)
  const succeeded = exit._tag === "Success" && Option.isNone(again)
  settled(fiber, plan.of, made, succeeded)
  if (succeeded) plan.budget?.succeeded(made > 1)
  if (Option.isNone(again)) return exit
  const stop = (reason: Reason): Effect.Effect<A, E> => {
    report(fiber, plan.of, made, reason, exit)
    return exit
  }
  if (plan.maxRetries === 0) return exit
  if (made > plan.maxRetries) return stop("attempts")
  if (!plan.admitted()) return stop("circuit")
  const hint = Option.map(retryAfter, Duration.toMillis)
  if (Option.exists(hint, (millis) => millis > plan.maxRetryAfterMillis)) return stop("retryAfter")
  return Effect.flatMap(wait(plan, again.value, state, fiber, hint), (next) => {
    if (next === undefined) return stop("attempts")
    const left = Budget.remainingMillis(inForce(fiber), nowMillis(fiber))
    if (!Budget.leavesRoom(next.delayMillis, plan.minAttemptMillis, left)) {
      return stop(next.hinted ? "retryAfter" : "deadline")
    }
    if (plan.budget?.withdraw(nowMillis(fiber)) === false) return stop("budget")
    const { keyed, policy } = plan.of
    Telemetry.publish(fiber, () => ({
      _tag: "RetryScheduled",
      policy,
      keyed,
      at: nowMillis(fiber),
      attempt: made,
      delay: next.delayMillis,
      error: Outcome.exitTag(exit)
    }))
    const repeated = Effect.suspend(() => {
      if (!plan.admitted()) return stop("circuit")
      // The wait may have been longer than it was meant to be.
      const leftNow = Budget.remainingMillis(inForce(fiber), nowMillis(fiber))
      return Budget.leavesRoom(0, plan.minAttemptMillis, leftNow)
        ? attempt(self, plan, made + 1, next.state)
        : stop("deadline")
    })
    return next.delayMillis === 0 ? repeated : Effect.zipRight(Effect.sleep(next.delayMillis), repeated)
  })
}

interface Wait {
  readonly delayMillis: number
  /** Whether the dependency's wish made it as long as it is. */
  readonly hinted: boolean
  readonly state: unknown
}

/** The next wait of the schedule, no shorter than what the dependency asked for; undefined when the schedule is done. */
const wait = <A, E, In, R>(
  plan: Plan<A, E, In, R>,
  input: In,
  state: unknown,
  fiber: AnyFiber,
  hint: Option.Option<number>
): Effect.Effect<Wait | undefined, never, R> =>
  Effect.suspend(() => {
    const now = Context.get(fiber.currentDefaultServices, Clock.Clock).unsafeCurrentTimeMillis()
    return Effect.flatMap(
      plan.schedule.step(now, input, state),
      ([next, , decision]): Effect.Effect<Wait | undefined> => {
        if (ScheduleDecision.isDone(decision)) return Effect.succeed(undefined)
        const start = ScheduleIntervals.start(decision.intervals)
        const backoff = Math.min(Machine.maxDelayMillis, Math.max(0, Math.ceil(start - now)))
        const asked = Option.getOrElse(hint, () => 0)
        return asked <= backoff
          ? Effect.succeed({ delayMillis: backoff, hinted: false, state: next })
          : Effect.map(drawn(fiber), (random) => ({
              delayMillis: Machine.withHintMillis(backoff, asked, random),
              hinted: true,
              state: next
            }))
      }
    )
  })

const settled = (fiber: AnyFiber, { keyed, policy }: Telemetry.Subject, made: number, succeeded: boolean): void => {
  if (made === 1) return
  const at = nowMillis(fiber)
  Telemetry.hubOfCalls(fiber)?.tellOfCall({ _tag: "RetrySettled", policy, keyed, at, attempt: made, succeeded }, fiber)
}

/** Nothing is decided any more after an attempt whose caller has given it up, but it has ended. */
const toldIfInterrupted = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  of: Telemetry.Subject,
  made: number
): Effect.Effect<A, E, R> =>
  Effect.onInterrupt(self, () => Effect.withFiberRuntime((fiber) => Effect.succeed(settled(fiber, of, made, false))))

const report = (
  fiber: AnyFiber,
  { keyed, policy }: Telemetry.Subject,
  attempts: number,
  reason: Reason,
  exit: Exit.Exit<unknown, unknown>
) =>
  Telemetry.publish(fiber, () => ({
    _tag: "RetriesExhausted",
    policy,
    keyed,
    at: nowMillis(fiber),
    attempts,
    reason,
    error: Outcome.exitTag(exit)
  }))
