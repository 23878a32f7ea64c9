/** A bulkhead with a line that holds everybody, against Effect's own semaphore: the same callers fare the same. */
import { Bulkhead } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { type Caller, type Ending, visit } from "../support/Crowd.js"
import { Dice } from "../support/Dice.js"
import { VirtualClock } from "../support/VirtualClock.js"

/**
 * Nobody comes, gives up or ends at the moment of another: who is first then, the semaphore does not say. Callers come at
 * moments that are their name modulo the size of the crowd, work multiples of it, and give up half a millisecond off.
 */
const apart = (seed: number, size: number): ReadonlyArray<Caller> => {
  const dice = new Dice(seed)
  return Array.from({ length: size }, (_, name) => {
    const comesAt = name + 1 + size * dice.between(0, 4)
    const givesUpAt = dice.happens(0.4) ? comesAt + size * dice.between(0, 8) + 0.5 : undefined
    return { name, comesAt, works: size * dice.between(1, 3) + name / 1_000, givesUpAt }
  })
}

/** Only what can be compared: fiber ids differ. */
const fate = ({ beganAt, caller, exit }: Ending) => ({
  name: caller.name,
  beganAt,
  ended: Exit.isSuccess(exit) ? "served" : Exit.isInterrupted(exit) ? "gave up" : "failed"
})

describe("a bulkhead of n", () => {
  for (const limit of [1, 2, 3, 7]) {
    it.scopedLive(`serves whom a semaphore of ${limit} serves, and when`, () =>
      Effect.gen(function* () {
        for (let seed = 1; seed <= 6; seed++) {
          const callers = apart(seed * 100 + limit, 30)
          const bulkhead = yield* Bulkhead.make("reports", { maxConcurrent: limit, maxQueue: 1_000 })
          const semaphore = Effect.unsafeMakeSemaphore(limit)
          const ours = yield* visit(new VirtualClock(), callers, (work) => bulkhead.protect(work))
          const stock = yield* visit(new VirtualClock(), callers, semaphore.withPermits(1))
          expect([seed, ours.map(fate)]).toEqual([seed, stock.map(fate)])
          expect(new Set(ours.map((ending) => fate(ending).ended))).toEqual(new Set(["served", "gave up"]))
        }
      })
    )

    it.scopedLive(`without a line serves whom a semaphore of ${limit} would serve at once`, () =>
      Effect.gen(function* () {
        for (let seed = 1; seed <= 6; seed++) {
          const callers = apart(seed * 100 + limit, 30)
          const bulkhead = yield* Bulkhead.make("reports", { maxConcurrent: limit })
          const semaphore = Effect.unsafeMakeSemaphore(limit)
          const ours = yield* visit(new VirtualClock(), callers, (work) => bulkhead.protect(work))
          const stock = yield* visit(new VirtualClock(), callers, (work) =>
            Effect.flatten(semaphore.withPermitsIfAvailable(1)(work))
          )
          expect([seed, ours.map(fate)]).toEqual([seed, stock.map(fate)])
          expect(ours.map((ending) => fate(ending).ended)).toContain("failed")
        }
      })
    )
  }
})
