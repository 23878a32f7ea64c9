import { Bulkhead, Outcome, Timeout } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Cause, type Duration, Effect, Exit, Fiber, TestClock } from "effect"
import { Declined, Dependency } from "../support/Dependency.js"
import { HandClock } from "../support/HandClock.js"
import { Listener } from "../support/Listener.js"
import { begin, during, ended, failureOf } from "../support/Passing.js"

const idle = { active: 0, queued: 0 }

describe("without a line", () => {
  it.scoped("lets so many run at a time, and refuses the next without asking the dependency", () =>
    Effect.gen(function* () {
      const bulkhead = yield* Bulkhead.make("reports", { maxConcurrent: 2 })
      const reports = new Dependency()
      const call = bulkhead.protect(reports.hangs())
      yield* begin(Effect.all([call, call], { concurrency: "unbounded" }))
      const refused = yield* Effect.flip(call)
      expect(refused).toBeInstanceOf(Bulkhead.BulkheadFull)
      expect(refused).toMatchObject({ _tag: "BulkheadFull", policy: "reports", limit: 2, queued: 0, reason: "full" })
      expect(refused.message).toBe(
        'All 2 permits of "reports" are taken, 0 wait; this call was refused: use a fallback'
      )
      expect(reports.asked).toBe(2)
      expect(yield* bulkhead.snapshot).toEqual({ active: 2, queued: 0, limit: 2 })
    })
  )

  it.scoped(
    "has its permits back after a value, an error, a defect and an interruption, which reach the caller as they are",
    () =>
      Effect.gen(function* () {
        const bulkhead = yield* Bulkhead.make("reports", { maxConcurrent: 1 })
        const value = { id: 1 }
        const error = new Declined({ reason: "no funds" })
        expect(yield* bulkhead.protect(Effect.succeed(value))).toBe(value)
        expect(yield* Effect.flip(bulkhead.protect(Effect.fail(error)))).toBe(error)
        expect(yield* Effect.exit(bulkhead.protect(Effect.die("a bug")))).toEqual(Exit.failCause(Cause.die("a bug")))
        const interrupted = yield* begin(bulkhead.protect(Effect.never))
        expect(yield* bulkhead.snapshot).toMatchObject({ active: 1 })
        expect(Exit.isInterrupted(yield* Fiber.interrupt(interrupted))).toBe(true)
        expect(yield* bulkhead.snapshot).toMatchObject(idle)
      })
  )

  it.scoped("keeps a permit until the finalizers of an interrupted call have run", () =>
    Effect.gen(function* () {
      const bulkhead = yield* Bulkhead.make("reports", { maxConcurrent: 1 })
      const slowToEnd = Effect.onInterrupt(Effect.never, () => Effect.sleep("3 seconds"))
      const call = yield* begin(bulkhead.protect(slowToEnd))
      yield* Fiber.interruptFork(call)
      yield* TestClock.adjust("2999 millis")
      expect(yield* bulkhead.snapshot).toMatchObject({ active: 1 })
      yield* TestClock.adjust("1 millis")
      expect(yield* bulkhead.snapshot).toMatchObject(idle)
    })
  )

  it.scoped("keeps a permit for work that a disconnecting timeout inside has abandoned", () =>
    Effect.gen(function* () {
      const bulkhead = yield* Bulkhead.make("reports", { maxConcurrent: 1 })
      const timeout = yield* Timeout.make("reports", { duration: "1 second", mode: "disconnect" })
      const deaf = Effect.uninterruptible(Effect.sleep("5 seconds"))
      const exit = yield* during("1 second", bulkhead.protect(timeout.protect(deaf)))
      expect(failureOf(exit)).toMatchObject({ _tag: "TimedOut" })
      yield* TestClock.adjust("3999 millis")
      expect(yield* bulkhead.snapshot).toMatchObject({ active: 1 })
      yield* TestClock.adjust("1 millis")
      expect(yield* bulkhead.snapshot).toMatchObject(idle)
    })
  )

  it.scoped("refuses with an error that says nothing of the dependency, and is never repeated", () =>
    Effect.gen(function* () {
      const bulkhead = yield* Bulkhead.make("reports", { maxConcurrent: 1 })
      const refused = yield* bulkhead.protect(Effect.flip(bulkhead.protect(Effect.void)))
      expect(Outcome.classify(Exit.fail(refused))).toEqual(Outcome.ignored())
      expect(Outcome.isRejection(refused)).toBe(true)
    })
  )

  it.scoped("reports its refusals", () => {
    const listener = new Listener()
    return Effect.gen(function* () {
      const bulkhead = yield* Bulkhead.make("reports", { maxConcurrent: 1 })
      yield* TestClock.adjust("7 millis")
      yield* bulkhead.protect(Effect.flip(bulkhead.protect(Effect.void)))
      expect(listener.events).toEqual([
        { _tag: "CallRejected", policy: "reports", at: 7, by: "bulkhead", retryAfter: undefined }
      ])
    }).pipe(listener.hear)
  })

  it.scoped("is applied before or after the effect alike", () =>
    Effect.gen(function* () {
      const bulkhead = yield* Bulkhead.make("reports", { maxConcurrent: 1 })
      const seen = Effect.map(bulkhead.snapshot, ({ active }) => active)
      expect(yield* seen.pipe(Bulkhead.protect(bulkhead))).toBe(1)
      expect(yield* Bulkhead.protect(seen, bulkhead)).toBe(1)
      expect(yield* seen.pipe(bulkhead.protect)).toBe(1)
    })
  )
})

describe("the line", () => {
  /** A bulkhead of one whose permit is taken for `busy`, and callers that write down in which order they run. */
  const busyFor = (busy: Duration.DurationInput, options: Omit<Bulkhead.Options, "maxConcurrent">) =>
    Effect.gen(function* () {
      const bulkhead = yield* Bulkhead.make("reports", { maxConcurrent: 1, ...options })
      const ran: Array<string> = []
      const caller = (name: string, lasts: Duration.DurationInput = "1 second") =>
        begin(
          bulkhead.protect(
            Effect.zipRight(
              Effect.sync(() => ran.push(name)),
              Effect.sleep(lasts)
            )
          )
        )
      yield* begin(bulkhead.protect(Effect.sleep(busy)))
      return { bulkhead, caller, ran }
    })

  it.scoped("is served first come, first served, one for each permit that comes free", () =>
    Effect.gen(function* () {
      const { bulkhead, caller, ran } = yield* busyFor("1 second", { maxQueue: 10 })
      for (const name of ["a", "b", "c", "d"]) yield* caller(name)
      expect(yield* bulkhead.snapshot).toEqual({ active: 1, queued: 4, limit: 1 })
      yield* TestClock.adjust("999 millis")
      expect(ran).toEqual([])
      yield* TestClock.adjust("1 millis")
      expect(ran).toEqual(["a"])
      yield* TestClock.adjust("2 seconds")
      expect(ran).toEqual(["a", "b", "c"])
      yield* TestClock.adjust("2 seconds")
      expect(ran).toEqual(["a", "b", "c", "d"])
      expect(yield* bulkhead.snapshot).toMatchObject(idle)
    })
  )

  it.scoped("holds `maxQueue`, and refuses who comes after", () =>
    Effect.gen(function* () {
      const { bulkhead, caller } = yield* busyFor("1 second", { maxQueue: 2 })
      yield* caller("a")
      yield* caller("b")
      const refused = failureOf(yield* Effect.exit(bulkhead.protect(Effect.void)))
      expect(refused).toMatchObject({ _tag: "BulkheadFull", limit: 1, queued: 2, reason: "full" })
      yield* TestClock.adjust("1 second")
      yield* caller("c")
      expect(yield* bulkhead.snapshot).toEqual({ active: 1, queued: 2, limit: 1 })
    })
  )

  it.scoped("is overtaken by nobody: a permit that comes free in the same moment is the first's already", () =>
    Effect.gen(function* () {
      const bulkhead = yield* Bulkhead.make("reports", { maxConcurrent: 1, maxQueue: 1 })
      const ran: Array<string> = []
      // Gives its permit back and asks for another in one go, so that nobody runs in between.
      const greedy = Effect.gen(function* () {
        yield* bulkhead.protect(Effect.yieldNow())
        yield* bulkhead.protect(Effect.sync(() => ran.push("greedy again")))
      })
      const patient = bulkhead.protect(Effect.sync(() => ran.push("patient")))
      yield* Effect.all([greedy, patient], { concurrency: "unbounded" })
      expect(ran).toEqual(["patient", "greedy again"])
    })
  )

  it.scoped("is left by a waiter that is interrupted, and the others keep their order", () =>
    Effect.gen(function* () {
      const { bulkhead, caller, ran } = yield* busyFor("1 second", { maxQueue: 10 })
      const waiting = yield* Effect.forEach(["a", "b", "c", "d", "e"], (name) => caller(name))
      for (const place of [0, 2, 4]) {
        const fiber = waiting[place]
        if (fiber !== undefined) expect(Exit.isInterrupted(yield* Fiber.interrupt(fiber))).toBe(true)
      }
      expect(yield* bulkhead.snapshot).toMatchObject({ active: 1, queued: 2 })
      yield* TestClock.adjust("1 minute")
      expect(ran).toEqual(["b", "d"])
      expect(yield* bulkhead.snapshot).toMatchObject(idle)
    })
  )

  it.scoped("is left by a waiter whose `maxWait` has passed, with an error that says so", () =>
    Effect.gen(function* () {
      const { bulkhead, caller, ran } = yield* busyFor("10 seconds", { maxQueue: 10, maxWait: "2 seconds" })
      const a = yield* caller("a")
      yield* TestClock.adjust("1 second")
      const b = yield* caller("b")
      yield* TestClock.adjust("999 millis")
      expect(yield* bulkhead.snapshot).toMatchObject({ queued: 2 })
      yield* TestClock.adjust("1 millis")
      const refused = failureOf(yield* ended(a))
      expect(refused).toMatchObject({ _tag: "BulkheadFull", reason: "waited", limit: 1 })
      expect(refused).toHaveProperty("message", expect.stringContaining("has waited as long as it may"))
      expect(yield* bulkhead.snapshot).toMatchObject({ active: 1, queued: 1 })
      yield* TestClock.adjust("1 second")
      expect(failureOf(yield* ended(b))).toMatchObject({ reason: "waited" })
      expect(ran).toEqual([])
      yield* TestClock.adjust("10 seconds")
      expect(yield* bulkhead.snapshot).toMatchObject(idle)
    })
  )

  it.scoped("ends for nobody in the moment in which the permit comes, whichever of the two is seen first", () => {
    const listener = new Listener()
    return Effect.gen(function* () {
      for (const order of ["first asleep first", "last asleep first"] as const) {
        const clock = new HandClock()
        const bulkhead = yield* Bulkhead.make("reports", { maxConcurrent: 1, maxQueue: 1, maxWait: "1 second" })
        yield* clock.begin(bulkhead.protect(Effect.sleep("1 second")))
        const waiting = yield* clock.begin(bulkhead.protect(Effect.succeed("through")))
        yield* clock.advance(1_000, order)
        expect(yield* Fiber.await(waiting)).toEqual(Exit.succeed("through"))
        expect(yield* bulkhead.snapshot).toMatchObject(idle)
      }
      expect(listener.events).toEqual([])
    }).pipe(listener.hear)
  })

  it.scoped("is waited in for as long as the caller lets it where there is no `maxWait`", () =>
    Effect.gen(function* () {
      const { caller, ran } = yield* busyFor("20 days", { maxQueue: 1 })
      yield* caller("a")
      yield* TestClock.adjust("20 days")
      expect(ran).toEqual(["a"])
    })
  )

  it.scoped("lets the work run to its own end: `maxWait` is for the wait alone", () =>
    Effect.gen(function* () {
      const { caller, ran } = yield* busyFor("1 second", { maxQueue: 1, maxWait: "2 seconds" })
      const a = yield* caller("a", "1 hour")
      yield* TestClock.adjust("1 hour")
      yield* TestClock.adjust("1 second")
      expect(yield* ended(a)).toEqual(Exit.void)
      expect(ran).toEqual(["a"])
    })
  )
})
