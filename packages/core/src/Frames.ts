/**
 * The frames that Effect's runtime puts on the stack of a fiber which enters an uninterruptible region and leaves it for a
 * part of it, so that they can be put there in one step.
 *
 * With `SameFiber` and `FiberContext` one of the three places that use what the runtime does not publish. Nothing is taken
 * for granted: the frames are those that the runtime itself was seen to use, for the kind of fiber it used them for, and only
 * if they do what they are used for. Where they are not found regions are entered by `Effect.uninterruptibleMask`.
 */
import { Effect, Predicate, RuntimeFlags, type RuntimeFlagsPatch } from "effect"
import type { AnyFiber } from "./FiberTime.js"

/** A fiber whose region can be entered from here. */
export interface Enterable extends AnyFiber {
  readonly currentRuntimeFlags: RuntimeFlags.RuntimeFlags
  readonly pushStack: (frame: unknown) => void
  readonly patchRuntimeFlags: (flags: RuntimeFlags.RuntimeFlags, patch: RuntimeFlagsPatch.RuntimeFlagsPatch) => unknown
}

/** A frame that changes the flags of a fiber when it is come to, whether by success or by failure. */
interface Reverting {
  readonly _op: "RevertFlags"
  readonly patch: RuntimeFlagsPatch.RuntimeFlagsPatch
}

interface Known {
  /** What the fibers have in common that use them. */
  readonly prototype: unknown
  /** At the end of the region: from then on the fiber can be interrupted. */
  readonly leaving: Reverting
  /** At the end of the part outside of it: from then on it cannot. */
  readonly returning: Reverting
}

let known: Known | undefined
let wereSought = false

/** Whether they were looked for, found or not. */
export const haveBeenSought = (): boolean => wereSought

/** Whether regions of the fiber can be entered by them. */
export const areKnown = (fiber: AnyFiber): fiber is Enterable =>
  known !== undefined && Object.getPrototypeOf(fiber) === known.prototype

/** Enters a region, in which the fiber then is. */
export const enter = (fiber: Enterable): void => {
  if (known === undefined) return
  fiber.pushStack(known.leaving)
  fiber.patchRuntimeFlags(fiber.currentRuntimeFlags, known.returning.patch)
}

/** Enters a region and leaves it for a part of it, after which `frame` is come to in the region. */
export const enterAround = (fiber: Enterable, frame: unknown): void => {
  if (known === undefined) return
  fiber.pushStack(known.leaving)
  fiber.pushStack(frame)
  fiber.pushStack(known.returning)
}

const isReverting = (u: unknown): u is Reverting =>
  Predicate.hasProperty(u, "_op") && u._op === "RevertFlags" && Predicate.hasProperty(u, "patch")

const { CooperativeYielding, Interruption, OpSupervision, RuntimeMetrics, WindDown } = RuntimeFlags
const others = RuntimeFlags.make(CooperativeYielding, OpSupervision, RuntimeMetrics, WindDown)
const all = RuntimeFlags.enable(others, Interruption)

const isOn = ({ patch }: Reverting): boolean =>
  RuntimeFlags.patch(others, patch) === all &&
  RuntimeFlags.patch(RuntimeFlags.none, patch) === RuntimeFlags.make(Interruption)

const isOff = ({ patch }: Reverting): boolean =>
  RuntimeFlags.patch(all, patch) === others && RuntimeFlags.patch(RuntimeFlags.none, patch) === RuntimeFlags.none

const isEnterable = (fiber: AnyFiber): boolean =>
  "currentRuntimeFlags" in fiber &&
  Predicate.isNumber(fiber.currentRuntimeFlags) &&
  "pushStack" in fiber &&
  Predicate.isFunction(fiber.pushStack) &&
  "patchRuntimeFlags" in fiber &&
  Predicate.isFunction(fiber.patchRuntimeFlags)

/** Looks at the stack of a fiber that has just entered a region, and left it for a part of it, after which is `frame`. */
const look = (fiber: AnyFiber, frame: unknown): void => {
  wereSought = true
  if (!("_stack" in fiber && Array.isArray(fiber._stack) && isEnterable(fiber))) return
  const [leaving, after, returning]: ReadonlyArray<unknown> = fiber._stack.slice(-3)
  if (!isReverting(leaving) || !isOn(leaving) || after !== frame || !isReverting(returning) || !isOff(returning)) return
  known = { prototype: Object.getPrototypeOf(fiber), leaving, returning }
}

/** Looks for them, in a fiber that can be interrupted. */
export const sought: Effect.Effect<void> = Effect.uninterruptibleMask((restore) => {
  const looking = Effect.withFiberRuntime<void>((fiber) => {
    look(fiber, frame)
    return Effect.void
  })
  const frame = Effect.matchCauseEffect(restore(looking), {
    onSuccess: () => Effect.void,
    onFailure: (cause) => Effect.failCause(cause)
  })
  return frame
})
