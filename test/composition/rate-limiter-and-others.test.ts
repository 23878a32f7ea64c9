/** What the order of a rate limiter and another policy decides: what takes a permit, and where the wait for one counts. */
import {
  Backoff,
  Bulkhead,
  CircuitBreaker,
  Deadline,
  Policy,
  RateLimiter,
  Retry,
  Timeout
} from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, TestClock } from "effect"
import { Dependency } from "../support/Dependency.js"
import { begin, during, ended, failureOf } from "../support/Passing.js"

const parts = Effect.all({
  limiter: RateLimiter.make("limiter", { limit: 2, window: "20 seconds" }),
  retry: Retry.make("retry", { maxRetries: 2, backoff: Backoff.constant(0) }),
  breaker: CircuitBreaker.make("breaker", { tripPolicy: CircuitBreaker.consecutive(1), openDuration: "1 hour" }),
  timeout: Timeout.make("timeout", { duration: "1 second" }),
  bulkhead: Bulkhead.make("bulkhead", { maxConcurrent: 1 }),
  budget: Deadline.make("deadline", "1 second")
})

/** Takes what there is, so that the next permit is ten seconds away. */
const emptied = Effect.tap(parts, ({ limiter }) => Effect.replicateEffect(limiter.take(), 2))
const left = (limiter: RateLimiter.RateLimiter) => Effect.map(limiter.snapshot, ({ available }) => available)

describe("rate limiter and retry", () => {
  it.scoped("limiter outside: one permit for a call, however often it is repeated", () =>
    Effect.gen(function* () {
      const { limiter, retry } = yield* parts
      const dependency = new Dependency()
      yield* Effect.exit(Policy.all(RateLimiter.forKey(limiter), retry).protect(dependency.fails()))
      expect([dependency.asked, yield* left(limiter)]).toEqual([3, 1])
    })
  )

  it.scoped("limiter inside: one for each attempt, and its refusal ends the repeating", () =>
    Effect.gen(function* () {
      const { limiter, retry } = yield* parts
      const dependency = new Dependency()
      const exit = yield* Effect.exit(Policy.all(retry, RateLimiter.forKey(limiter)).protect(dependency.fails()))
      expect(failureOf(exit)).toMatchObject({ _tag: "RateLimited" })
      expect([dependency.asked, yield* left(limiter)]).toEqual([2, 0])
    })
  )
})

describe("rate limiter and breaker", () => {
  it.scoped("limiter inside: an open circuit takes nothing; outside: each call that it refuses has taken one", () =>
    Effect.gen(function* () {
      const { breaker, limiter } = yield* parts
      const dependency = new Dependency()
      const limited = RateLimiter.forKey(limiter)
      yield* Effect.exit(Policy.all(breaker, limited).protect(dependency.fails()))
      yield* Effect.exit(Policy.all(breaker, limited).protect(dependency.answers()))
      expect(yield* left(limiter)).toBe(1)
      yield* Effect.exit(Policy.all(limited, breaker).protect(dependency.answers()))
      expect([dependency.asked, yield* left(limiter)]).toEqual([1, 0])
    })
  )

  it.scoped("either way round, a refusal of the limiter is no failure of the dependency", () =>
    Effect.gen(function* () {
      const { breaker, limiter } = yield* emptied
      const limited = RateLimiter.forKey(limiter)
      for (const policy of [Policy.all(breaker, limited), Policy.all(limited, breaker)]) {
        expect(failureOf(yield* Effect.exit(policy.protect(Effect.void)))).toMatchObject({ _tag: "RateLimited" })
      }
      expect(yield* breaker.snapshot).toMatchObject({ state: "Closed", calls: 0 })
    })
  )
})

describe("rate limiter and timeout", () => {
  it.scoped("timeout inside: the wait for a permit is not part of the limit", () =>
    Effect.gen(function* () {
      const { limiter, timeout } = yield* emptied
      const dependency = new Dependency()
      const inTurn = RateLimiter.forKey(limiter, { onExceeded: "wait" })
      const call = yield* begin(Policy.all(inTurn, timeout).protect(dependency.answers()))
      yield* TestClock.adjust("10 seconds")
      expect([dependency.asked, yield* ended(call)]).toEqual([1, Exit.succeed("answer")])
    })
  )

  it.scoped("timeout outside: it is, and who reaches the limit leaves the line", () =>
    Effect.gen(function* () {
      const { limiter, timeout } = yield* emptied
      const dependency = new Dependency()
      const inTurn = RateLimiter.forKey(limiter, { onExceeded: "wait" })
      const exit = yield* during("1 second", Policy.all(timeout, inTurn).protect(dependency.answers()))
      expect(failureOf(exit)).toMatchObject({ _tag: "TimedOut" })
      expect([dependency.asked, (yield* limiter.snapshot).lines]).toEqual([0, 0])
    })
  )
})

describe("rate limiter and bulkhead", () => {
  it.scoped("who waits in turn holds a permit of a bulkhead outside, and none of one inside", () =>
    Effect.gen(function* () {
      for (const [isOutside, active] of [
        [true, 1],
        [false, 0]
      ] as const) {
        const { bulkhead, limiter } = yield* emptied
        const inTurn = RateLimiter.forKey(limiter, { onExceeded: "wait" })
        const policy = isOutside ? Policy.all(bulkhead, inTurn) : Policy.all(inTurn, bulkhead)
        yield* begin(policy.protect(Effect.void))
        expect(yield* bulkhead.snapshot).toMatchObject({ active })
      }
    })
  )
})

describe("rate limiter and deadline", () => {
  it.scoped("deadline outside: a wait that it would not outlast is refused at once", () =>
    Effect.gen(function* () {
      const { budget, limiter } = yield* emptied
      const inTurn = RateLimiter.forKey(limiter, { onExceeded: "wait" })
      const exit = yield* Effect.exit(Policy.all(budget, inTurn).protect(Effect.void))
      expect(failureOf(exit)).toMatchObject({ _tag: "RateLimited" })
    })
  )

  it.scoped("deadline inside: the wait is as long as it takes, and the budget begins after it", () =>
    Effect.gen(function* () {
      const { budget, limiter } = yield* emptied
      const inTurn = RateLimiter.forKey(limiter, { onExceeded: "wait" })
      const call = yield* begin(Policy.all(inTurn, budget).protect(Effect.as(Effect.sleep("900 millis"), "done")))
      yield* TestClock.adjust("10900 millis")
      expect(yield* ended(call)).toEqual(Exit.succeed("done"))
    })
  )
})
