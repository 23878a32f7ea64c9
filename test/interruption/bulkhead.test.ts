import { Bulkhead } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { Dependency } from "../support/Dependency.js"
import { atEveryPoint, count, interruptedAt, stepping, takeTurns } from "../support/InterruptionPoints.js"

const idle = { active: 0, queued: 0 }

const making = (options: Partial<Bulkhead.Options>) => Bulkhead.make("reports", { maxConcurrent: 1, ...options })

/** Begins a call, which gets as far as it comes. */
const begin = <A, E, R>(call: Effect.Effect<A, E, R>) =>
  Effect.tap(Effect.fork(call), () => Effect.repeatN(Effect.yieldNow(), 20))

/** Work of a few steps. */
const work = Effect.gen(function* () {
  for (let step = 0; step < 3; step++) yield* Effect.yieldNow()
})

describe("a call interrupted on its way in, while it runs, or on its way out", () => {
  it.scopedLive("gives its permit back once, wherever it was", () =>
    Effect.gen(function* () {
      const bulkhead = yield* making({})
      const reports = new Dependency()
      const seen = new Set<string>()
      yield* atEveryPoint((point) =>
        Effect.gen(function* () {
          const asked = reports.asked
          const exit = yield* interruptedAt(point, bulkhead.protect(reports.ask(work)), Effect.void)
          seen.add(`${reports.asked === asked ? "not begun" : "begun"}, ${exit._tag}`)
          expect([point, yield* bulkhead.snapshot]).toEqual([point, { ...idle, limit: 1 }])
        })
      )
      expect(yield* bulkhead.protect(Effect.succeed("through"))).toBe("through")
      expect(reports.running).toBe(0)
      expect(seen).toEqual(new Set(["not begun, Failure", "begun, Failure", "begun, Success"]))
    })
  )
})

describe("a call interrupted in line", () => {
  for (const [name, options] of [
    ["without a limit to the wait", { maxQueue: 2 }],
    ["with a limit to the wait", { maxQueue: 2, maxWait: "1 hour" }]
  ] as const) {
    it.scopedLive(`leaves it, ${name}`, () =>
      Effect.gen(function* () {
        const bulkhead = yield* making(options)
        const holder = yield* begin(bulkhead.protect(Effect.never))
        const reports = new Dependency()
        yield* atEveryPoint((point) =>
          Effect.gen(function* () {
            const exit = yield* interruptedAt(point, bulkhead.protect(reports.ask(work)), Effect.void)
            expect(Exit.isInterrupted(exit)).toBe(true)
            expect([point, yield* bulkhead.snapshot]).toEqual([point, { active: 1, queued: 0, limit: 1 }])
          })
        )
        yield* Fiber.interrupt(holder)
        expect(reports.asked).toBe(0)
        expect(yield* bulkhead.snapshot).toMatchObject(idle)
      })
    )

    it.scopedLive(`passes on a permit that it was handed in the last moment, ${name}`, () =>
      Effect.gen(function* () {
        const bulkhead = yield* making(options)
        const reports = new Dependency()
        const next = new Dependency()
        const seen = new Set<string>()
        yield* atEveryPoint((point) =>
          Effect.gen(function* () {
            const holder = yield* Effect.fork(bulkhead.protect(Effect.never))
            yield* Effect.yieldNow()
            const asked = reports.asked
            const after = yield* Effect.fork(
              Effect.zipRight(Effect.yieldNow(), Effect.zipRight(Effect.yieldNow(), bulkhead.protect(next.ask(work))))
            )
            const meanwhile = Effect.gen(function* () {
              for (let turn = 0; turn < 6; turn++) yield* Effect.yieldNow()
              yield* Fiber.interruptFork(holder)
            })
            const exit = yield* interruptedAt(point, bulkhead.protect(reports.ask(work)), meanwhile)
            seen.add(`${reports.asked === asked ? "not begun" : "begun"}, ${exit._tag}`)
            expect(yield* Fiber.join(after)).toBeUndefined()
            expect([point, yield* bulkhead.snapshot]).toEqual([point, { ...idle, limit: 1 }])
          })
        )
        expect(next.asked).toBe(count)
        expect(seen.has("not begun, Failure")).toBe(true)
        expect(seen.has("begun, Failure")).toBe(true)
      })
    )
  }

  it.scopedLive("is let through by a permit that comes free while it is still on its way into the line", () =>
    Effect.gen(function* () {
      const bulkhead = yield* making({ maxQueue: 1 })
      const reports = new Dependency()
      yield* atEveryPoint((point) =>
        Effect.gen(function* () {
          const holder = yield* begin(bulkhead.protect(Effect.never))
          const call = yield* Effect.fork(stepping(point, bulkhead.protect(reports.answers())))
          yield* takeTurns(point)
          yield* Fiber.interruptFork(holder)
          expect(yield* Fiber.join(call)).toBe("answer")
        })
      )
      expect(reports.asked).toBe(count)
      expect(yield* bulkhead.snapshot).toMatchObject(idle)
    })
  )

  it.scopedLive("lets those behind it through, whoever leaves and whenever", () =>
    Effect.gen(function* () {
      const bulkhead = yield* making({ maxQueue: 10 })
      const reports = new Dependency()
      for (const leavers of [[0], [4], [0, 1], [1, 3], [0, 4], [0, 1, 2, 3], [4, 3, 2, 1, 0], []]) {
        const holder = yield* begin(bulkhead.protect(Effect.never))
        const asked = reports.asked
        const waiting = yield* Effect.forEach([0, 1, 2, 3, 4], () => Effect.fork(bulkhead.protect(reports.answers())))
        yield* begin(Effect.void)
        expect(yield* bulkhead.snapshot).toMatchObject({ queued: 5 })
        // All of them in one go with the holder, so that the permit is handed to some that are on their way out.
        const leaving = waiting.filter((_, place) => leavers.includes(place))
        yield* Fiber.interruptAll([holder, ...leaving])
        const exits = yield* Effect.forEach(waiting, Fiber.await)
        expect(exits.filter(Exit.isSuccess).length).toBe(reports.asked - asked)
        expect(exits.filter(Exit.isSuccess).length).toBeGreaterThanOrEqual(5 - leavers.length)
        expect(yield* bulkhead.snapshot).toMatchObject(idle)
      }
    })
  )
})
