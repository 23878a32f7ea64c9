/** A standard policy with a throttle and a rate limit, interrupted at every point: no permit of the bulkhead stays taken. */
import { Backoff, Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { Dependency, Unavailable } from "../support/Dependency.js"
import { atEveryPoint, interruptedAt } from "../support/InterruptionPoints.js"

/** Work of a few steps. */
const work = Effect.gen(function* () {
  for (let step = 0; step < 3; step++) yield* Effect.yieldNow()
})

const options: Policy.StandardOptions = {
  circuitBreaker: "none",
  retry: { maxRetries: 2, backoff: Backoff.constant(0) },
  bulkhead: { maxConcurrent: 1 },
  throttle: { maxRejection: 0.5, window: 10 }
}

describe("a call interrupted anywhere", () => {
  for (const [name, ending, limit, begins] of [
    ["that succeeds", work, 1_000_000, true],
    ["whose attempts fail", Effect.zipRight(work, new Unavailable({})), 1_000_000, true],
    ["that waits for the rate limit", work, 1, false]
  ] as const) {
    it.scopedLive(`${name}, gives its permit back and leaves its line`, () =>
      Effect.gen(function* () {
        const rateLimit = { limit, window: "1 hour", onExceeded: "wait" } as const
        const policy = yield* Policy.standard("payment", { ...options, deadline: "none", rateLimit })
        const bulkhead = Option.getOrThrow(policy.bulkhead)
        const limiter = Option.getOrThrow(policy.rateLimiter)
        if (!begins) yield* policy.protect(Effect.void)
        const payment = new Dependency()
        yield* atEveryPoint((point) =>
          Effect.gen(function* () {
            yield* interruptedAt(point, policy.protect(payment.ask(ending)), Effect.void)
            const { lines } = yield* limiter.snapshot
            expect([point, (yield* bulkhead.snapshot).active, payment.running, lines]).toEqual([point, 0, 0, 0])
          })
        )
        expect(payment.asked > 0).toBe(begins)
      })
    )
  }
})
