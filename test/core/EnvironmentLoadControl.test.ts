/** The environment's variables for load control. */
import { type Policy, RetryBudget } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { Dependency } from "../support/Dependency.js"
import { begin } from "../support/Passing.js"
import { complaints, policyFrom } from "../support/PolicyFrom.js"

const failing = (policy: Policy.Standard, times: number) =>
  Effect.replicateEffect(Effect.exit(policy.protect(new Dependency().fails())), times)

describe("the environment", () => {
  it.scoped("sets a budget for retries, and leaves whether there are retries alone", () =>
    Effect.gen(function* () {
      const variables = {
        RESILIENCE_PAYMENT_RETRY_BUDGET_RATIO: "0.5",
        RESILIENCE_PAYMENT_RETRY_BUDGET_MIN_PER_SECOND: "3",
        RESILIENCE_PAYMENT_RETRY_BUDGET_TTL: "2 seconds"
      }
      const of = (policy: Policy.Standard) => Effect.flatMap(policy.retryBudget, (budget) => budget.snapshot)
      expect((yield* of(yield* policyFrom(variables))).available).toBe(6)
      const tokens = { retryBudget: RetryBudget.tokens({ capacity: 50, cost: 1 }) }
      expect((yield* of(yield* policyFrom({}, tokens))).available).toBe(50)
      expect((yield* of(yield* policyFrom(variables, tokens))).available).toBe(6)
      expect((yield* policyFrom(variables, { retry: "none" })).retryBudget).toEqual(Option.none())
    })
  )

  it.scoped("sets a throttle", () =>
    Effect.gen(function* () {
      const of = (variables: Readonly<Record<string, string>>) =>
        Effect.gen(function* () {
          const policy = yield* policyFrom(variables, { circuitBreaker: "none", retry: "none" })
          yield* failing(policy, 9)
          return (yield* Effect.flatMap(policy.throttle, (throttle) => throttle.snapshot)).rejection
        })
      expect((yield* policyFrom({})).throttle).toEqual(Option.none())
      expect(yield* of({ RESILIENCE_PAYMENT_THROTTLE_K: "3" })).toBe(0.9)
      expect(yield* of({ RESILIENCE_PAYMENT_THROTTLE_MAX_REJECTION: "0.25" })).toBe(0.25)
    })
  )

  it.scoped("sets a rate limit, and lets attempts wait where it says how long", () =>
    Effect.gen(function* () {
      const two = { RESILIENCE_PAYMENT_RATE_LIMIT_LIMIT: "2", RESILIENCE_PAYMENT_RATE_LIMIT_WINDOW: "1 second" }
      const refusing = yield* policyFrom(two)
      yield* Effect.replicateEffect(refusing.protect(Effect.void), 2)
      expect((yield* Effect.flip(refusing.protect(Effect.void)))._tag).toBe("RateLimited")
      const waiting = yield* policyFrom({ ...two, RESILIENCE_PAYMENT_RATE_LIMIT_MAX_WAIT: "600 millis" })
      yield* Effect.replicateEffect(waiting.protect(Effect.void), 2)
      yield* begin(waiting.protect(Effect.void))
      expect((yield* Effect.flip(waiting.protect(Effect.void)))._tag).toBe("RateLimited")
      const limiter = yield* waiting.rateLimiter
      expect((yield* limiter.snapshot).lines).toBe(1)
    })
  )

  it.scoped("sets an adaptive limit in the place of the bulkhead", () =>
    Effect.gen(function* () {
      const policy = yield* policyFrom(
        { RESILIENCE_PAYMENT_CONCURRENCY_MAX: "8", RESILIENCE_PAYMENT_CONCURRENCY_MAX_QUEUE: "1" },
        { concurrency: { initial: 3 } }
      )
      expect(policy.bulkhead).toEqual(Option.none())
      const limiter = yield* policy.adaptiveLimiter
      yield* Effect.replicateEffect(begin(policy.protect(Effect.never)), 5)
      expect(yield* limiter.snapshot).toMatchObject({ limit: 3, inFlight: 3, waiting: 1 })
      const initially = yield* policyFrom({ RESILIENCE_PAYMENT_CONCURRENCY_INITIAL: "7" }, { concurrency: "adaptive" })
      expect(yield* (yield* initially.adaptiveLimiter).snapshot).toMatchObject({ limit: 7 })
    })
  )

  it.scoped("is refused with every bad value, and with what is missing or does not fit", () =>
    Effect.gen(function* () {
      const bad = yield* complaints({
        RESILIENCE_PAYMENT_RETRY_BUDGET_RATIO: "-1",
        RESILIENCE_PAYMENT_THROTTLE_K: "0.5",
        RESILIENCE_PAYMENT_RATE_LIMIT_LIMIT: "many",
        RESILIENCE_PAYMENT_RATE_LIMIT_WINDOW: "1 second",
        RESILIENCE_PAYMENT_CONCURRENCY_MIN: ""
      })
      expect(bad).toEqual([
        'RESILIENCE_PAYMENT_RETRY_BUDGET_RATIO is "-1", but must be a number >= 0',
        'RESILIENCE_PAYMENT_THROTTLE_K is "0.5", but must be a number >= 1',
        'RESILIENCE_PAYMENT_RATE_LIMIT_LIMIT is "many", but must be a whole number from 1 to 1000000000',
        'RESILIENCE_PAYMENT_CONCURRENCY_MIN is "", but must be a whole number from 1 to 1000000000'
      ])
      expect(yield* complaints({ RESILIENCE_PAYMENT_RATE_LIMIT_LIMIT: "5" })).toEqual([
        "RESILIENCE_PAYMENT_RATE_LIMIT_WINDOW must be set, since the policy has no rate limit of its own"
      ])
      const above = { RESILIENCE_PAYMENT_CONCURRENCY_MAX: "10" }
      expect(yield* complaints(above, { concurrency: { initial: 50 } })).toEqual([
        "RESILIENCE_PAYMENT_CONCURRENCY_MAX does not fit: concurrency.initial is 50, but must be a whole number from 1 to 10"
      ])
      expect(yield* complaints({ ...above, RESILIENCE_PAYMENT_CONCURRENCY_MIN: "11" })).toEqual([
        "RESILIENCE_PAYMENT_CONCURRENCY_MAX is 10, but must be a whole number from 11 to 1000000000"
      ])
    })
  )
})
