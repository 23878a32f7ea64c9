/** What the order of a bulkhead and a timeout decides: whether waiting in line is part of the limit. */
import { Bulkhead, Policy, Timeout } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, TestClock } from "effect"
import { Dependency } from "../support/Dependency.js"
import { begin, ended, failureOf } from "../support/Passing.js"

const parts = Effect.all({
  bulkhead: Bulkhead.make("bulkhead", { maxConcurrent: 1, maxQueue: 5 }),
  timeout: Timeout.make("timeout", { duration: "1 second" })
})

describe("bulkhead outside, timeout inside", () => {
  it.scoped("the wait in line is not part of the limit", () =>
    Effect.gen(function* () {
      const { bulkhead, timeout } = yield* parts
      const payment = new Dependency()
      const policy = Policy.all(bulkhead, timeout)
      yield* begin(bulkhead.protect(Effect.sleep("5 seconds")))
      const waiting = yield* begin(policy.protect(payment.ask(Effect.sleep("900 millis"))))
      yield* TestClock.adjust("5 seconds")
      expect(payment.asked).toBe(1)
      yield* TestClock.adjust("900 millis")
      expect(yield* ended(waiting)).toEqual(Exit.void)
    })
  )

  it.scoped("what times out gives its permit to the next in line", () =>
    Effect.gen(function* () {
      const { bulkhead, timeout } = yield* parts
      const payment = new Dependency()
      const policy = Policy.all(bulkhead, timeout)
      const hanging = yield* begin(policy.protect(payment.hangs()))
      const next = yield* begin(policy.protect(payment.answers()))
      yield* TestClock.adjust("1 second")
      expect(failureOf(yield* ended(hanging))).toMatchObject({ _tag: "TimedOut" })
      expect(yield* ended(next)).toEqual(Exit.succeed("answer"))
      expect([payment.asked, payment.mostRunning]).toEqual([2, 1])
      expect(yield* bulkhead.snapshot).toMatchObject({ active: 0, queued: 0 })
    })
  )
})

describe("timeout outside, bulkhead inside", () => {
  it.scoped("the wait in line is part of the limit, and who reaches it leaves the line", () =>
    Effect.gen(function* () {
      const { bulkhead, timeout } = yield* parts
      const payment = new Dependency()
      yield* begin(bulkhead.protect(Effect.sleep("5 seconds")))
      const waiting = yield* begin(Policy.all(timeout, bulkhead).protect(payment.answers()))
      expect(yield* bulkhead.snapshot).toMatchObject({ queued: 1 })
      yield* TestClock.adjust("1 second")
      expect(failureOf(yield* ended(waiting))).toMatchObject({ _tag: "TimedOut" })
      expect(yield* bulkhead.snapshot).toMatchObject({ active: 1, queued: 0 })
      expect(payment.asked).toBe(0)
    })
  )

  it.scoped("what is left of it after the wait is for the work", () =>
    Effect.gen(function* () {
      const { bulkhead, timeout } = yield* parts
      const payment = new Dependency()
      yield* begin(bulkhead.protect(Effect.sleep("700 millis")))
      const call = yield* begin(Policy.all(timeout, bulkhead).protect(payment.hangs()))
      yield* TestClock.adjust("1 second")
      expect(failureOf(yield* ended(call))).toMatchObject({ _tag: "TimedOut" })
      expect(payment.asked).toBe(1)
      expect(yield* bulkhead.snapshot).toMatchObject({ active: 0 })
    })
  )
})
