/** Ten thousand callers at a bulkhead of a hundred, a random half of whom are interrupted at random moments. */
import { Bulkhead } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, FiberId } from "effect"
import { Dice } from "../support/Dice.js"

const callers = 10_000
const limit = 100
/** A few where all tests run; continuous integration asks for thirty. */
const storms = Number(process.env["STORMS"] ?? 5)

const storm = (seed: number) =>
  Effect.gen(function* () {
    const dice = new Dice(seed)
    const bulkhead = yield* Bulkhead.make("reports", { maxConcurrent: limit, maxQueue: callers })
    const gate = yield* Deferred.make<void>()
    const served: Array<number> = []
    let running = 0
    let most = 0
    const work = (caller: number, turns: number) =>
      Effect.suspend(() => {
        served.push(caller)
        most = Math.max(most, ++running)
        return Effect.ensuring(
          Effect.zipRight(Deferred.await(gate), Effect.repeatN(Effect.yieldNow(), turns)),
          Effect.sync(() => running--)
        )
      })
    const fibers: Array<Fiber.RuntimeFiber<void, Bulkhead.BulkheadFull>> = []
    for (let caller = 0; caller < callers; caller++) {
      fibers.push(yield* Effect.fork(bulkhead.protect(work(caller, dice.between(0, 3)))))
    }
    // The first of them work until some of those who wait have given up, the others a turn or a few.
    const opens = dice.between(0, callers / 2)
    for (const [place, fiber] of fibers.entries()) {
      if (place === opens) yield* Deferred.succeed(gate, undefined)
      if (dice.happens(0.5)) fiber.unsafeInterruptAsFork(FiberId.none)
      if (dice.happens(0.02)) yield* Effect.yieldNow()
    }
    const exits = yield* Effect.forEach(fibers, Fiber.await)
    return { exits, served, most, after: yield* bulkhead.snapshot }
  })

describe(`${storms} storms`, () => {
  it.scopedLive("leave every permit back, the line empty, and everybody served in the order of arrival", () =>
    Effect.gen(function* () {
      let inLine = 0
      let atWork = 0
      for (let seed = 1; seed <= storms; seed++) {
        const { after, exits, most, served } = yield* storm(seed)
        expect(after).toEqual({ active: 0, queued: 0, limit })
        expect(most).toBe(limit)
        expect(served.every((caller, place) => place === 0 || caller > (served[place - 1] ?? 0))).toBe(true)
        const begun = new Set(served)
        const unserved = exits.filter((exit, caller) => Exit.isSuccess(exit) && !begun.has(caller))
        const otherwise = exits.filter((exit) => Exit.isFailure(exit) && !Exit.isInterrupted(exit))
        expect([...unserved, ...otherwise]).toEqual([])
        const gaveUp = exits.flatMap((exit, caller) => (Exit.isFailure(exit) ? [begun.has(caller)] : []))
        atWork += gaveUp.filter((hadBegun) => hadBegun).length
        inLine += gaveUp.filter((hadBegun) => !hadBegun).length
      }
      expect(inLine).toBeGreaterThan(storms * 1000)
      expect(atWork).toBeGreaterThan(storms)
    })
  )
})
