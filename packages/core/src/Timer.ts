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
 * alarms behind one timer, on a clock that has alarms (`AlarmClock`) one of those; on any other clock it is a fiber that
 * sleeps by it, asleep before the work begins, so that work which sleeps exactly as long as it may is woken first.
 */
import { Cause, Effect, Exit, Fiber, Option, Predicate } from "effect"
import { alarmsOf } from "./AlarmClock.js"
import { type AnyFiber, clockOf, nowMillis } from "./FiberTime.js"
import * as LiveTimers from "./LiveTimers.js"
import { onEnd, outside, region, type Restore, type Step } from "./Region.js"
import { canLimitItself, Limitable, withOwnChildren } from "./SameFiber.js"

/** Marks the errors that say a limit was reached. */
export const LimitTypeId: unique symbol = Symbol.for("@effect-resilience/core/Limit")

/** Runs the effect for no longer than so many milliseconds, Infinity for ever. */
export const limited = <A, E, R, E2>(
  self: Effect.Effect<A, E, R>,
  millis: number,
  onLimit: () => E2
): Effect.Effect<A, E | E2, R> => {
  if (millis === Infinity) return self
  return region((fiber, restore) =>
    limitedIn({ fiber, restore, startedMillis: nowMillis(fiber), millis, onLimit }, self)
  )
}

class Bell extends LiveTimers.Alarm {
  constructor(override readonly ring: () => void) {
    super()
  }
}

/**
 * Rings once, after so many milliseconds; what it gives calls that off. To be run in an uninterruptible region. What is
 * woken at the same instant has its turn first.
 */
export const after = (fiber: AnyFiber, millis: number, ring: () => void): Effect.Effect<() => void> => {
  const clock = clockOf(fiber)
  if (LiveTimers.isLive(clock)) {
    const bell = new Bell(ring)
    LiveTimers.set(clock, bell, nowMillis(fiber), millis)
    return Effect.succeed(() => LiveTimers.callOff(bell))
  }
  let isOff = false
  const sleeper = Effect.interruptible(Effect.sleep(millis)).pipe(
    Effect.zipRight(Effect.yieldNow()),
    Effect.zipRight(Effect.sync(() => isOff || ring()))
  )
  return Effect.map(Effect.forkDaemon(sleeper), (timer) => () => {
    isOff = true
    timer.unsafeInterruptAsFork(fiber.id())
  })
}

/** A limit, and where the work is that it is put on: in an uninterruptible region of the fiber. */
export interface Limit<E> {
  readonly fiber: AnyFiber
  readonly restore: Restore
  readonly startedMillis: number
  readonly millis: number
  readonly onLimit: () => E
}

/** As `limited`, in an uninterruptible region. */
const limitedIn = <A, E, R, E2>(limit: Limit<E2>, self: Effect.Effect<A, E, R>): Step<A, E | E2, R> => {
  const alarm = armed(limit)
  if (alarm !== undefined) return outside(withOwnChildren(limit.fiber, self), (exit) => alarm.answer(exit))
  const work = withOwnChildren(limit.fiber, self)
  return canLimitItself(limit.fiber) ? bySleeper(limit, work) : besideTimer(limit, work)
}

/** A limit that the caller's own fiber is under, which an alarm interrupts. */
export class Armed<E> extends Limitable {
  /** Calls an alarm off that is not on the live clock. */
  callOff: (() => void) | undefined = undefined
  constructor(private readonly limit: Limit<E>) {
    super(limit.fiber)
  }
  /** Calls the limit off, and gives what the caller is told once the work has ended: the exit itself if all is well. */
  answer<A, E2>(exit: Exit.Exit<A, E2>): Effect.Effect<A, E | E2> {
    if (this.callOff === undefined) LiveTimers.callOff(this)
    else this.callOff()
    return answer(this.limit, this, exit)
  }
}

/**
 * Sets the limit's alarm, if the fiber can limit itself and the clock has alarms. The work must begin in the same
 * synchronous step, in `Limit.restore` and `withOwnChildren`, and whatever it ends with must be told to `Armed.answer`.
 */
export const armed = <E>(limit: Limit<E>): Armed<E> | undefined => {
  const clock = clockOf(limit.fiber)
  const alarms = LiveTimers.isLive(clock) ? "live" : alarmsOf(clock)
  if (alarms === undefined || !canLimitItself(limit.fiber)) return undefined
  const alarm = new Armed(limit)
  if (alarms === "live") LiveTimers.set(clock, alarm, limit.startedMillis, limit.millis)
  else alarm.callOff = alarms(limit.millis, () => alarm.ring())
  return alarm
}

const saysLimitReached = <A, E>(exit: Exit.Exit<A, E>): boolean =>
  exit._tag === "Failure" &&
  Option.exists(Cause.failureOption(exit.cause), (error) => Predicate.hasProperty(error, LimitTypeId))

/** What the caller is told when the limit was reached; who interrupts it from outside comes first. */
const late = <E>(limit: Limit<E>): Effect.Effect<never, E> => limit.restore(Effect.failSync(() => limit.onLimit()))

/** What the caller is told once the work has ended. A limit inside that was reached at the same moment comes second. */
const answer = <A, E, E2>(limit: Limit<E2>, part: Limitable, exit: Exit.Exit<A, E>): Effect.Effect<A, E | E2> => {
  const isSecond =
    exit._tag === "Failure" &&
    !part.hasRung &&
    saysLimitReached(exit) &&
    nowMillis(limit.fiber) >= limit.startedMillis + limit.millis
  if (!isSecond && part.isTidy(exit)) return exit
  const tidied = part.tidied(exit, late(limit))
  return isSecond ? Effect.catchAllCause(tidied, () => late(limit)) : tidied
}

const bySleeper = <A, E, R, E2>(limit: Limit<E2>, self: Effect.Effect<A, E, R>): Effect.Effect<A, E | E2, R> => {
  const { fiber, millis, restore } = limit
  const part = new Limitable(fiber)
  let over = false
  const reach = Effect.sync(() => {
    if (!over) part.ring()
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
        Effect.suspend(() => answer(limit, part, exit))
      )
    }
    return onEnd(restore(self), end)
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
    saysLimitReached(exit) && nowMillis(fiber) >= startedMillis + millis ? Effect.failSync(() => limit.onLimit()) : exit
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
