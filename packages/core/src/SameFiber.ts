/**
 * What a limit reads and changes inside the fiber that it runs in, so that it need not fork the work.
 *
 * With `Frames` and `FiberContext` one of the three places that use what Effect's runtime does not publish: here a fiber's children, its steps
 * of request batching, the values of its references as they are, what it is told, and whose children those are that it
 * forks. All are looked for before they are used; where the first two are not there, nothing here says that a fiber can do
 * it alone.
 */
import { Cause, Effect, Exit, Fiber, FiberId, FiberRef, FiberRefs, GlobalValue, Option, Predicate } from "effect"
import type { AnyFiber } from "./FiberTime.js"
import { Alarm } from "./LiveTimers.js"

/** In the workers of `Effect.all` and the like it names another fiber, whose child becomes what they fork. */
const forkScope = GlobalValue.globalValue(Symbol.for("effect/FiberRef/currentForkScopeOverride"), () =>
  FiberRef.unsafeMake<Option.Option<unknown>>(Option.none())
)

const isFiberRefs = (u: unknown): u is FiberRefs.FiberRefs => Predicate.hasProperty(u, FiberRefs.FiberRefsSym)

/** The values of a fiber's references. What `getFiberRefs` gives is a copy with the runtime's flags in it, made anew. */
const refsOf = (fiber: AnyFiber): FiberRefs.FiberRefs =>
  "_fiberRefs" in fiber && isFiberRefs(fiber._fiberRefs) ? fiber._fiberRefs : fiber.getFiberRefs()

/** Makes what the work forks the children of the fiber that it runs in, who ends them. */
export const withOwnChildren = <A, E, R>(fiber: AnyFiber, self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Option.isNone(fiber.getFiberRef(forkScope)) ? self : Effect.locally(self, forkScope, Option.none())

const isEmpty = (u: unknown): boolean => u === null || (u instanceof Set && u.size === 0)

/** Whether nothing was forked by the fiber that still runs. */
export const isChildless = (fiber: AnyFiber): boolean => "_children" in fiber && isEmpty(fiber._children)

/**
 * Whether the fiber can be interrupted for a part of its work alone. It cannot if it has children, whom an interruption
 * would reach as well; if it is interrupted already, as in a finalizer; or if it batches requests, where what comes after
 * may run in another fiber.
 */
export const canLimitItself = (fiber: AnyFiber): boolean =>
  isChildless(fiber) &&
  "_steps" in fiber &&
  Array.isArray(fiber._steps) &&
  fiber._steps.length === 0 &&
  fiber.getFiberRef(FiberRef.interruptedCause)._tag === "Empty"

/** Whoever has interrupted a fiber since it was listened to. */
interface Heard {
  readonly interruptors: Set<FiberId.FiberId>
  listeners: number
}

const heardBy = new WeakMap<AnyFiber, Heard>()

const interruptorsIn = (message: unknown): Iterable<FiberId.FiberId> =>
  Predicate.isTagged(message, "InterruptSignal") &&
  Predicate.hasProperty(message, "cause") &&
  Cause.isCause(message.cause)
    ? Cause.interruptors(message.cause)
    : []

/**
 * Listens to what interrupts a fiber. Its own memory of that can be lost: a finalizer of a scope puts the values of the
 * fiber's references back to what they were when it began, and that of who has interrupted it is one of them.
 */
const listen = (fiber: AnyFiber): void => {
  const heard = heardBy.get(fiber) ?? { interruptors: new Set(), listeners: 0 }
  heardBy.set(fiber, heard)
  heard.listeners++
  if (heard.listeners > 1 || !("tell" in fiber) || typeof fiber.tell !== "function") return
  const { tell } = fiber
  const value = (message: unknown): void => {
    for (const interruptor of interruptorsIn(message)) heard.interruptors.add(interruptor)
    Reflect.apply(tell, fiber, [message])
  }
  Object.defineProperty(fiber, "tell", { value, configurable: true })
}

/** Listens no longer for a limit, and tells who beside it has interrupted the fiber. */
const listened = (fiber: AnyFiber, limiter: FiberId.FiberId): Iterable<FiberId.FiberId> => {
  const heard = heardBy.get(fiber)
  if (heard === undefined) return []
  heard.interruptors.delete(limiter)
  heard.listeners--
  if (heard.listeners === 0) {
    Reflect.deleteProperty(fiber, "tell")
    heardBy.delete(fiber)
  }
  return heard.interruptors
}

/** By whom a fiber is interrupted, beside a limit that has been reached. */
const interruptedFromOutside = (fiber: AnyFiber, limiter: FiberId.FiberId | undefined): Cause.Cause<never> => {
  const known = fiber.getFiberRef(FiberRef.interruptedCause)
  if (limiter === undefined) return known
  const others = new Set([...Cause.interruptors(known), ...listened(fiber, limiter)])
  others.delete(limiter)
  return [...others].map(Cause.interrupt).reduce(Cause.sequential, Cause.empty)
}

/** The part of a fiber's work that a limit can interrupt, by an alarm or otherwise. */
export class Limitable extends Alarm {
  private readonly refs: FiberRefs.FiberRefs
  /** Whose interruption it is, once the limit was reached. */
  private limiter: FiberId.FiberId | undefined = undefined

  constructor(readonly fiber: AnyFiber) {
    super()
    this.refs = refsOf(fiber)
  }

  /** Whether the limit was reached. */
  get hasRung(): boolean {
    return this.limiter !== undefined
  }

  /** Interrupts the work. */
  override ring(): void {
    this.limiter = FiberId.unsafeMake()
    listen(this.fiber)
    this.fiber.unsafeInterruptAsFork(this.limiter)
  }

  /** Whether the work that ended so was in time and has left nothing behind: then its exit is the answer. */
  isTidy(exit: Exit.Exit<unknown, unknown>): boolean {
    const { fiber } = this
    const untouched = exit._tag === "Success" || refsOf(fiber) === this.refs
    return this.limiter === undefined && untouched && isChildless(fiber)
  }

  /**
   * The answer to the caller once the work has ended, in an uninterruptible region: ends what the work has forked, forgets
   * the interruption by the limit, and what work that failed has changed.
   */
  tidied<A, E, B, E2>(exit: Exit.Exit<A, E>, onLimit: Effect.Effect<B, E2>): Effect.Effect<A | B, E | E2> {
    const { fiber, limiter, refs } = this
    const children = Effect.flatMap(fiber.children, (left) =>
      left.length === 0 ? Effect.void : Fiber.interruptAllAs(left, fiber.id())
    )
    const kept = limiter === undefined && Exit.isSuccess(exit)
    // Who has interrupted the fiber is read and written in one step.
    const restored = Effect.updateFiberRefs((fiberId, now) => {
      const value = interruptedFromOutside(fiber, limiter)
      return FiberRefs.updateAs(kept ? now : refs, { fiberId, fiberRef: FiberRef.interruptedCause, value })
    })
    const answer: Effect.Effect<A | B, E | E2> = limiter === undefined ? exit : onLimit
    return children.pipe(Effect.zipRight(restored), Effect.zipRight(answer))
  }
}
