/**
 * A region in which nothing interrupts, entered as by `Effect.uninterruptibleMask`. That one is made anew whenever it is
 * entered, which costs a fifth of what a policy does; this is made once for all runs of an effect.
 */
import { Context, Effect, Exit, Fiber, FiberRef, Option, Predicate } from "effect"
import type { AnyFiber } from "./FiberTime.js"

/** Puts a part of an uninterruptible region back to what its caller was. */
export type Restore = <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** What runs in a region, entered by the fiber that it is given. */
type Inside<A, E, R> = (fiber: AnyFiber) => Effect.Effect<A, E, R>

/** The step that a mask becomes whenever it is run; the mask itself where the runtime does not show that. */
const madeOnce = <A, E, R>(mask: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
  const step: unknown =
    Predicate.hasProperty(mask, "commit") && Predicate.isFunction(mask.commit)
      ? Reflect.apply(mask.commit, mask, [])
      : undefined
  return isOf<A, E, R>(step) ? step : mask
}

const isOf = <A, E, R>(u: unknown): u is Effect.Effect<A, E, R> => Effect.isEffect(u)

/**
 * Makes a region; `prepare` is run once for callers that can be interrupted, and once for others, and gives what is run at
 * each entry, in the synchronous step that enters it.
 */
export const region = <A, E, R>(prepare: (restore: Restore) => Inside<A, E, R>): Effect.Effect<A, E, R> => {
  const interruptibly = prepare(Effect.interruptible)
  const otherwise = prepare(Effect.uninterruptible)
  // What restores is one of the two; another would be made ready for as it comes.
  const insideOf = (restore: Restore) => (restore === Effect.uninterruptible ? otherwise : prepare(restore))
  return madeOnce(
    Effect.uninterruptibleMask((restore) => {
      const inside = restore === Effect.interruptible ? interruptibly : insideOf(restore)
      const fiber = Fiber.getCurrentFiber()
      return Option.isSome(fiber) ? inside(fiber.value) : Effect.withFiberRuntime<A, E, R>(inside)
    })
  )
}

/** Goes on with what the effect has ended with. */
export const onEnd = <A, E, R, B, E2, R2>(
  self: Effect.Effect<A, E, R>,
  f: (exit: Exit.Exit<A, E>) => Effect.Effect<B, E2, R2>
): Effect.Effect<B, E2, R | R2> =>
  Effect.matchCauseEffect(self, {
    onSuccess: (value) => f(Exit.succeed(value)),
    onFailure: (cause) => f(Exit.failCause(cause))
  })

/** Runs the effect with a reference set, as `Effect.provideService` does, in half the steps. */
export const withReference = <A, E, R, I, S>(
  self: Effect.Effect<A, E, R>,
  reference: Context.Reference<I, S>,
  value: S
): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.withFiberRuntime<A, E, R>(({ currentContext: before }) => {
      const within = Context.add(before, reference, value)
      const after = (exit: Exit.Exit<A, E>) => Effect.flatMap(FiberRef.set(FiberRef.currentContext, before), () => exit)
      return Effect.flatMap(FiberRef.set(FiberRef.currentContext, within), () =>
        Effect.matchCauseEffect(restore(self), {
          onSuccess: (answer) => after(Exit.succeed(answer)),
          onFailure: (cause) => after(Exit.failCause(cause))
        })
      )
    })
  )
