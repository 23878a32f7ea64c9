/**
 * What a limit reads and changes inside the fiber that it runs in, so that it need not fork the work.
 *
 * The one place that reads what Effect's runtime does not publish: a fiber's children, its steps of request batching, the
 * values of its references as they are, and whose children those are that it forks. All are looked for before they are
 * used; where the first two are not there, nothing here says that a fiber can do it alone.
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

const withoutInterruptor = (cause: Cause.Cause<never>, id: FiberId.FiberId | undefined): Cause.Cause<never> => {
  if (id === undefined) return cause
  const others = [...Cause.interruptors(cause)].filter((other) => other !== id)
  return others.map(Cause.interrupt).reduce(Cause.sequential, Cause.empty)
}

/** The part of a fiber's work that a limit can interrupt, by an alarm or otherwise. */
export class Region extends Alarm {
  private readonly refs: FiberRefs.FiberRefs
  /** Whose interruption it is, once the limit was reached. */
  private limiter: FiberId.FiberId | undefined = undefined

  constructor(readonly fiber: AnyFiber) {
    super()
    this.refs = refsOf(fiber)
  }

  /** Interrupts the work. */
  override ring(): void {
    this.limiter = FiberId.unsafeMake()
    this.fiber.unsafeInterruptAsFork(this.limiter)
  }

  /** The answer to the caller once the work has ended, in an uninterruptible region. */
  end<A, E, B, E2>(exit: Exit.Exit<A, E>, onLimit: Effect.Effect<B, E2>): Effect.Effect<A | B, E | E2> {
    const { fiber } = this
    const untouched = exit._tag === "Success" || refsOf(fiber) === this.refs
    return this.limiter === undefined && untouched && isChildless(fiber) ? exit : this.tidied(exit, onLimit)
  }

  /** Ends what the work has forked, forgets the interruption by the limit, and what work that failed has changed. */
  private tidied<A, E, B, E2>(exit: Exit.Exit<A, E>, onLimit: Effect.Effect<B, E2>): Effect.Effect<A | B, E | E2> {
    const { fiber, limiter, refs } = this
    const children = Effect.flatMap(fiber.children, (left) =>
      left.length === 0 ? Effect.void : Fiber.interruptAllAs(left, fiber.id())
    )
    const answer = Effect.suspend((): Effect.Effect<A | B, E | E2> => {
      const outside = withoutInterruptor(fiber.getFiberRef(FiberRef.interruptedCause), limiter)
      const kept = limiter === undefined && Exit.isSuccess(exit)
      const restored = Effect.updateFiberRefs((fiberId, now) =>
        FiberRefs.updateAs(kept ? now : refs, { fiberId, fiberRef: FiberRef.interruptedCause, value: outside })
      )
      return limiter === undefined ? Effect.zipRight(restored, exit) : Effect.zipRight(restored, onLimit)
    })
    return Effect.zipRight(children, answer)
  }
}
