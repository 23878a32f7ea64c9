/** A bulkhead that is resized while calls run and wait, and one that waits for work that ignores interruption. */
import { Bulkhead } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, TestClock } from "effect"
import { Dependency } from "../support/Dependency.js"
import { begin, failureOf } from "../support/Passing.js"
import { shape } from "../support/Play.js"

describe("resize", () => {
  it.scoped("lets the first in line go at once when there is room for more", () =>
    Effect.gen(function* () {
      const bulkhead = yield* Bulkhead.make("reports", { maxConcurrent: 1, maxQueue: 5 })
      const reports = new Dependency()
      const served: Array<number> = []
      const call = (n: number) =>
        bulkhead.protect(
          Effect.zipRight(
            Effect.sync(() => served.push(n)),
            reports.hangs()
          )
        )
      for (const n of [1, 2, 3, 4]) yield* begin(call(n))
      expect(yield* bulkhead.snapshot).toEqual({ active: 1, queued: 3, limit: 1 })
      yield* bulkhead.resize(3)
      yield* TestClock.adjust(1)
      expect(yield* bulkhead.snapshot).toEqual({ active: 3, queued: 1, limit: 3 })
      expect([served, reports.running]).toEqual([[1, 2, 3], 3])
    })
  )

  it.scoped("ends no call when there is room for fewer, and lets nobody in before fewer run", () =>
    Effect.gen(function* () {
      const bulkhead = yield* Bulkhead.make("reports", { maxConcurrent: 3, maxQueue: 5 })
      const reports = new Dependency()
      const running = [yield* begin(bulkhead.protect(reports.hangs()))]
      for (let more = 0; more < 2; more++) running.push(yield* begin(bulkhead.protect(reports.hangs())))
      const waiting = yield* begin(bulkhead.protect(reports.answers()))
      yield* bulkhead.resize(1)
      expect(yield* bulkhead.snapshot).toEqual({ active: 3, queued: 1, limit: 1 })
      for (const left of [2, 1]) {
        yield* Fiber.interrupt(running.pop() ?? waiting)
        expect(yield* bulkhead.snapshot).toEqual({ active: left, queued: 1, limit: 1 })
      }
      yield* Fiber.interrupt(running.pop() ?? waiting)
      expect(yield* Fiber.await(waiting)).toEqual(Exit.succeed("answer"))
      expect(yield* bulkhead.snapshot).toEqual({ active: 0, queued: 0, limit: 1 })
      expect([reports.asked, reports.mostRunning]).toEqual([4, 3])
    })
  )

  it.scoped("refuses a size that lets nobody in, and leaves the limit as it was", () =>
    Effect.gen(function* () {
      const bulkhead = yield* Bulkhead.make("reports", { maxConcurrent: 2 })
      for (const size of [0, 1.5, Number.NaN]) {
        const { defects } = { defects: [], ...shape(yield* Effect.exit(bulkhead.resize(size))) }
        expect(String(defects[0])).toContain(`maxConcurrent is ${size}, but must be a whole number from 1`)
      }
      expect(yield* bulkhead.snapshot).toMatchObject({ limit: 2 })
    })
  )
})

describe('a call with hold: "settled"', () => {
  /** A Promise that nobody can stop, and what settles it. */
  const stubborn = Effect.map(Deferred.make<string>(), (settled) => ({
    settled,
    work: Effect.promise(() => Effect.runPromise(Deferred.await(settled)))
  }))

  it.scoped("keeps its permit until a Promise that ignores its signal has settled, though its caller went", () =>
    Effect.gen(function* () {
      const bulkhead = yield* Bulkhead.make("reports", { maxConcurrent: 1 })
      const { settled, work } = yield* stubborn
      const call = yield* begin(work.pipe(Bulkhead.protect(bulkhead, { hold: "settled" })))
      expect(Exit.isInterrupted(yield* Fiber.interrupt(call))).toBe(true)
      expect(yield* bulkhead.snapshot).toMatchObject({ active: 1 })
      expect(failureOf(yield* Effect.exit(bulkhead.protect(Effect.void)))).toBeInstanceOf(Bulkhead.BulkheadFull)
      yield* Deferred.succeed(settled, "late")
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      expect(yield* bulkhead.snapshot).toMatchObject({ active: 0 })
    })
  )

  it.scoped("without it has the permit back while the Promise still runs", () =>
    Effect.gen(function* () {
      const bulkhead = yield* Bulkhead.make("reports", { maxConcurrent: 1 })
      const { work } = yield* stubborn
      const call = yield* begin(bulkhead.protect(work))
      yield* Fiber.interrupt(call)
      expect(yield* bulkhead.snapshot).toMatchObject({ active: 0 })
    })
  )

  it.scoped("answers as any other, and gives its permit back once: value, error, defect", () =>
    Effect.gen(function* () {
      const bulkhead = yield* Bulkhead.make("reports", { maxConcurrent: 1 })
      const settled = Bulkhead.protect(bulkhead, { hold: "settled" })
      for (const end of [Effect.succeed("paid"), Effect.fail("declined"), Effect.die("a bug")]) {
        expect(shape(yield* Effect.exit(settled(end)))).toEqual(shape(yield* Effect.exit(end)))
        expect(yield* bulkhead.snapshot).toMatchObject({ active: 0 })
      }
    })
  )

  it.scoped("is not begun by a caller that is interrupted while it waits for its turn", () =>
    Effect.gen(function* () {
      const bulkhead = yield* Bulkhead.make("reports", { maxConcurrent: 1, maxQueue: 1 })
      const reports = new Dependency()
      const first = yield* begin(bulkhead.protect(Effect.never))
      const second = yield* begin(reports.answers().pipe(Bulkhead.protect(bulkhead, { hold: "settled" })))
      yield* Fiber.interrupt(second)
      yield* Fiber.interrupt(first)
      expect([reports.asked, yield* bulkhead.snapshot]).toEqual([0, { active: 0, queued: 0, limit: 1 }])
    })
  )
})
