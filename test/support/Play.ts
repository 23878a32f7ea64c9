/**
 * A dependency that follows a script, and effects played to their end in virtual time. Everything is counted: how often
 * the dependency was asked, when, and what the policies reported.
 */
import type { Telemetry } from "@effect-resilience/core"
import { Cause, Clock, Deferred, type Duration, Effect, Exit, Fiber, Option, TestClock } from "effect"
import { Listener } from "./Listener.js"

export interface Script<A, E, R> {
  /** Asks the dependency. */
  readonly call: Effect.Effect<A, E, R>
  /** When it was asked, in milliseconds. */
  readonly at: ReadonlyArray<number>
}

/** A dependency that gives one answer after the other, the last one for ever. */
export const script = <A, E = never, R = never>(
  ...answers: readonly [Effect.Effect<A, E, R>, ...ReadonlyArray<Effect.Effect<A, E, R>>]
): Script<A, E, R> => {
  const at: Array<number> = []
  const call = Effect.flatMap(Clock.currentTimeMillis, (now) => {
    at.push(now)
    return answers[at.length - 1] ?? answers.at(-1) ?? answers[0]
  })
  return { at, call }
}

export interface Played<A, E> {
  readonly exit: Exit.Exit<A, E>
  /** When it ended, in milliseconds. */
  readonly at: number
  readonly events: ReadonlyArray<Telemetry.Event>
}

/** An effect's value, and the events that were reported. */
export const heard = <A, E, R>(
  self: Effect.Effect<A, E, R>
): Effect.Effect<readonly [A, ReadonlyArray<Telemetry.Event>], E, R> =>
  Effect.suspend(() => {
    const listener = new Listener()
    return Effect.map(listener.hear(self), (value) => [value, listener.events] as const)
  })

/** Begins an effect; `end` is how it ended, once there was time enough. */
export const begin = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const ended = yield* Deferred.make<Played<A, E>>()
    const timed = heard(Effect.zip(Effect.exit(Effect.interruptible(self)), Clock.currentTimeMillis))
    const told = Effect.flatMap(timed, ([[exit, at], events]) => Deferred.succeed(ended, { exit, at, events }))
    const fiber = yield* Effect.fork(Effect.uninterruptible(told))
    return { fiber, end: Deferred.await(ended) }
  })

/** Plays an effect to its end, which must come within `span`. */
export const play = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  span: Duration.DurationInput = "1 day"
): Effect.Effect<Played<A, E>, never, R> =>
  Effect.gen(function* () {
    const { end, fiber } = yield* begin(self)
    yield* TestClock.adjust(span)
    if ((yield* Fiber.poll(fiber))._tag === "None") return yield* Effect.dieMessage("it has not ended in time")
    return yield* end
  })

/** What is known by now: a test that waits for what never comes says less than one that fails. */
export const known = <A, E>(deferred: Deferred.Deferred<A, E>): Effect.Effect<A, E> =>
  Effect.flatMap(
    Deferred.poll(deferred),
    Option.getOrElse(() => Effect.dieMessage("it is not known yet"))
  )

/** How something ended, without what differs from run to run. */
export const shape = (exit: Exit.Exit<unknown, unknown>) =>
  Exit.match(exit, {
    onSuccess: (value) => ({ value }),
    onFailure: (cause) => ({
      errors: [...Cause.failures(cause)],
      defects: [...Cause.defects(cause)],
      interrupted: Cause.isInterrupted(cause)
    })
  })
