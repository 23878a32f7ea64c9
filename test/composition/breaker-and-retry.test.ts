/** What the order of a circuit breaker and a retry decides: what counts as one call, and what an open circuit does. */
import { Backoff, CircuitBreaker, Policy, Retry } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import { Dependency, Unavailable } from "../support/Dependency.js"
import { failureOf } from "../support/Passing.js"
import { play, script } from "../support/Play.js"

const opensAfter = (failures: number) =>
  CircuitBreaker.make("breaker", {
    tripPolicy: CircuitBreaker.consecutive(failures),
    openDuration: "10 seconds",
    openJitter: 0
  })

const retrying = Retry.make("retry", { maxRetries: 2, backoff: Backoff.constant("100 millis") })
const unavailable = Effect.fail(new Unavailable({}))

describe("breaker outside, retry inside", () => {
  it.scoped("a request is one call, however often it was repeated", () =>
    Effect.gen(function* () {
      const breaker = yield* opensAfter(2)
      const policy = Policy.all(breaker, yield* retrying)
      const payment = script(unavailable)
      yield* play(policy.protect(payment.call), "1 second")
      expect(payment.at).toHaveLength(3)
      expect(yield* breaker.snapshot).toMatchObject({ state: "Closed", calls: 1, failures: 1 })
    })
  )

  it.scoped("an open circuit is asked once", () =>
    Effect.gen(function* () {
      const breaker = yield* opensAfter(1)
      const policy = Policy.all(breaker, yield* retrying)
      yield* Effect.exit(breaker.protect(unavailable))
      const payment = new Dependency()
      const played = yield* play(policy.protect(payment.answers()), "1 second")
      expect(failureOf(played.exit)).toMatchObject({ _tag: "CircuitOpen" })
      expect([played.at, payment.asked]).toEqual([0, 0])
    })
  )

  it.scoped("a probe is repeated here, for the two do not know each other: `standard` does not do that", () =>
    Effect.gen(function* () {
      const breaker = yield* opensAfter(1)
      const policy = Policy.all(breaker, yield* retrying)
      yield* Effect.exit(breaker.protect(unavailable))
      yield* TestClock.adjust("10 seconds")
      const payment = script(unavailable)
      yield* play(policy.protect(payment.call), "1 second")
      expect(payment.at).toHaveLength(3)
    })
  )
})

describe("retry outside, breaker inside", () => {
  it.scoped("every attempt is a call", () =>
    Effect.gen(function* () {
      const breaker = yield* opensAfter(100)
      const policy = Policy.all(yield* retrying, breaker)
      const payment = script(unavailable)
      yield* play(policy.protect(payment.call), "1 second")
      expect(payment.at).toHaveLength(3)
      expect(yield* breaker.snapshot).toMatchObject({ calls: 3, failures: 3 })
    })
  )

  it.scoped("one request can open the circuit by itself, and then it is refused and not repeated any more", () =>
    Effect.gen(function* () {
      const breaker = yield* opensAfter(2)
      const policy = Policy.all(yield* retrying, breaker)
      const payment = script(unavailable)
      const played = yield* play(policy.protect(payment.call), "1 second")
      expect(payment.at).toEqual([0, 100])
      expect(failureOf(played.exit)).toMatchObject({ _tag: "CircuitOpen" })
      expect(played.at).toBe(200)
    })
  )
})
