/** What the order of a bulkhead and a retry decides: whether a caller keeps its permit while it waits to try again. */
import { Backoff, Bulkhead, Deadline, Policy, Retry } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import { Unavailable } from "../support/Dependency.js"
import { begin, ended, failureOf } from "../support/Passing.js"
import { play, script } from "../support/Play.js"

const parts = Effect.all({
  bulkhead: Bulkhead.make("bulkhead", { maxConcurrent: 1 }),
  retry: Retry.make("retry", { maxRetries: 2, backoff: Backoff.constant("1 second") }),
  budget: Deadline.make("deadline", "1500 millis")
})

const unavailable = Effect.fail(new Unavailable({}))

describe("bulkhead and retry", () => {
  it.scoped("bulkhead outside: one permit for all attempts and the waits between them", () =>
    Effect.gen(function* () {
      const { bulkhead, retry } = yield* parts
      const payment = script(unavailable)
      const call = yield* begin(Policy.all(bulkhead, retry).protect(payment.call))
      yield* TestClock.adjust("500 millis")
      expect(yield* bulkhead.snapshot).toMatchObject({ active: 1 })
      yield* TestClock.adjust("1500 millis")
      expect(failureOf(yield* ended(call))).toBeInstanceOf(Unavailable)
      expect(payment.at).toEqual([0, 1_000, 2_000])
      expect(yield* bulkhead.snapshot).toMatchObject({ active: 0 })
    })
  )

  it.scoped("bulkhead inside: the permit is free during the waits, and every attempt needs one anew", () =>
    Effect.gen(function* () {
      const { bulkhead, retry } = yield* parts
      const payment = script(unavailable)
      const call = yield* begin(Policy.all(retry, bulkhead).protect(payment.call))
      yield* TestClock.adjust("500 millis")
      expect(yield* bulkhead.snapshot).toMatchObject({ active: 0 })
      yield* begin(bulkhead.protect(Effect.never))
      yield* TestClock.adjust("500 millis")
      // Refused in its second attempt, and a refusal is not repeated.
      expect(failureOf(yield* ended(call))).toMatchObject({ _tag: "BulkheadFull" })
      expect(payment.at).toEqual([0])
    })
  )
})

describe("deadline and retry", () => {
  it.scoped("deadline outside: no wait that would outlast the budget is begun", () =>
    Effect.gen(function* () {
      const { budget, retry } = yield* parts
      const payment = script(unavailable)
      const played = yield* play(Policy.all(budget, retry).protect(payment.call), "1 minute")
      expect(payment.at).toEqual([0, 1_000])
      expect(failureOf(played.exit)).toBeInstanceOf(Unavailable)
      expect(played.at).toBe(1_000)
    })
  )

  it.scoped("deadline inside: each attempt has a budget of its own", () =>
    Effect.gen(function* () {
      const { budget, retry } = yield* parts
      const payment = script(unavailable)
      yield* play(Policy.all(retry, budget).protect(payment.call), "1 minute")
      expect(payment.at).toEqual([0, 1_000, 2_000])
    })
  )
})
