import { Backoff, CircuitBreaker, Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"
import { Unavailable } from "../support/Dependency.js"
import { HandClock } from "../support/HandClock.js"
import { begin, failureOf } from "../support/Passing.js"
import { play, script } from "../support/Play.js"

const window = CircuitBreaker.count(10)

/** Retries once, two seconds later; from one second on an attempt is slow. */
const make = Policy.standard("payment", {
  deadline: "20 seconds",
  timeout: "4 seconds",
  retry: { maxRetries: 1, backoff: Backoff.constant("2 seconds") },
  circuitBreaker: {
    tripPolicy: CircuitBreaker.slow({ threshold: 1, slowerThan: "1 second", window, minimumCalls: 5 })
  }
})

const after = (millis: number, answer: Effect.Effect<string, Unavailable>) =>
  Effect.zipRight(Effect.sleep(millis), answer)
const unavailable = Effect.fail(new Unavailable({}))

/** What the circuit counted of one call. */
const counted = (policy: Policy.Standard) =>
  Effect.flatMap(Effect.orDie(policy.circuitBreaker), (breaker) =>
    Effect.map(breaker.snapshot, ({ calls, failures, slow }) => ({ calls, failures, slow }))
  )

describe("how long a call under a standard policy lasted", () => {
  it.scoped("is how long its last attempt did: neither waits nor attempts before count", () =>
    Effect.gen(function* () {
      const quick = yield* make
      const slowAtFirst = script(after(3_000, unavailable), after(999, Effect.succeed("answer")))
      yield* play(quick.protect(slowAtFirst.call), "10 seconds")
      expect(yield* counted(quick)).toEqual({ calls: 1, failures: 0, slow: 0 })
      const late = yield* make
      const slowAtLast = script(unavailable, after(1_000, Effect.succeed("answer")))
      yield* play(late.protect(slowAtLast.call), "10 seconds")
      expect(yield* counted(late)).toEqual({ calls: 1, failures: 0, slow: 1 })
    })
  )

  it.scoped("decides too whether a call that was cut short had had its patience", () =>
    Effect.gen(function* () {
      for (const [cutAfter, calls] of [
        // In the wait between the attempts, which nobody's patience is for.
        [1_999, 0],
        [2_999, 0],
        [3_000, 1]
      ] as const) {
        const policy = yield* make
        const payment = script(unavailable, Effect.never)
        const call = yield* begin(policy.protect(payment.call))
        yield* TestClock.adjust(cutAfter)
        yield* Fiber.interrupt(call)
        expect(yield* counted(policy)).toEqual({ calls, failures: 0, slow: calls })
      }
    })
  )
})

describe("a wait between attempts that was longer than it was meant to be", () => {
  it.scoped("ends in the last failure, which counts, where nothing of the budget is left", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", {
        deadline: "200 millis",
        timeout: "100 millis",
        retry: { maxRetries: 1, backoff: Backoff.constant("50 millis") },
        circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(1) }
      })
      const payment = script(unavailable)
      const clock = new HandClock()
      const call = yield* begin(clock.rule(policy.protect(payment.call)))
      // The clock that the others go by wakes each at its own moment; this one is late.
      yield* clock.tick(300)
      expect(failureOf(yield* Fiber.await(call))).toBeInstanceOf(Unavailable)
      expect(payment.at).toEqual([0])
      expect(yield* Effect.flatMap(Effect.orDie(policy.circuitBreaker), ({ state }) => state)).toBe("Open")
    })
  )
})
