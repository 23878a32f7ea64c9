/** What the order of an adaptive throttle and another policy decides: what the throttle hears of, and what it lets pass. */
import {
  AdaptiveThrottle,
  Backoff,
  Bulkhead,
  CircuitBreaker,
  Deadline,
  Policy,
  Retry,
  Timeout
} from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Random } from "effect"
import { Dependency } from "../support/Dependency.js"
import { begin, during, failureOf } from "../support/Passing.js"

const drawing = (number: number) => Effect.withRandom(Random.fixed([number]))

const parts = Effect.all({
  throttle: AdaptiveThrottle.make("throttle", { maxRejection: 1 }),
  retry: Retry.make("retry", { maxRetries: 2, backoff: Backoff.constant(0) }),
  breaker: CircuitBreaker.make("breaker", { tripPolicy: CircuitBreaker.consecutive(1), openDuration: "1 hour" }),
  timeout: Timeout.make("timeout", { duration: "1 second" }),
  bulkhead: Bulkhead.make("bulkhead", { maxConcurrent: 1 }),
  budget: Deadline.make("deadline", "1 second")
})

/** A throttle that refuses whoever draws a low number. */
const refusing = Effect.tap(parts, ({ throttle }) => Effect.exit(throttle.protect(new Dependency().fails())))

describe("throttle and retry", () => {
  it.scoped("throttle outside: one request for a call; inside: one for each attempt", () =>
    Effect.gen(function* () {
      for (const [isOutside, requests] of [
        [true, 1],
        [false, 3]
      ] as const) {
        const { retry, throttle } = yield* parts
        const dependency = new Dependency()
        const policy = isOutside ? Policy.all(throttle, retry) : Policy.all(retry, throttle)
        yield* Effect.exit(policy.protect(dependency.fails())).pipe(drawing(0.999))
        expect(dependency.asked).toBe(3)
        expect(yield* throttle.snapshot).toMatchObject({ requests, accepts: 0 })
      }
    })
  )

  it.scoped("either way round, its refusal is not repeated", () =>
    Effect.gen(function* () {
      for (const isOutside of [true, false]) {
        const { retry, throttle } = yield* refusing
        const dependency = new Dependency()
        const policy = isOutside ? Policy.all(throttle, retry) : Policy.all(retry, throttle)
        const exit = yield* Effect.exit(policy.protect(dependency.answers())).pipe(drawing(0))
        expect(failureOf(exit)).toMatchObject({ _tag: "Throttled" })
        expect(dependency.asked).toBe(0)
        expect(yield* throttle.snapshot).toMatchObject({ requests: 2 })
      }
    })
  )
})

describe("throttle and breaker", () => {
  it.scoped("either way round, what one refuses says nothing of the dependency to the other", () =>
    Effect.gen(function* () {
      for (const isOutside of [true, false]) {
        const throttling = yield* refusing
        const one = isOutside
          ? Policy.all(throttling.throttle, throttling.breaker)
          : Policy.all(throttling.breaker, throttling.throttle)
        expect(failureOf(yield* Effect.exit(one.protect(Effect.void)).pipe(drawing(0)))).toMatchObject({
          _tag: "Throttled"
        })
        expect(yield* throttling.breaker.snapshot).toMatchObject({ state: "Closed", calls: 0 })
        const open = yield* parts
        yield* open.breaker.isolate
        const other = isOutside ? Policy.all(open.throttle, open.breaker) : Policy.all(open.breaker, open.throttle)
        expect(failureOf(yield* Effect.exit(other.protect(Effect.void)))).toMatchObject({ _tag: "CircuitOpen" })
        expect(yield* open.throttle.snapshot).toMatchObject({ requests: 0 })
      }
    })
  )
})

describe("throttle and timeout", () => {
  it.scoped("timeout inside: what it ends was not accepted; outside: a call that was cut short says nothing", () =>
    Effect.gen(function* () {
      for (const [isOutside, requests] of [
        [true, 1],
        [false, 0]
      ] as const) {
        const { throttle, timeout } = yield* parts
        const policy = isOutside ? Policy.all(throttle, timeout) : Policy.all(timeout, throttle)
        const exit = yield* during("1 second", policy.protect(Effect.never))
        expect(failureOf(exit)).toMatchObject({ _tag: "TimedOut" })
        expect(yield* throttle.snapshot).toMatchObject({ requests, accepts: 0 })
      }
    })
  )
})

describe("throttle and bulkhead", () => {
  it.scoped("a full bulkhead says nothing of the dependency, inside or outside", () =>
    Effect.gen(function* () {
      const { bulkhead, throttle } = yield* parts
      yield* begin(bulkhead.protect(Effect.never))
      for (const policy of [Policy.all(throttle, bulkhead), Policy.all(bulkhead, throttle)]) {
        expect(failureOf(yield* Effect.exit(policy.protect(Effect.void)))).toMatchObject({ _tag: "BulkheadFull" })
      }
      expect(yield* throttle.snapshot).toMatchObject({ requests: 0 })
    })
  )

  it.scoped("throttle outside: what it refuses takes no permit, also of a bulkhead that is full", () =>
    Effect.gen(function* () {
      const { bulkhead, throttle } = yield* refusing
      yield* begin(bulkhead.protect(Effect.never))
      const outside = yield* Effect.exit(Policy.all(throttle, bulkhead).protect(Effect.void)).pipe(drawing(0))
      const inside = yield* Effect.exit(Policy.all(bulkhead, throttle).protect(Effect.void)).pipe(drawing(0))
      expect([outside, inside].map(failureOf)).toMatchObject([{ _tag: "Throttled" }, { _tag: "BulkheadFull" }])
    })
  )
})

describe("throttle and deadline", () => {
  it.scoped("deadline inside: what it ends was not accepted; outside: a call that was cut short says nothing", () =>
    Effect.gen(function* () {
      for (const [isOutside, requests] of [
        [true, 1],
        [false, 0]
      ] as const) {
        const { budget, throttle } = yield* parts
        const policy = isOutside ? Policy.all(throttle, budget) : Policy.all(budget, throttle)
        const exit = yield* during("1 second", policy.protect(Effect.never))
        expect(failureOf(exit)).toMatchObject({ _tag: "DeadlineExceeded" })
        expect(yield* throttle.snapshot).toMatchObject({ requests, accepts: 0 })
      }
    })
  )
})
