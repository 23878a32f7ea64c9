import { Bulkhead, CircuitBreaker, InvalidOptions, Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Cause, type Duration, Effect, Exit, Option, type Scope } from "effect"

/** What a constructor dies with, which must be `InvalidOptions`. */
const complaint = (made: Effect.Effect<unknown, never, Scope.Scope>) =>
  Effect.map(Effect.exit(Effect.scoped(made)), (exit) => {
    const defect = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.dieOption(exit.cause)) : undefined
    if (defect instanceof InvalidOptions.InvalidOptions) return defect
    throw new Error("it was made")
  })

const optionsNamed = (made: Effect.Effect<unknown, never, Scope.Scope>) =>
  Effect.map(complaint(made), ({ problems }) => problems.map(({ option }) => option))

const spans = "a duration from 1 ms to 2147483647 ms (24.8 days)"

describe("a standard policy refuses", () => {
  it.effect("an option out of range, by its path, its value and what is allowed", () =>
    Effect.gen(function* () {
      const refused = yield* complaint(Policy.standard("payment", { bulkhead: { maxConcurrent: 0 } }))
      expect(refused).toMatchObject({ _tag: "InvalidOptions", policy: "payment" })
      expect(refused.problems).toEqual([
        { option: "bulkhead.maxConcurrent", value: "0", allowed: "a whole number from 1 to 1000000000" }
      ])
      expect(refused.message).toBe(
        'Invalid options for "payment": bulkhead.maxConcurrent is 0, but must be a whole number from 1 to 1000000000'
      )
    })
  )

  it.effect("a rate limit that says no limit, as JavaScript may, when it is made and not at the first call", () =>
    Effect.gen(function* () {
      const rateLimit: Policy.StandardOptions["rateLimit"] = JSON.parse('{ "window": "1 minute" }')
      const refused = yield* complaint(Policy.standard("payment", { rateLimit }))
      expect(refused.problems).toMatchObject([{ option: "rateLimit.limit", value: "undefined" }])
    })
  )

  it.effect("everything that is wrong at once", () =>
    Effect.gen(function* () {
      const made = Policy.standard("payment", {
        deadline: 0,
        timeout: -1,
        retry: { maxRetries: 1.5, maxRetryAfter: Number.NaN, minAttempt: -1 },
        circuitBreaker: {
          tripPolicy: CircuitBreaker.rate({ threshold: 0, window: CircuitBreaker.count(0, 0), minimumCalls: 0 }),
          openDuration: "0 millis",
          openJitter: 1.1,
          maxOpenDuration: Infinity,
          patience: -1,
          halfOpen: { probes: 0, successThreshold: 0, timeout: 0 }
        },
        bulkhead: { maxConcurrent: Number.NaN, maxQueue: -1, maxWait: 0 }
      })
      expect((yield* optionsNamed(made)).toSorted()).toEqual([
        "bulkhead.maxConcurrent",
        "bulkhead.maxQueue",
        "bulkhead.maxWait",
        "circuitBreaker.halfOpen.probes",
        "circuitBreaker.halfOpen.successThreshold",
        "circuitBreaker.halfOpen.timeout",
        "circuitBreaker.maxOpenDuration",
        "circuitBreaker.openDuration",
        "circuitBreaker.openJitter",
        "circuitBreaker.patience",
        "circuitBreaker.tripPolicy.minimumCalls",
        "circuitBreaker.tripPolicy.threshold",
        "circuitBreaker.tripPolicy.window.maxAge",
        "circuitBreaker.tripPolicy.window.size",
        "deadline",
        "retry.maxRetries",
        "retry.maxRetryAfter",
        "retry.minAttempt",
        "timeout"
      ])
    })
  )

  it.effect("an attempt timeout above the deadline", () =>
    Effect.gen(function* () {
      const refused = yield* complaint(Policy.standard("payment", { deadline: "1 second", timeout: "5 seconds" }))
      expect(refused.problems).toEqual([{ option: "timeout", value: "5s", allowed: "at most the deadline, 1s" }])
    })
  )

  it.effect("a contradiction together with what else is wrong", () =>
    Effect.gen(function* () {
      const bulkhead = { maxConcurrent: 0 }
      const made = Policy.standard("payment", { deadline: "1 second", timeout: "5 seconds", bulkhead })
      expect((yield* optionsNamed(made)).toSorted()).toEqual(["bulkhead.maxConcurrent", "timeout"])
    })
  )

  it.effect("spans that no timer keeps, but not the spelled-out none", () =>
    Effect.gen(function* () {
      const refused = (deadline: Duration.DurationInput) =>
        Effect.map(complaint(Policy.standard("payment", { deadline, timeout: "none" })), ({ problems }) => problems)
      const allowed = `${spans} or "none"`
      expect(yield* refused("25 days")).toEqual([{ option: "deadline", value: '"25 days"', allowed }])
      expect(yield* refused(Number.POSITIVE_INFINITY)).toMatchObject([{ option: "deadline", allowed }])
      yield* Effect.scoped(Policy.standard("payment", { deadline: "none", timeout: "none" }))
      yield* Effect.scoped(Policy.standard("payment", { deadline: 2_147_483_647 }))
    })
  )

  it.effect("nothing where the layer is not asked for", () =>
    Effect.gen(function* () {
      const policy = Policy.standard("payment", { retry: "none", circuitBreaker: "none", bulkhead: "none" })
      expect((yield* Effect.scoped(policy)).name).toBe("payment")
    })
  )
})

describe("a circuit breaker refuses", () => {
  const refused = (options: CircuitBreaker.Options) =>
    Effect.map(complaint(CircuitBreaker.make("payment", options)), ({ problems }) => problems)

  it.effect("a minimum of calls that its count window can never hold", () =>
    Effect.gen(function* () {
      const tripPolicy = CircuitBreaker.rate({ threshold: 0.5, window: CircuitBreaker.count(10), minimumCalls: 11 })
      expect(yield* refused({ tripPolicy })).toEqual([
        {
          option: "tripPolicy.minimumCalls",
          value: "11",
          allowed: "at most the size of the count window, or it can never trip"
        }
      ])
    })
  )

  it.effect("what is not a count or a rate", () =>
    Effect.gen(function* () {
      expect(yield* refused({ tripPolicy: CircuitBreaker.consecutive(0) })).toMatchObject([
        { option: "tripPolicy.failures", value: "0" }
      ])
      const rate = (threshold: number, buckets: number) =>
        CircuitBreaker.rate({ threshold, window: CircuitBreaker.time("1 second", buckets) })
      expect(yield* refused({ tripPolicy: rate(1.5, 0) })).toMatchObject([
        { option: "tripPolicy.threshold", value: "1.5", allowed: "a number from 0 (excluded) to 1" },
        { option: "tripPolicy.window.buckets", value: "0" }
      ])
      expect(yield* refused({ openJitter: Number.NaN })).toMatchObject([
        { option: "openJitter", value: "NaN", allowed: "a number from 0 (included) to 1" }
      ])
    })
  )

  it.effect("nothing at the ends of the ranges", () =>
    Effect.gen(function* () {
      const rate = CircuitBreaker.rate({ threshold: 1, window: CircuitBreaker.count(1), minimumCalls: 1 })
      const least = { tripPolicy: rate, openDuration: 1, openJitter: 0, patience: 0, halfOpen: { timeout: 1 } }
      expect((yield* Effect.scoped(CircuitBreaker.make("payment", least))).name).toBe("payment")
      const most = { tripPolicy: CircuitBreaker.consecutive(1), openDuration: "24 days", openJitter: 1 } as const
      expect((yield* Effect.scoped(CircuitBreaker.make("payment", most))).name).toBe("payment")
      const small = CircuitBreaker.rate({ threshold: 0.5, window: CircuitBreaker.count(5) })
      expect(small).toMatchObject({ minimumCalls: 5 })
    })
  )
})

describe("a bulkhead refuses", () => {
  it.effect("everything that is wrong at once", () =>
    Effect.gen(function* () {
      const refused = yield* complaint(
        Bulkhead.make("reports", { maxConcurrent: 0, maxQueue: 0.5, maxWait: "0 millis" })
      )
      expect(refused.problems).toEqual([
        { option: "maxConcurrent", value: "0", allowed: "a whole number from 1 to 1000000000" },
        { option: "maxQueue", value: "0.5", allowed: "a whole number from 0 to 1000000000" },
        { option: "maxWait", value: '"0 millis"', allowed: spans }
      ])
    })
  )
})
