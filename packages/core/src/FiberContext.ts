/**
 * The context of a fiber, written in the step in which the fiber is: by an effect each write is a step of its own, and so is
 * putting back what was there, which copies all references of the fiber once more.
 *
 * With `Frames` and `SameFiber` one of the three places that use what Effect's runtime does not publish, and only of fibers
 * that `Frames` knows.
 */
import { Context, type FiberId, FiberRef, FiberRefs, Predicate } from "effect"
import type { AnyFiber } from "./FiberTime.js"
import * as Frames from "./Frames.js"

interface Writable extends AnyFiber {
  readonly _fiberRefs: FiberRefs.FiberRefs
  readonly setFiberRef: <A>(ref: FiberRef.FiberRef<A>, value: A) => void
  readonly setFiberRefs: (refs: FiberRefs.FiberRefs) => void
}

/** Not where requests are batched: what comes after may run in another fiber, in which nothing would be put back. */
const isWritable = (fiber: AnyFiber): fiber is Writable =>
  Frames.areKnown(fiber) &&
  "_steps" in fiber &&
  Array.isArray(fiber._steps) &&
  fiber._steps.length === 0 &&
  "_fiberRefs" in fiber &&
  Predicate.hasProperty(fiber._fiberRefs, FiberRefs.FiberRefsSym) &&
  "setFiberRef" in fiber &&
  Predicate.isFunction(fiber.setFiberRef) &&
  "setFiberRefs" in fiber &&
  Predicate.isFunction(fiber.setFiberRefs)

/**
 * As `FiberRefs.updateAs`, without looking whether the context is the same as before, which compares all that is in it, and
 * with what the fiber itself has written known by its identity.
 */
const withContext = (refs: FiberRefs.FiberRefs, id: FiberId.Runtime, context: Context.Context<never>) => {
  const locals = new Map(refs.locals)
  const written: readonly [FiberId.Single, unknown] = [id, context]
  const [last, ...before] = locals.get(FiberRef.currentContext) ?? []
  const others = last === undefined ? [] : last[0] === id ? before : [last, ...before]
  return FiberRefs.unsafeMake(locals.set(FiberRef.currentContext, [written, ...others]))
}

/**
 * Sets a reference of the context from now on, and gives what puts the context back; undefined, and nothing is set, where
 * that takes an effect.
 */
export const setReference = <I, S>(
  fiber: AnyFiber,
  reference: Context.Reference<I, S>,
  value: S
): (() => void) | undefined => {
  if (!isWritable(fiber)) return undefined
  const { _fiberRefs: refs, currentContext: context } = fiber
  const set = withContext(refs, fiber.id(), Context.add(context, reference, value))
  fiber.setFiberRefs(set)
  return () => {
    // Nothing else was written meanwhile: all is as it was.
    if (fiber._fiberRefs === set) fiber.setFiberRefs(refs)
    else fiber.setFiberRef(FiberRef.currentContext, context)
  }
}
