/**
 * A region in which nothing interrupts, entered as by `Effect.uninterruptibleMask`. That one is made anew whenever it is
 * entered, which costs a fifth of what a policy does; this is made once for all runs of an effect.
 */
import { Context, Effect, Exit, FiberRef, RuntimeFlags } from "effect"
import type { AnyFiber } from "./FiberTime.js"

/** Puts a part of an uninterruptible region back to what its caller was. */
export type Restore = <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** What runs in the region that a fiber with these flags enters. */
export type Region<A, E, R> = (flags: RuntimeFlags.RuntimeFlags) => Effect.Effect<A, E, R>

/** Makes a region; `prepare` is run once for callers that can be interrupted, and gives what is run at each entry. */
export const region = <A, E, R>(
  prepare: (restore: Restore) => (fiber: AnyFiber) => Effect.Effect<A, E, R>
): Region<A, E, R> => {
  const entered = (restore: Restore) => Effect.uninterruptible(Effect.withFiberRuntime<A, E, R>(prepare(restore)))
  const interruptibly = entered(Effect.interruptible)
  return (flags) => (RuntimeFlags.interruption(flags) ? interruptibly : entered(Effect.uninterruptible))
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
