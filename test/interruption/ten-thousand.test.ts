/** Ten thousand callers at a bulkhead of a hundred, a random half of whom are interrupted at random moments. */
import { Bulkhead } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { Dice } from "../support/Dice.js"

const callers = 10_000
const limit = 100
const storms = 30

const storm = (seed: number) =>
  Effect.gen(function* () {
    const dice = new Dice(seed)
    const bulkhead = yield* Bulkhead.make("reports", { maxConcurrent: limit, maxQueue: callers })
    const served: Array<number> = []
    let running = 0
    let most = 0
    const work = (caller: number, turns: number) =>
      Effect.suspend(() => {
        served.push(caller)
        most = Math.max(most, ++running)
        return Effect.ensuring(
          Effect.repeatN(Effect.yieldNow(), turns),
          Effect.sync(() => running--)
        )
      })
    const fibers: Array<Fiber.RuntimeFiber<void, Bulkhead.BulkheadFull>> = []
    for (let caller = 0; caller < callers; caller++) {
      fibers.push(yield* Effect.fork(bulkhead.protect(work(caller, dice.between(0, 60)))))
    }
    for (const fiber of fibers) {
      if (dice.happens(0.5)) yield* Fiber.interruptFork(fiber)
      if (dice.happens(0.02)) yield* Effect.repeatN(Effect.yieldNow(), dice.between(0, 4))
    }
    const exits = yield* Effect.forEach(fibers, Fiber.await)
    return { exits, served, most, after: yield* bulkhead.snapshot }
  })

describe("thirty storms", () => {
  it.scoped("leave every permit back, the line empty, and everybody served in the order of arrival", () =>
    Effect.gen(function* () {
      let inLine = 0
      let atWork = 0
      for (let seed = 1; seed <= storms; seed++) {
        const { after, exits, most, served } = yield* storm(seed)
        expect(after).toEqual({ active: 0, queued: 0, limit })
        expect(most).toBe(limit)
        expect(served).toEqual(served.toSorted((a, b) => a - b))
        const begun = new Set(served)
        expect(begun.size).toBe(served.length)
        exits.forEach((exit, caller) => {
          if (Exit.isSuccess(exit)) return expect(begun.has(caller)).toBe(true)
          expect(Exit.isInterrupted(exit)).toBe(true)
          if (begun.has(caller)) atWork++
          else inLine++
        })
      }
      console.log(inLine, atWork)
      expect(inLine).toBeGreaterThan(storms * 1000)
      expect(atWork).toBeGreaterThan(storms)
    })
  )
})
