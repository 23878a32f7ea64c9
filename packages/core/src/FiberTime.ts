/**
 * What a decision reads from the fiber it is made in, without an effect of its own: reading the clock and stepping the
 * machine must happen in one synchronous step.
 */
import { Clock, Context, type Effect, type Fiber, Random } from "effect"

/** A fiber, whatever it computes. */
export type AnyFiber = Fiber.RuntimeFiber<unknown, unknown>

/** The services that were asked last, and their clock: finding it costs as much as half of reading it, and it changes seldom. */
let last: { readonly services: AnyFiber["currentDefaultServices"]; readonly clock: Clock.Clock } | undefined

/** The fiber's clock. */
export const clockOf = ({ currentDefaultServices: services }: AnyFiber): Clock.Clock => {
  if (last?.services !== services) last = { services, clock: Context.get(services, Clock.Clock) }
  return last.clock
}

/** The monotonic side of the fiber's clock, in whole milliseconds. A wall clock that is set does not move it. */
export const nowMillis = (fiber: AnyFiber): number => Number(clockOf(fiber).unsafeCurrentTimeNanos() / 1_000_000n)

/** Whether a reference was given a value; its default is found three times as slowly as this. */
export const isProvided = (fiber: AnyFiber, reference: { readonly key: string }): boolean =>
  fiber.currentContext.unsafeMap.has(reference.key)

/** Draws a number in [0, 1) from the fiber's `Random`. */
export const drawn = (fiber: AnyFiber): Effect.Effect<number> =>
  Context.get(fiber.currentDefaultServices, Random.Random).next
