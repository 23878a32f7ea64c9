import { Backoff, CircuitBreaker, Deadline, InvalidOptions, type Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Cause, ConfigError, Duration, Effect, Exit, Option, TestClock } from "effect"
import { Chance } from "../support/Chance.js"
import { Dependency, Unavailable } from "../support/Dependency.js"
import { failureOf, retryAfterMillis } from "../support/Passing.js"
import { play, script } from "../support/Play.js"
import { complaints, policyFrom, type Variables } from "../support/PolicyFrom.js"

const circuitOf = (policy: Policy.Standard) => Effect.orDie(policy.circuitBreaker)
const bulkheadOf = (policy: Policy.Standard) => Effect.orDie(policy.bulkhead)
const unavailable = Effect.fail(new Unavailable({}))

/** How a circuit that asks nothing of its calls is opened: the reason it gives. */
const openedBy = (policy: Policy.Standard, failures: number) =>
  Effect.gen(function* () {
    const circuit = yield* circuitOf(policy)
    for (let n = 0; n < failures; n++) yield* Effect.exit(circuit.protect(unavailable))
    return yield* Effect.map(Effect.exit(circuit.protect(Effect.void)), failureOf)
  })

const spans = "a duration from 1 ms to 2147483647 ms (24.8 days)"
const unread = spans.replace("from", 'such as "2 seconds", from')

describe("the environment", () => {
  it.scoped("changes nothing where it sets nothing", () =>
    Effect.gen(function* () {
      const policy = yield* policyFrom({ RESILIENCE_OTHER_TIMEOUT: "soon" }, { bulkhead: { maxConcurrent: 7 } })
      expect((yield* bulkheadOf(policy)).name).toBe("payment")
      expect(yield* Effect.flatMap(bulkheadOf(policy), (bulkhead) => bulkhead.snapshot)).toMatchObject({ limit: 7 })
      expect(yield* policy.protect(Deadline.remaining)).toEqual(Option.some(Duration.seconds(10)))
    })
  )

  it.scoped("sets the deadline and the timeout, and takes either away", () =>
    Effect.gen(function* () {
      const set = yield* policyFrom({
        RESILIENCE_PAYMENT_DEADLINE: "5 seconds",
        RESILIENCE_PAYMENT_TIMEOUT: "300 millis"
      })
      expect(yield* set.protect(Deadline.remaining)).toEqual(Option.some(Duration.seconds(5)))
      const once = yield* play(set.with({ repeatable: false }).protect(Effect.never), "1 minute")
      expect(failureOf(once.exit)).toMatchObject({ _tag: "TimedOut", limit: Duration.millis(300) })
      const none = yield* policyFrom({ RESILIENCE_PAYMENT_DEADLINE: "none", RESILIENCE_PAYMENT_TIMEOUT: " none " })
      expect(yield* none.protect(Deadline.remaining)).toEqual(Option.none())
      expect((yield* play(none.protect(Effect.as(Effect.sleep("1 hour"), "late")), "1 hour")).exit).toEqual(
        Exit.succeed("late")
      )
    })
  )

  it.scoped("sets how often and how long apart is retried", () =>
    Effect.gen(function* () {
      const attempts = (variables: Variables, defaults?: Policy.StandardOptions) =>
        Effect.gen(function* () {
          const policy = yield* policyFrom(variables, { deadline: "1 hour", ...defaults })
          const payment = script(unavailable)
          yield* play(policy.protect(payment.call), "1 minute")
          return payment.at.map((at) => at - (payment.at[0] ?? 0))
        })
      expect(yield* attempts({ RESILIENCE_PAYMENT_RETRY_MAX_RETRIES: "0" })).toEqual([0])
      const set = {
        RESILIENCE_PAYMENT_RETRY_MAX_RETRIES: "3",
        RESILIENCE_PAYMENT_RETRY_BASE: "1 second",
        RESILIENCE_PAYMENT_RETRY_CAP: "3 seconds"
      }
      expect(yield* attempts(set)).toEqual([0, 1_000, 3_000, 6_000])
      expect(yield* attempts({ RESILIENCE_PAYMENT_RETRY_BASE: "5 seconds" })).toEqual([0, 5_000, 10_000])
      expect(yield* attempts({ RESILIENCE_PAYMENT_RETRY_CAP: "50 millis" })).toEqual([0, 50, 100])
      const retry = { maxRetries: 1, backoff: Backoff.constant("7 seconds") }
      expect(yield* attempts({ RESILIENCE_PAYMENT_RETRY_MAX_RETRIES: "2" }, { retry })).toEqual([0, 7_000, 14_000])
    }).pipe(new Chance([0.999_999]).rule)
  )

  it.scoped("sets how long a wish is obeyed", () =>
    Effect.gen(function* () {
      const policy = yield* policyFrom({ RESILIENCE_PAYMENT_RETRY_MAX_RETRY_AFTER: "1 second" })
      const payment = script(Effect.fail(new Unavailable({ retryAfter: Duration.millis(1_001) })))
      yield* play(policy.protect(payment.call), "1 minute")
      expect(payment.at).toHaveLength(1)
    })
  )

  it.scoped("sets when the circuit opens and for how long", () =>
    Effect.gen(function* () {
      const consecutive = yield* policyFrom({
        RESILIENCE_PAYMENT_CIRCUIT_BREAKER_CONSECUTIVE: "2",
        RESILIENCE_PAYMENT_CIRCUIT_BREAKER_OPEN_DURATION: "1 minute"
      })
      expect(yield* openedBy(consecutive, 2)).toMatchObject({ reason: { _tag: "Consecutive", threshold: 2 } })
      expect(retryAfterMillis(yield* Effect.flatMap(circuitOf(consecutive), (circuit) => circuit.snapshot))).toBe(
        60_000
      )
      const rate = yield* policyFrom({
        RESILIENCE_PAYMENT_CIRCUIT_BREAKER_RATE: "0.25",
        RESILIENCE_PAYMENT_CIRCUIT_BREAKER_WINDOW: "5 seconds",
        RESILIENCE_PAYMENT_CIRCUIT_BREAKER_MINIMUM_CALLS: "3"
      })
      expect(yield* openedBy(rate, 1)).toEqual({ succeededWith: undefined })
      yield* TestClock.adjust("5 seconds")
      expect(yield* openedBy(rate, 3)).toMatchObject({ reason: { _tag: "Rate", calls: 3, threshold: 0.25 } })
    }).pipe(new Chance([0.5]).rule)
  )

  it.scoped("leaves rules on slow calls as they are, and takes the place of all the others", () =>
    Effect.gen(function* () {
      const window = CircuitBreaker.count(4)
      const slow = CircuitBreaker.slow({ threshold: 1, slowerThan: "1 second", window, minimumCalls: 2 })
      const rate = CircuitBreaker.rate({ threshold: 1, window, minimumCalls: 4 })
      const tripPolicy = CircuitBreaker.any(slow, CircuitBreaker.consecutive(1), rate)
      const of = (variables: Variables) => policyFrom(variables, { circuitBreaker: { tripPolicy } })
      const consecutive = yield* of({ RESILIENCE_PAYMENT_CIRCUIT_BREAKER_CONSECUTIVE: "3" })
      expect(yield* openedBy(consecutive, 3)).toMatchObject({ reason: { _tag: "Consecutive", threshold: 3 } })
      const other = yield* of({ RESILIENCE_PAYMENT_CIRCUIT_BREAKER_RATE: "0.5" })
      expect(yield* openedBy(other, 4)).toMatchObject({ reason: { _tag: "Rate", calls: 4, threshold: 0.5 } })
      const late = yield* of({ RESILIENCE_PAYMENT_CIRCUIT_BREAKER_CONSECUTIVE: "3" })
      for (const _ of [1, 2]) yield* play(late.protect(Effect.sleep("1 second")), "1 second")
      expect(yield* openedBy(late, 0)).toMatchObject({ reason: { _tag: "Slow", slow: 2, calls: 2 } })
      const exit = yield* Effect.exit(of({ RESILIENCE_PAYMENT_CIRCUIT_BREAKER_MINIMUM_CALLS: "5" }))
      expect(String(exit)).toContain("RESILIENCE_PAYMENT_CIRCUIT_BREAKER_MINIMUM_CALLS")
      expect(String(exit)).toContain("at most the size of the count window")
    })
  )

  it.scoped("leaves of a rate what it does not set", () =>
    Effect.gen(function* () {
      const window = CircuitBreaker.count(4)
      const circuitBreaker = { tripPolicy: CircuitBreaker.rate({ threshold: 1, window, minimumCalls: 3 }) }
      const policy = yield* policyFrom({ RESILIENCE_PAYMENT_CIRCUIT_BREAKER_RATE: "0.9" }, { circuitBreaker })
      yield* TestClock.adjust("1 minute")
      expect(yield* openedBy(policy, 3)).toMatchObject({ reason: { _tag: "Rate", calls: 3, threshold: 0.9 } })
      const opening = yield* policyFrom(
        { RESILIENCE_PAYMENT_CIRCUIT_BREAKER_OPEN_DURATION: "1 minute" },
        { circuitBreaker }
      )
      expect(yield* openedBy(opening, 3)).toMatchObject({ reason: { threshold: 1 } })
    })
  )

  it.scoped("sets the bulkhead and its line", () =>
    Effect.gen(function* () {
      const policy = yield* policyFrom({
        RESILIENCE_PAYMENT_BULKHEAD_MAX_CONCURRENT: "1",
        RESILIENCE_PAYMENT_BULKHEAD_MAX_QUEUE: "1",
        RESILIENCE_PAYMENT_BULKHEAD_MAX_WAIT: "500 millis"
      })
      const payment = new Dependency()
      const call = Effect.exit(policy.protect(payment.ask(Effect.sleep("1 second"))))
      const { exit } = yield* play(Effect.all([call, call, call], { concurrency: "unbounded" }), "1 minute")
      const ends = Exit.isSuccess(exit) ? exit.value.map(failureOf) : []
      expect(ends).toMatchObject([{ succeededWith: undefined }, { reason: "waited" }, { reason: "full" }])
      expect(payment.asked).toBe(1)
    })
  )

  it.scoped("names the variables after the policy, in upper case with `_` for the rest", () =>
    Effect.gen(function* () {
      const variables = { RESILIENCE_PAYMENT_EU_1_BULKHEAD_MAX_CONCURRENT: "3" }
      const policy = yield* policyFrom(variables, {}, "payment-eu.1")
      expect(yield* Effect.flatMap(bulkheadOf(policy), (bulkhead) => bulkhead.snapshot)).toMatchObject({ limit: 3 })
    })
  )

  it.scoped('gives a part back that the defaults have as "none"', () =>
    Effect.gen(function* () {
      const policy = yield* policyFrom(
        { RESILIENCE_PAYMENT_BULKHEAD_MAX_QUEUE: "1" },
        { bulkhead: "none", retry: "none" }
      )
      expect(yield* Effect.flatMap(bulkheadOf(policy), (bulkhead) => bulkhead.snapshot)).toMatchObject({ limit: 50 })
    })
  )
})

describe("bad values from the environment", () => {
  it.scoped("are all told at once, as a ConfigError that names each variable, its value, and what is allowed", () =>
    Effect.gen(function* () {
      const told = yield* complaints({
        RESILIENCE_PAYMENT_DEADLINE: "soon",
        RESILIENCE_PAYMENT_TIMEOUT: "-1 seconds",
        RESILIENCE_PAYMENT_RETRY_MAX_RETRIES: "two",
        RESILIENCE_PAYMENT_CIRCUIT_BREAKER_RATE: "50 %",
        RESILIENCE_PAYMENT_BULKHEAD_MAX_CONCURRENT: "0",
        RESILIENCE_PAYMENT_BULKHEAD_MAX_QUEUE: "",
        RESILIENCE_PAYMENT_BULKHEAD_MAX_WAIT: "none"
      })
      expect(told).toEqual([
        `RESILIENCE_PAYMENT_DEADLINE is "soon", but must be ${unread} or "none"`,
        `RESILIENCE_PAYMENT_TIMEOUT is "-1 seconds", but must be ${spans} or "none"`,
        'RESILIENCE_PAYMENT_RETRY_MAX_RETRIES is "two", but must be a whole number from 0 to 1000000000',
        'RESILIENCE_PAYMENT_CIRCUIT_BREAKER_RATE is "50 %", but must be a number from 0 (excluded) to 1',
        'RESILIENCE_PAYMENT_BULKHEAD_MAX_CONCURRENT is "0", but must be a whole number from 1 to 1000000000',
        'RESILIENCE_PAYMENT_BULKHEAD_MAX_QUEUE is "", but must be a whole number from 0 to 1000000000',
        `RESILIENCE_PAYMENT_BULKHEAD_MAX_WAIT is "none", but must be ${unread}`
      ])
      expect(ConfigError.isConfigError(yield* Effect.flip(policyFrom({ RESILIENCE_PAYMENT_TIMEOUT: "" })))).toBe(true)
    })
  )

  it.scoped("are also values that contradict each other", () =>
    Effect.gen(function* () {
      const told = yield* complaints({
        RESILIENCE_PAYMENT_DEADLINE: "1 second",
        RESILIENCE_PAYMENT_TIMEOUT: "2 seconds",
        RESILIENCE_PAYMENT_RETRY_BASE: "5 seconds",
        RESILIENCE_PAYMENT_RETRY_CAP: "1 second",
        RESILIENCE_PAYMENT_CIRCUIT_BREAKER_CONSECUTIVE: "5",
        RESILIENCE_PAYMENT_CIRCUIT_BREAKER_RATE: "0.5",
        RESILIENCE_PAYMENT_BULKHEAD_MAX_CONCURRENT: "0"
      })
      expect(told).toEqual([
        'RESILIENCE_PAYMENT_BULKHEAD_MAX_CONCURRENT is "0", but must be a whole number from 1 to 1000000000',
        "RESILIENCE_PAYMENT_TIMEOUT is 2000 ms, but must be at most RESILIENCE_PAYMENT_DEADLINE, 1000 ms",
        "RESILIENCE_PAYMENT_RETRY_CAP is 1000 ms, but must be at least RESILIENCE_PAYMENT_RETRY_BASE, 5000 ms",
        "RESILIENCE_PAYMENT_CIRCUIT_BREAKER_CONSECUTIVE is 5, but must be left out beside RESILIENCE_PAYMENT_CIRCUIT_BREAKER_RATE"
      ])
    })
  )

  it.scoped("are also values that contradict the defaults: the variable that was set is named", () =>
    Effect.gen(function* () {
      const shorter = yield* complaints({ RESILIENCE_PAYMENT_DEADLINE: "1 second" }, { timeout: "2 seconds" })
      expect(shorter).toEqual([
        "RESILIENCE_PAYMENT_DEADLINE does not fit: timeout is 2s, but must be at most the deadline, 1s"
      ])
      const longer = yield* complaints({ RESILIENCE_PAYMENT_TIMEOUT: "6 seconds" }, { deadline: "5 seconds" })
      expect(longer).toEqual(["RESILIENCE_PAYMENT_TIMEOUT is 6s, but must be at most the deadline, 5s"])
      const rate = CircuitBreaker.rate({ threshold: 0.5, window: CircuitBreaker.count(10) })
      const never = yield* complaints(
        { RESILIENCE_PAYMENT_CIRCUIT_BREAKER_MINIMUM_CALLS: "11" },
        { circuitBreaker: { tripPolicy: rate } }
      )
      expect(never).toEqual([
        "RESILIENCE_PAYMENT_CIRCUIT_BREAKER_MINIMUM_CALLS is 11, but must be at most the size of the count window, or it can never trip"
      ])
    })
  )

  it.scoped("are not what is wrong with the defaults: those kill, whatever the environment says", () =>
    Effect.gen(function* () {
      for (const variables of [{}, { RESILIENCE_PAYMENT_BULKHEAD_MAX_QUEUE: "1" }]) {
        const exit = yield* Effect.exit(policyFrom(variables, { bulkhead: { maxConcurrent: 0 } }))
        const defect = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.dieOption(exit.cause)) : undefined
        expect(defect).toBeInstanceOf(InvalidOptions.InvalidOptions)
      }
    })
  )
})
