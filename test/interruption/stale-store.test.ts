import { Degrade, Fallback } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { Dependency } from "../support/Dependency.js"
import { atEveryTurn } from "../support/EveryTurn.js"
import { settle } from "../support/HandClock.js"
import { atEveryPoint, count, interruptedAt } from "../support/InterruptionPoints.js"

const making = Fallback.stale<string, string, "down">({ capacity: 10, maxAge: "1 hour" })

/** Work of a few steps. */
const work = Effect.gen(function* () {
  for (let step = 0; step < 3; step++) yield* Effect.yieldNow()
  return "fresh"
})

describe("a caller interrupted on its way into a shared run, while it waits, or on its way out", () => {
  it.scopedLive("who is alone leaves no run behind, and what was not finished is not remembered", () =>
    Effect.gen(function* () {
      const seen = new Set<string>()
      yield* atEveryPoint((point) =>
        Effect.gen(function* () {
          const store = yield* making
          const dependency = new Dependency()
          const exit = yield* interruptedAt(point, dependency.ask(work).pipe(store.remember("p1")), Effect.void)
          const { running, size } = yield* store.snapshot
          seen.add(`${dependency.asked === 0 ? "not begun" : "begun"}, ${exit._tag}, ${size} remembered`)
          expect([point, running, dependency.running]).toEqual([point, 0, 0])
          if (Exit.isSuccess(exit)) expect(size).toBe(1)
          expect(yield* store.remember("p1")(Effect.succeed("through"))).toBe("through")
        })
      )
      expect(seen.has("not begun, Failure, 0 remembered")).toBe(true)
      expect(seen.has("begun, Failure, 0 remembered")).toBe(true)
      expect(seen.has("begun, Success, 1 remembered")).toBe(true)
    })
  )

  it.scopedLive("never takes those who wait with it", () =>
    Effect.gen(function* () {
      const dependency = new Dependency()
      let interrupted = 0
      yield* atEveryPoint((point) =>
        Effect.gen(function* () {
          const store = yield* making
          const others: Array<Fiber.RuntimeFiber<string, "down">> = []
          const shared = dependency.ask(work).pipe(store.remember("p1"))
          const join = Effect.map(Effect.fork(shared), (fiber) => void others.push(fiber))
          const exit = yield* interruptedAt(point, shared, join)
          interrupted += Exit.isInterrupted(exit) ? 1 : 0
          expect([point, yield* Effect.forEach(others, Fiber.join)]).toEqual([point, ["fresh"]])
          expect([point, yield* store.snapshot]).toEqual([point, { size: 1, running: 0 }])
        })
      )
      expect(interrupted).toBeGreaterThan(count / 4)
      expect(dependency.running).toBe(0)
      // Had each caller had a run of its own, there would be twice as many as points.
      expect(dependency.asked).toBeLessThan(2 * count)
    })
  )
})

describe("interrupted at every turn", () => {
  it.effect("a chain with a stale tier leaves nothing running", () =>
    Effect.gen(function* () {
      const ends = yield* atEveryTurn((ward) =>
        Effect.map(making, (store) => {
          const ask = (answer: Effect.Effect<string, "down">) =>
            ward.work(answer).pipe(store.remember("p1"), Fallback.primary, store.tier("p1"))
          const effect = Effect.zipRight(ask(work), ask(Effect.zipRight(work, Effect.fail("down" as const))))
          const after = Effect.zipRight(
            settle,
            Effect.map(store.snapshot, ({ running }) => expect(running).toBe(0))
          )
          return { effect, after }
        })
      )
      expect(ends.ended).toBe(1)
      expect(ends.begun).toEqual([0, 1, 2])
    })
  )

  it.effect("an answer of several parts leaves none of them running", () =>
    Effect.gen(function* () {
      const ends = yield* atEveryTurn((ward) =>
        Effect.succeed({
          effect: Degrade.all({
            product: Degrade.critical(ward.work(work)),
            stock: Degrade.important(ward.work(Effect.zipRight(work, Effect.fail("down")))),
            reviews: Degrade.optional(ward.work(work))
          })
        })
      )
      expect(ends.ended).toBe(1)
      expect(ends.begun).toContain(3)
    })
  )
})
