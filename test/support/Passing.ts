/** Calls that go on while virtual time passes. */
import { Cause, Duration, Effect, Exit, Fiber, Option, TestClock } from "effect"

/** The exit of a call that must have ended by now. */
export const ended = <A, E>(fiber: Fiber.RuntimeFiber<A, E>): Effect.Effect<Exit.Exit<A, E>> =>
  Effect.flatMap(
    Fiber.poll(fiber),
    Option.match({ onNone: () => Effect.dieMessage("the call still runs"), onSome: Effect.succeed })
  )

/** Begins a call and lets it get as far as it comes without any time passing. */
export const begin = <A, E, R>(call: Effect.Effect<A, E, R>): Effect.Effect<Fiber.RuntimeFiber<A, E>, never, R> =>
  Effect.tap(Effect.fork(call), () => TestClock.adjust(0))

/** Lets so much time pass while a call goes on, and gives its exit; it must have ended by then. */
export const during = <A, E, R>(
  span: Duration.DurationInput,
  call: Effect.Effect<A, E, R>
): Effect.Effect<Exit.Exit<A, E>, never, R> =>
  Effect.flatMap(Effect.fork(call), (fiber) => Effect.zipRight(TestClock.adjust(span), ended(fiber)))

/** What an exit failed with: its typed error, else its defect, else that it was interrupted. */
export const failureOf = (exit: Exit.Exit<unknown, unknown>): unknown =>
  Exit.match(exit, { onSuccess: (value) => ({ succeededWith: value }), onFailure: Cause.squash })

/** What a refusal says of when to come back, in milliseconds. */
export const retryAfterMillis = (refusal: {
  readonly retryAfter: Option.Option<Duration.Duration>
}): number | undefined => Option.getOrUndefined(Option.map(refusal.retryAfter, Duration.toMillis))
