/**
 * The one place where a limit of time is put on an effect.
 *
 * As `Effect.timeoutFail`: the work is interrupted when the limit is reached, its finalizers run, uninterruptible work is
 * waited for, and the answer is the limit's even if the work ended well after that. What happens at the limit itself is
 * decided here: a result that is there wins, then an interruption of the caller; of two nested limits that are reached
 * together, the outer one wins.
 *
 * The timer is armed before the work begins, so that work which sleeps exactly as long as it may is woken first.
 */
import { Cause, Effect, Exit, Fiber, Option, Predicate } from "effect"
import { type AnyFiber, nowMillis } from "./FiberTime.js"

/** Marks the errors that say a limit was reached. */
export const LimitTypeId: unique symbol = Symbol.for("@effect-resilience/core/Limit")

const saysLimitReached = <A, E>(exit: Exit.Exit<A, E>): boolean =>
  exit._tag === "Failure" &&
  Option.exists(Cause.failureOption(exit.cause), (error) => Predicate.hasProperty(error, LimitTypeId))

export const limited = <A, E, R, E2>(
  self: Effect.Effect<A, E, R>,
  millis: number,
  onLimit: () => E2
): Effect.Effect<A, E | E2, R> => (millis === Infinity ? self : race(self, millis, onLimit))

/** Waits until one of the two has ended. */
const eitherHasEnded = (one: AnyFiber, other: AnyFiber): Effect.Effect<void> =>
  Effect.async((resume) => {
    const wake = () => resume(Effect.void)
    one.addObserver(wake)
    other.addObserver(wake)
  })

const race = <A, E, R, E2>(
  self: Effect.Effect<A, E, R>,
  millis: number,
  onLimit: () => E2
): Effect.Effect<A, E | E2, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.withFiberRuntime<A, E | E2, R>((fiber) => {
      const dueMillis = nowMillis(fiber) + millis
      const end = (loser: AnyFiber) => Fiber.interruptAs(loser, fiber.id())
      const answer = (exit: Exit.Exit<A, E>): Effect.Effect<A, E | E2> =>
        saysLimitReached(exit) && nowMillis(fiber) >= dueMillis ? Effect.failSync(onLimit) : exit
      // A daemon: what interrupts the caller must reach the work alone, whose exit then is the answer.
      return Effect.flatMap(Effect.forkDaemon(Effect.interruptible(Effect.sleep(millis))), (timer) =>
        Effect.flatMap(Effect.fork(restore(self)), (work) => {
          // An interruption that came before the work was there to be told of it.
          const told = Effect.catchAllCause(restore(Effect.void), () => end(work))
          const ended = told.pipe(Effect.zipRight(eitherHasEnded(timer, work)), Effect.zipRight(work.poll))
          return Effect.flatMap(ended, (done) => {
            if (Option.isNone(done)) return Effect.zipRight(end(work), restore(Effect.failSync(onLimit)))
            const kept = Exit.isSuccess(done.value) ? work.inheritAll : Effect.void
            return end(timer).pipe(Effect.zipRight(kept), Effect.zipRight(Effect.suspend(() => answer(done.value))))
          })
        })
      )
    })
  )
