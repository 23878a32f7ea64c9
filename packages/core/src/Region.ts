/**
 * A region in which nothing interrupts, with a part that runs as its caller would: what `Effect.uninterruptibleMask` and
 * `restore` are for, in fewer steps. Here the region is entered in one step of the runtime, with the frames that the three
 * steps of the mask would have left behind it (`Frames`), and in nothing else does it differ.
 */
import { Context, Effect, Exit, FiberRef, RuntimeFlags } from "effect"
import { setReference } from "./FiberContext.js"
import type { AnyFiber } from "./FiberTime.js"
import * as Frames from "./Frames.js"

/** Puts a part of an uninterruptible region back to what its caller was. */
export type Restore = <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** A part that runs as the caller would, and what goes on in the region when it has ended. */
export abstract class Outside<A, E, R> {
  /** As an effect to be run in the region. */
  abstract within(restore: Restore): Effect.Effect<A, E, R>
  /** Where a fiber that can be interrupted goes on, which thereby enters the region. */
  abstract enteredBy(fiber: Frames.Enterable): Effect.Effect<A, E, R>
}

const isOf = <A, E, R>(u: unknown): u is Effect.Effect<A, E, R> => Effect.isEffect(u)

class OutsideOf<A, E, R, B, E2, R2> extends Outside<B, E2, R | R2> {
  constructor(
    private readonly self: Effect.Effect<A, E, R>,
    private readonly ended: (exit: Exit.Exit<A, E>) => Effect.Effect<B, E2, R2>
  ) {
    super()
  }
  override within(restore: Restore): Effect.Effect<B, E2, R | R2> {
    return onEnd(restore(this.self), this.ended)
  }
  override enteredBy(fiber: Frames.Enterable): Effect.Effect<B, E2, R | R2> {
    const begun: unknown = this.self
    // What is no effect is for the runtime to name.
    if (!isOf<B, E2, R | R2>(begun)) return this.within(Effect.interruptible)
    Frames.enterAround(fiber, onEnd(this.self, this.ended))
    // With what was pushed it ends as the region does.
    return begun
  }
}

/** Runs a part as the caller would, and goes on in the region with what it has ended with. */
export const outside = <A, E, R, B, E2, R2>(
  self: Effect.Effect<A, E, R>,
  ended: (exit: Exit.Exit<A, E>) => Effect.Effect<B, E2, R2>
): Outside<B, E2, R | R2> => new OutsideOf(self, ended)

/** What is done in a region: something in it, or a part outside of it. */
export type Step<A, E, R> = Effect.Effect<A, E, R> | Outside<A, E, R>

/** A step that does not enter the region, but is in it. */
export const inRegion = <A, E, R>(step: Step<A, E, R>, restore: Restore): Effect.Effect<A, E, R> =>
  step instanceof Outside ? step.within(restore) : step

/**
 * A region, of which the first step is told in the synchronous step in which it is entered, unless that gives a refusal:
 * which needs no region. For policies that are written by hand: what is taken at the beginning is given back at the end,
 * and what the work has ended with is in good hands, whenever the caller is interrupted.
 *
 * @example
 * ```ts
 * import { Region } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * let free = 1
 * const oneAtATime = <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E | "busy", R> =>
 *   Region.region<A, E | "busy", R>(
 *     () => {
 *       free--
 *       return Region.outside(work, (exit) => {
 *         free++
 *         return exit
 *       })
 *     },
 *     () => (free === 0 ? Effect.fail("busy") : undefined)
 *   )
 * Effect.runPromise(Effect.flip(oneAtATime(oneAtATime(Effect.void)))).then((said) => console.log(said, free))
 * // busy 1
 * ```
 */
export const region = <A, E, R>(
  first: (fiber: AnyFiber, restore: Restore) => Step<A, E, R>,
  refusal?: (fiber: AnyFiber) => Effect.Effect<A, E, R> | undefined
): Effect.Effect<A, E, R> => {
  const masked = () =>
    Effect.uninterruptibleMask((restore) =>
      Effect.withFiberRuntime<A, E, R>((fiber) => {
        const refused = refusal?.(fiber)
        return refused === undefined ? inRegion(first(fiber, restore), restore) : restore(refused)
      })
    )
  return Effect.withFiberRuntime<A, E, R>((fiber, { runtimeFlags }) => {
    if (!RuntimeFlags.interruptible(runtimeFlags)) return masked()
    if (!Frames.areKnown(fiber)) return Frames.haveBeenSought() ? masked() : Effect.zipRight(Frames.sought, masked())
    // In the same step as what is done first: nothing comes between.
    const refused = refusal?.(fiber)
    if (refused !== undefined) return refused
    const step = first(fiber, Effect.interruptible)
    if (step instanceof Outside) return step.enteredBy(fiber)
    Frames.enter(fiber)
    return step
  })
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

/** Runs the effect with a reference set, as `Effect.provideService` does, in one step. */
export const withReference = <A, E, R, I, S>(
  self: Effect.Effect<A, E, R>,
  reference: Context.Reference<I, S>,
  value: S
): Effect.Effect<A, E, R> =>
  region<A, E, R>((fiber, restore) => {
    const { currentContext: before } = fiber
    const putBack = setReference(fiber, reference, value)
    if (putBack !== undefined) {
      return outside(self, (exit) => {
        putBack()
        return exit
      })
    }
    const within = FiberRef.set(FiberRef.currentContext, Context.add(before, reference, value))
    return Effect.flatMap(within, () =>
      onEnd(restore(self), (exit) => Effect.zipRight(FiberRef.set(FiberRef.currentContext, before), exit))
    )
  })
