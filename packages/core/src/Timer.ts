/**
 * The one place where a limit of time is put on an effect.
 *
 * As `Effect.timeoutFail`: the work is interrupted when the limit is reached, its finalizers run, uninterruptible work is
 * waited for, and the answer is the limit's even if the work ended well after that. What happens at the limit itself is
 * decided here: a result that is there wins; of two nested limits that are reached together, the outer one wins.
 *
 * The timer is armed before the work begins, so that work which sleeps exactly as long as it may is woken first.
 */
import { Cause, Effect, Exit, Fiber, Option, Predicate } from "effect"
import { nowMillis } from "./FiberTime.js"

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

const race = <A, E, R, E2>(
  self: Effect.Effect<A, E, R>,
  millis: number,
  onLimit: () => E2
): Effect.Effect<A, E | E2, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.withFiberRuntime<A, E | E2, R>((fiber) => {
      const dueMillis = nowMillis(fiber) + millis
      const interrupt = (loser: Fiber.Fiber<unknown, unknown>) => Fiber.interruptAs(loser, fiber.id())
      const atLimit = (timer: Exit.Exit<void>, work: Fiber.Fiber<A, E>): Effect.Effect<A, E | E2> =>
        Effect.flatMap(Fiber.poll(work), (done): Effect.Effect<A, E | E2> => {
          if (Option.isSome(done)) return Effect.zipRight(Fiber.inheritAll(work), done.value)
          const answer = Exit.isSuccess(timer) ? Effect.failSync(onLimit) : Exit.failCause(timer.cause)
          return Effect.zipRight(interrupt(work), answer)
        })
      const whenDone = (exit: Exit.Exit<A, E>): Effect.Effect<A, E | E2> =>
        saysLimitReached(exit) && nowMillis(fiber) >= dueMillis ? Effect.failSync(onLimit) : exit
      return Effect.raceWith(Effect.interruptible(Effect.sleep(millis)), restore(self), {
        onSelfDone: atLimit,
        onOtherDone: (exit, timer) =>
          Effect.zipRight(
            interrupt(timer),
            Effect.suspend(() => whenDone(exit))
          )
      })
    })
  )
