/** What the order of an adaptive limiter and another policy decides: what it takes for latency, and for a drop. */
import {
  AdaptiveLimiter,
  Backoff,
  Bulkhead,
  CircuitBreaker,
  Deadline,
  Policy,
  Retry,
  Timeout
} from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Option, TestClock } from "effect"
import { Dependency, Unavailable } from "../support/Dependency.js"
import { begin, during, failureOf } from "../support/Passing.js"
import { script } from "../support/Play.js"

const parts = Effect.all({
  // Learns of drops alone, so that its limit tells whether it heard of one.
  limiter: AdaptiveLimiter.make("limiter", { algorithm: "aimd", initial: 10 }),
  // Its baseline is the shortest latency that it heard of.
  vegas: AdaptiveLimiter.make("vegas", { algorithm: "vegas", initial: 10 }),
  retry: Retry.make("retry", { maxRetries: 1, backoff: Backoff.constant("1 second") }),
  breaker: CircuitBreaker.make("breaker", { tripPolicy: CircuitBreaker.consecutive(1), openDuration: "1 hour" }),
  timeout: Timeout.make("timeout", { duration: "1 second" }),
  bulkhead: Bulkhead.make("bulkhead", { maxConcurrent: 1, maxQueue: 1 }),
  budget: Deadline.make("deadline", "1 second")
})

const quick = Effect.sleep("50 millis")
const baseline = (limiter: AdaptiveLimiter.AdaptiveLimiter) =>
  Effect.map(limiter.snapshot, (now) => Option.getOrUndefined(Option.map(now.baseline, Duration.toMillis)))

describe("adaptive limiter and retry", () => {
  it.scoped("retry inside: a wait between attempts is latency; outside: it is not, and holds no permit", () =>
    Effect.gen(function* () {
      for (const [isOutside, inFlight, learned] of [
        [true, 1, 1_050],
        [false, 0, 50]
      ] as const) {
        const { vegas, retry } = yield* parts
        const payment = script(Effect.fail(new Unavailable({})), quick)
        const policy = isOutside ? Policy.all(vegas, retry) : Policy.all(retry, vegas)
        yield* begin(policy.protect(payment.call))
        yield* TestClock.adjust("500 millis")
        expect(yield* vegas.snapshot).toMatchObject({ inFlight })
        yield* TestClock.adjust("1 second")
        expect(payment.at).toHaveLength(2)
        expect(yield* baseline(vegas)).toBe(learned)
      }
    })
  )
})

describe("adaptive limiter and breaker", () => {
  it.scoped("either way round, an open circuit is no sample, and a full limiter no failure", () =>
    Effect.gen(function* () {
      for (const isOutside of [true, false]) {
        const { breaker, vegas, limiter } = yield* parts
        yield* breaker.isolate
        const policy = isOutside ? Policy.all(limiter, breaker) : Policy.all(breaker, limiter)
        expect(failureOf(yield* Effect.exit(policy.protect(Effect.void)))).toMatchObject({ _tag: "CircuitOpen" })
        expect(yield* limiter.snapshot).toMatchObject({ limit: 10, inFlight: 0 })
        yield* breaker.reset
        yield* Effect.replicateEffect(begin(vegas.protect(Effect.never)), 10)
        const full = isOutside ? Policy.all(vegas, breaker) : Policy.all(breaker, vegas)
        expect(failureOf(yield* Effect.exit(full.protect(Effect.void)))).toMatchObject({ _tag: "BulkheadFull" })
        expect(yield* breaker.snapshot).toMatchObject({ state: "Closed", calls: 0 })
      }
    })
  )
})

describe("adaptive limiter and timeout", () => {
  it.scoped("timeout inside: what it ends was dropped; outside: a call that was cut short says nothing", () =>
    Effect.gen(function* () {
      for (const [isOutside, limit] of [
        [true, 9],
        [false, 10]
      ] as const) {
        const { limiter, timeout } = yield* parts
        const policy = isOutside ? Policy.all(limiter, timeout) : Policy.all(timeout, limiter)
        const exit = yield* during("1 second", policy.protect(Effect.never))
        expect(failureOf(exit)).toMatchObject({ _tag: "TimedOut" })
        expect(yield* limiter.snapshot).toMatchObject({ limit, inFlight: 0 })
      }
    })
  )
})

describe("adaptive limiter and bulkhead", () => {
  it.scoped("bulkhead inside: the wait in its line is latency; outside: it is not", () =>
    Effect.gen(function* () {
      for (const [isOutside, learned] of [
        [true, 450],
        [false, 50]
      ] as const) {
        const { bulkhead, vegas } = yield* parts
        yield* begin(bulkhead.protect(Effect.sleep("400 millis")))
        const policy = isOutside ? Policy.all(vegas, bulkhead) : Policy.all(bulkhead, vegas)
        yield* begin(policy.protect(quick))
        yield* TestClock.adjust("450 millis")
        expect(yield* baseline(vegas)).toBe(learned)
      }
    })
  )
})

describe("adaptive limiter and deadline", () => {
  it.scoped("either way round, a call that the budget ended was dropped", () =>
    Effect.gen(function* () {
      for (const isOutside of [true, false]) {
        const { budget, limiter } = yield* parts
        const policy = isOutside ? Policy.all(limiter, budget) : Policy.all(budget, limiter)
        yield* during("1 second", policy.protect(Effect.never))
        expect(yield* limiter.snapshot).toMatchObject({ limit: 9, inFlight: 0 })
      }
    })
  )

  it.scoped("deadline outside: the wait for a permit is in the budget; inside: the budget begins after it", () =>
    Effect.gen(function* () {
      for (const [isOutside, asked] of [
        [true, 0],
        [false, 1]
      ] as const) {
        const { budget } = yield* parts
        const one = yield* AdaptiveLimiter.make("one", { max: 1, maxQueue: 1 })
        yield* begin(one.protect(Effect.sleep("2 seconds")))
        const dependency = new Dependency()
        const policy = isOutside ? Policy.all(budget, one) : Policy.all(one, budget)
        yield* during("2 seconds", policy.protect(dependency.answers()))
        expect(dependency.asked).toBe(asked)
      }
    })
  )
})
