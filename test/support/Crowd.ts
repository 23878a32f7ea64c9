/** Many callers who come, and some of whom give up, at random moments of virtual time. The same seed, the same crowd. */
import { Effect, type Exit, Fiber } from "effect"
import { Dice } from "./Dice.js"
import type { VirtualClock } from "./VirtualClock.js"

export interface Caller {
  readonly name: number
  readonly comesAt: number
  /** How long its work takes. */
  readonly works: number
  /** When it gives up, if it does. */
  readonly givesUpAt: number | undefined
}

/** What became of a caller. */
export interface Ending {
  readonly caller: Caller
  /** When its work began, if it did. */
  readonly beganAt: number | undefined
  readonly exit: Exit.Exit<void, unknown>
}

/** A crowd within `span` milliseconds, half of which gives up within as many again. */
export const crowd = (seed: number, size: number, span: number): ReadonlyArray<Caller> => {
  const dice = new Dice(seed)
  return Array.from({ length: size }, (_, name) => {
    const comesAt = dice.between(1, span)
    const givesUp = dice.happens(0.5)
    return {
      name,
      comesAt,
      works: dice.between(1, 10),
      givesUpAt: givesUp ? comesAt + dice.between(0, span) : undefined
    }
  }).toSorted((a, b) => a.comesAt - b.comesAt)
}

/**
 * Lets a crowd come to a policy, whoever comes first first, and tells what became of each. `look`, if there is one,
 * is called after each millisecond.
 */
export const visit = <E>(
  clock: VirtualClock,
  callers: ReadonlyArray<Caller>,
  protect: (work: Effect.Effect<void>, caller: Caller) => Effect.Effect<void, E>,
  look?: Effect.Effect<void>
): Effect.Effect<ReadonlyArray<Ending>> =>
  Effect.gen(function* () {
    const began = new Map<Caller, number>()
    const comes = (caller: Caller) => {
      const begins = Effect.sync(() => began.set(caller, clock.unsafeCurrentTimeMillis()))
      return Effect.zipRight(
        Effect.sleep(caller.comesAt),
        protect(Effect.zipRight(begins, Effect.sleep(caller.works)), caller)
      )
    }
    const present = new Set(callers)
    const goes = (caller: Caller) => Effect.sync(() => present.delete(caller))
    const fibers = yield* Effect.forEach(callers, (caller) => Effect.fork(Effect.ensuring(comes(caller), goes(caller))))
    yield* Effect.forEach(callers, ({ givesUpAt }, place) => {
      const fiber = fibers[place]
      if (givesUpAt === undefined || fiber === undefined) return Effect.void
      return Effect.fork(Effect.zipRight(Effect.sleep(givesUpAt), Fiber.interruptFork(fiber)))
    })
    while (present.size > 0) {
      yield* clock.pass(look === undefined ? 1_000 : 1)
      yield* look ?? Effect.void
    }
    return yield* Effect.forEach(callers, (caller, place) => {
      const fiber = fibers[place]
      const ended = fiber === undefined ? Effect.dieMessage("nobody came") : Fiber.await(fiber)
      return Effect.map(ended, (exit) => ({ caller, beganAt: began.get(caller), exit }))
    })
  }).pipe(clock.rule)
