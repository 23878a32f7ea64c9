/** What the order of an adaptive timeout and another policy decides: what it takes for the usual latency. */
import { Backoff, Bulkhead, CircuitBreaker, Deadline, Policy, Retry, Timeout } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, TestClock } from "effect"
import { Dependency, Unavailable } from "../support/Dependency.js"
import { begin, during, failureOf } from "../support/Passing.js"
import { script } from "../support/Play.js"

const parts = Effect.all({
  timeout: Timeout.adaptive("timeout", { max: "10 seconds", factor: 1, minimumCalls: 1 }),
  retry: Retry.make("retry", { maxRetries: 1, backoff: Backoff.constant("1 second") }),
  breaker: CircuitBreaker.make("breaker", {
    tripPolicy: CircuitBreaker.consecutive(1),
    openDuration: "1 hour",
    patience: "1 minute"
  }),
  bulkhead: Bulkhead.make("bulkhead", { maxConcurrent: 1, maxQueue: 1 }),
  budget: Deadline.make("deadline", "1 second")
})

const quick = Effect.sleep("50 millis")

/** How long it lets an attempt take now, in milliseconds; what it learned, within 1 %. */
const limit = (timeout: Timeout.AdaptiveTimeout) =>
  Effect.map(timeout.snapshot, (now) => Math.round(Duration.toMillis(now.limit) / 50) * 50)

describe("adaptive timeout and retry", () => {
  it.scoped("retry inside: attempts and waits are learned as one; outside: each attempt by itself", () =>
    Effect.gen(function* () {
      for (const [isOutside, learned] of [
        [true, 1_050],
        [false, 50]
      ] as const) {
        const { retry, timeout } = yield* parts
        const payment = script(Effect.fail(new Unavailable({})), quick)
        const policy = isOutside ? Policy.all(timeout, retry) : Policy.all(retry, timeout)
        yield* during("2 seconds", policy.protect(payment.call))
        expect(payment.at).toHaveLength(2)
        expect(yield* limit(timeout)).toBe(learned)
      }
    })
  )
})

describe("adaptive timeout and breaker", () => {
  it.scoped("timeout inside: its end of a call is a failure; outside: a call that was cut short says nothing", () =>
    Effect.gen(function* () {
      for (const [isOutside, state] of [
        [true, "Closed"],
        [false, "Open"]
      ] as const) {
        const { breaker, timeout } = yield* parts
        yield* during("50 millis", timeout.protect(quick))
        const policy = isOutside ? Policy.all(timeout, breaker) : Policy.all(breaker, timeout)
        const exit = yield* during("60 millis", policy.protect(Effect.never))
        expect(failureOf(exit)).toMatchObject({ _tag: "TimedOut" })
        expect(yield* breaker.state).toBe(state)
      }
    })
  )
})

describe("adaptive timeout and bulkhead", () => {
  it.scoped("bulkhead inside: the wait in its line is learned; outside: it is not", () =>
    Effect.gen(function* () {
      for (const [isOutside, learned] of [
        [true, 450],
        [false, 50]
      ] as const) {
        const { bulkhead, timeout } = yield* parts
        yield* begin(bulkhead.protect(Effect.sleep("400 millis")))
        const policy = isOutside ? Policy.all(timeout, bulkhead) : Policy.all(bulkhead, timeout)
        yield* begin(policy.protect(quick))
        yield* TestClock.adjust("450 millis")
        expect(yield* limit(timeout)).toBe(learned)
      }
    })
  )
})

describe("adaptive timeout and deadline", () => {
  it.scoped("either way round the shorter ends the call, and a budget that does so teaches nothing", () =>
    Effect.gen(function* () {
      for (const isOutside of [true, false]) {
        const { budget, timeout } = yield* parts
        const dependency = new Dependency()
        const policy = isOutside ? Policy.all(timeout, budget) : Policy.all(budget, timeout)
        const late = yield* during("1 second", policy.protect(dependency.hangs()))
        expect(failureOf(late)).toMatchObject({ _tag: "DeadlineExceeded" })
        expect((yield* timeout.snapshot).latency.calls).toBe(0)
        yield* during("50 millis", timeout.protect(quick))
        const usual = yield* during("60 millis", policy.protect(dependency.hangs()))
        expect(failureOf(usual)).toMatchObject({ _tag: "TimedOut" })
        expect(dependency.asked).toBe(2)
      }
    })
  )
})
