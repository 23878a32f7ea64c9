import { CircuitBreaker } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { Dependency, Unavailable } from "../support/Dependency.js"
import { atEveryPoint, interruptedAt } from "../support/InterruptionPoints.js"
import { VirtualClock } from "../support/VirtualClock.js"

/** Work of a few steps. */
const work = Effect.gen(function* () {
  for (let step = 0; step < 3; step++) yield* Effect.yieldNow()
})

describe("a probe interrupted between its admission and its start, while it runs, or while it is settled", () => {
  it.scopedLive("gives its place back once, wherever it was", () => {
    const clock = new VirtualClock()
    return Effect.gen(function* () {
      const breaker = yield* CircuitBreaker.make("payment", {
        tripPolicy: CircuitBreaker.consecutive(1),
        openDuration: "10 seconds",
        openJitter: 0,
        // Enough that the circuit stays half-open through all of this.
        halfOpen: { successThreshold: 1_000_000, timeout: "1 hour" }
      })
      yield* Effect.exit(breaker.protect(new Unavailable({})))
      yield* clock.pass(10_000)
      const payment = new Dependency()
      const seen = new Set<string>()
      yield* atEveryPoint((point) =>
        Effect.gen(function* () {
          const asked = payment.asked
          const exit = yield* interruptedAt(point, breaker.protect(payment.ask(work)), Effect.void)
          seen.add(`${payment.asked === asked ? "not begun" : "begun"}, ${exit._tag}`)
          const snapshot = yield* breaker.snapshot
          expect([point, snapshot.state, snapshot.probing]).toEqual([point, "HalfOpen", 0])
        })
      )
      expect(seen).toEqual(new Set(["not begun, Failure", "begun, Failure", "begun, Success"]))
    }).pipe(clock.rule)
  })
})

describe("a call interrupted anywhere while the circuit is closed", () => {
  it.scopedLive("counts at most once, and exactly once if its caller had the answer", () =>
    Effect.gen(function* () {
      const window = CircuitBreaker.count(1_000_000)
      const breaker = yield* CircuitBreaker.make("payment", {
        tripPolicy: CircuitBreaker.rate({ threshold: 1, window, minimumCalls: 1_000_000 })
      })
      const counted = Effect.map(breaker.snapshot, ({ calls }) => calls)
      const called = Effect.exit(breaker.protect(Effect.zipRight(work, new Unavailable({}))))
      yield* atEveryPoint((point) =>
        Effect.gen(function* () {
          const before = yield* counted
          const exit = yield* interruptedAt(point, called, Effect.void)
          const counts = (yield* counted) - before
          expect(counts === 1 || (counts === 0 && Exit.isInterrupted(exit))).toBe(true)
        })
      )
      const all = yield* breaker.snapshot
      expect(all.calls).toBeGreaterThan(0)
      expect(all.failures).toBe(all.calls)
    })
  )
})
