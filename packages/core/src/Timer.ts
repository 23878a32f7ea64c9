/**
 * The one place where a limit of time is put on an effect.
 *
 * As `Effect.timeoutFail`: the work is interrupted when the limit is reached, its finalizers run, uninterruptible work is
 * waited for, and the answer is the limit's even if the work ended well after that. What happens at the limit itself is
 * decided here: a result that is there wins, then an interruption of the caller; of two nested limits that are reached
 * together, the outer one wins.
 *
 * The work runs in the caller's own fiber, which the limit interrupts for that part alone; where that would not be exact
 * (`canLimitItself`) it runs in a fiber of its own, beside one that sleeps. On the live clock the limit is one of many
 * alarms behind one timer; on any other clock it is a fiber that sleeps by it, asleep before the work begins, so that work
 * which sleeps exactly as long as it may is woken first.
 */
import { Cause, Clock, Context, Effect, Exit, Fiber, Option, Predicate } from "effect"
import { type AnyFiber, nowMillis } from "./FiberTime.js"
import * as LiveTimers from "./LiveTimers.js"
import { canLimitItself, Region, withOwnChildren } from "./SameFiber.js"

/** Marks the errors that say a limit was reached. */
export const LimitTypeId: unique symbol = Symbol.for("@effect-resilience/core/Limit")

type Restore = <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** Runs the effect for no longer than so many milliseconds, Infinity for ever. */
export const limited = <A, E, R, E2>(
  self: Effect.Effect<A, E, R>,
  millis: number,
  onLimit: () => E2
): Effect.Effect<A, E | E2, R> =>
  millis === Infinity
    ? self
    : Effect.uninterruptibleMask((restore) =>
        Effect.withFiberRuntime<A, E | E2, R>((fiber) =>
          limitedIn({ fiber, restore, startedMillis: nowMillis(fiber), millis, onLimit }, self)
        )
      )

/** A limit, and where the work is that it is put on: in an uninterruptible region of the fiber. */
interface Limit<E> {
  readonly fiber: AnyFiber
  readonly restore: Restore
  readonly startedMillis: number
  readonly millis: number
  readonly onLimit: () => E
}

/** As `limited`, in an uninterruptible region. */
const limitedIn = <A, E, R, E2>(limit: Limit<E2>, self: Effect.Effect<A, E, R>): Effect.Effect<A, E | E2, R> => {
  const work = withOwnChildren(limit.fiber, self)
  if (!canLimitItself(limit.fiber)) return besideTimer(limit, work)
  const clock = Context.get(limit.fiber.currentDefaultServices, Clock.Clock)
  return LiveTimers.isLive(clock) ? byAlarm(limit, work, clock) : bySleeper(limit, work)
}

class LimitAlarm extends LiveTimers.Alarm {
  constructor(private readonly region: Region) {
    super()
  }
  override ring(): void {
    this.region.reached()
  }
}

const saysLimitReached = <A, E>(exit: Exit.Exit<A, E>): boolean =>
  exit._tag === "Failure" &&
  Option.exists(Cause.failureOption(exit.cause), (error) => Predicate.hasProperty(error, LimitTypeId))

/** What the caller is told when the limit was reached; who interrupts it from outside comes first. */
const late = <E>({ onLimit, restore }: Limit<E>): Effect.Effect<never, E> => restore(Effect.failSync(onLimit))

/** What the caller is told once the work has ended. A limit inside that was reached at the same moment comes second. */
const answer = <A, E, E2>(limit: Limit<E2>, region: Region, exit: Exit.Exit<A, E>): Effect.Effect<A, E | E2> =>
  exit._tag === "Failure" && saysLimitReached(exit) && nowMillis(limit.fiber) >= limit.startedMillis + limit.millis
    ? Effect.catchAllCause(region.end(exit, late(limit)), () => late(limit))
    : region.end(exit, late(limit))

const byAlarm = <A, E, R, E2>(
  limit: Limit<E2>,
  self: Effect.Effect<A, E, R>,
  clock: Clock.Clock
): Effect.Effect<A, E | E2, R> => {
  const region = new Region(limit.fiber)
  const alarm = new LimitAlarm(region)
  LiveTimers.set(clock, alarm, limit.startedMillis, limit.millis)
  const end = (exit: Exit.Exit<A, E>) => {
    LiveTimers.callOff(alarm)
    return answer(limit, region, exit)
  }
  return Effect.matchCauseEffect(limit.restore(self), {
    onSuccess: (value) => end(Exit.succeed(value)),
    onFailure: (cause) => end(Exit.failCause(cause))
  })
}

const bySleeper = <A, E, R, E2>(limit: Limit<E2>, self: Effect.Effect<A, E, R>): Effect.Effect<A, E | E2, R> => {
  const { fiber, millis, restore } = limit
  const region = new Region(fiber)
  let over = false
  const reach = Effect.sync(() => {
    if (!over) region.reached()
  })
  // What is woken at the same instant has its turn first.
  const sleeper = Effect.interruptible(Effect.sleep(millis)).pipe(
    Effect.zipRight(Effect.yieldNow()),
    Effect.zipRight(reach)
  )
  return Effect.flatMap(Effect.zipLeft(Effect.forkDaemon(sleeper), Effect.yieldNow()), (timer) => {
    const end = (exit: Exit.Exit<A, E>) => {
      over = true
      return Effect.zipRight(
        Fiber.interruptAs(timer, fiber.id()),
        Effect.suspend(() => answer(limit, region, exit))
      )
    }
    return Effect.matchCauseEffect(restore(self), {
      onSuccess: (value) => end(Exit.succeed(value)),
      onFailure: (cause) => end(Exit.failCause(cause))
    })
  })
}

/** Waits until one of the two has ended. */
const eitherHasEnded = (one: AnyFiber, other: AnyFiber): Effect.Effect<void> =>
  Effect.async((resume) => {
    const wake = () => resume(Effect.void)
    one.addObserver(wake)
    other.addObserver(wake)
  })

const besideTimer = <A, E, R, E2>(limit: Limit<E2>, self: Effect.Effect<A, E, R>): Effect.Effect<A, E | E2, R> => {
  const { fiber, millis, restore, startedMillis } = limit
  const end = (loser: AnyFiber) => Fiber.interruptAs(loser, fiber.id())
  const answered = (exit: Exit.Exit<A, E>): Effect.Effect<A, E | E2> =>
    saysLimitReached(exit) && nowMillis(fiber) >= startedMillis + millis ? Effect.failSync(limit.onLimit) : exit
  // A daemon: what interrupts the caller must reach the work alone, whose exit then is the answer.
  return Effect.flatMap(Effect.forkDaemon(Effect.interruptible(Effect.sleep(millis))), (timer) =>
    Effect.flatMap(withOwnChildren(fiber, Effect.fork(restore(self))), (work) => {
      // An interruption that came before the work was there to be told of it.
      const told = Effect.catchAllCause(restore(Effect.void), () => end(work))
      const ended = told.pipe(Effect.zipRight(eitherHasEnded(timer, work)), Effect.zipRight(work.poll))
      return Effect.flatMap(ended, (done) => {
        if (Option.isNone(done)) return Effect.zipRight(end(work), late(limit))
        const kept = Exit.isSuccess(done.value) ? work.inheritAll : Effect.void
        return end(timer).pipe(Effect.zipRight(kept), Effect.zipRight(Effect.suspend(() => answered(done.value))))
      })
    })
  )
}
