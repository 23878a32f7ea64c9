/** What the order of a hedge and another policy decides: whether the other sees a call, or each copy of it. */
import {
  Backoff,
  Bulkhead,
  CircuitBreaker,
  Deadline,
  Hedge,
  Policy,
  Retry,
  RetryBudget,
  Timeout
} from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, TestClock } from "effect"
import { Dependency, Unavailable } from "../support/Dependency.js"
import { begin, during, ended, failureOf } from "../support/Passing.js"

const parts = Effect.all({
  hedge: Hedge.make("hedge", { delay: "1 second", idempotent: true, budget: "none" }),
  retry: Retry.make("retry", { maxRetries: 1, backoff: Backoff.constant("100 millis") }),
  breaker: CircuitBreaker.make("breaker", { tripPolicy: CircuitBreaker.consecutive(5) }),
  timeout: Timeout.make("timeout", { duration: "1500 millis" }),
  bulkhead: Bulkhead.make("bulkhead", { maxConcurrent: 1 }),
  budget: Deadline.make("deadline", "1500 millis")
})

const failsAfter = (millis: number) => Effect.zipRight(Effect.sleep(millis), new Unavailable({}))

describe("hedge and retry", () => {
  it.scoped("retry outside: an attempt has failed when all its copies have, and is repeated in copies", () =>
    Effect.gen(function* () {
      const { hedge, retry } = yield* parts
      const dependency = new Dependency()
      const call = yield* begin(Policy.all(retry, hedge).protect(dependency.ask(failsAfter(100))))
      yield* TestClock.adjust("200 millis")
      expect(dependency.asked).toBe(2)
      yield* TestClock.adjust("1 second")
      expect(failureOf(yield* ended(call))).toBeInstanceOf(Unavailable)
      expect([dependency.asked, dependency.mostRunning]).toEqual([4, 1])
    })
  )

  it.scoped("retry inside: each copy is repeated by itself, and its waits count for the delay", () =>
    Effect.gen(function* () {
      const { hedge, retry } = yield* parts
      const dependency = new Dependency()
      const call = yield* begin(Policy.all(hedge, retry).protect(dependency.ask(failsAfter(600))))
      yield* TestClock.adjust("1 second")
      expect([dependency.asked, dependency.running]).toEqual([3, 2])
      yield* TestClock.adjust("1300 millis")
      expect(failureOf(yield* ended(call))).toBeInstanceOf(Unavailable)
      expect(dependency.asked).toBe(4)
    })
  )

  it.scoped("a budget that both share hears of the call from the one, and of each attempt from the other", () =>
    Effect.gen(function* () {
      const budget = yield* RetryBudget.make("budget", { ratio: 1, minPerSecond: 0 })
      const retry = yield* Retry.make("retry", { maxRetries: 1, budget })
      const hedge = yield* Hedge.make("hedge", { delay: "1 second", idempotent: true, budget })
      yield* Policy.all(retry, hedge).protect(new Dependency().answers())
      expect((yield* budget.snapshot).available).toBe(2)
      const shared = yield* RetryBudget.make("shared", { ratio: 1, minPerSecond: 0 })
      const standard = yield* Policy.standard("standard", {
        retryBudget: shared,
        hedge: { delay: "1 second", idempotent: true }
      })
      yield* standard.protect(new Dependency().answers())
      expect((yield* shared.snapshot).available).toBe(1)
    })
  )
})

describe("hedge and breaker", () => {
  it.scoped("breaker outside: one call, whatever its copies come to; inside: each copy that fails is a failure", () =>
    Effect.gen(function* () {
      for (const [isOutside, calls] of [
        [true, 1],
        [false, 2]
      ] as const) {
        const { breaker, hedge } = yield* parts
        const dependency = new Dependency()
        const policy = isOutside ? Policy.all(breaker, hedge) : Policy.all(hedge, breaker)
        yield* Effect.exit(policy.protect(dependency.fails()))
        expect(dependency.asked).toBe(2)
        expect(yield* breaker.snapshot).toMatchObject({ calls, failures: calls })
      }
    })
  )
})

describe("hedge and timeout", () => {
  it.scoped("timeout outside: all copies together have the limit; inside: each has its own", () =>
    Effect.gen(function* () {
      for (const [isOutside, lasts] of [
        [true, 1_500],
        [false, 2_500]
      ] as const) {
        const { hedge, timeout } = yield* parts
        const dependency = new Dependency()
        const policy = isOutside ? Policy.all(timeout, hedge) : Policy.all(hedge, timeout)
        const call = yield* begin(policy.protect(dependency.hangs()))
        yield* TestClock.adjust(lasts - 1)
        expect(dependency.running).toBeGreaterThan(0)
        yield* TestClock.adjust(1)
        expect(failureOf(yield* ended(call))).toMatchObject({ _tag: "TimedOut" })
        expect([dependency.asked, dependency.running]).toEqual([2, 0])
      }
    })
  )
})

describe("hedge and bulkhead", () => {
  it.scoped("bulkhead outside: one permit for all copies", () =>
    Effect.gen(function* () {
      const { bulkhead, hedge } = yield* parts
      const dependency = new Dependency()
      yield* begin(Policy.all(bulkhead, hedge).protect(dependency.hangs()))
      yield* TestClock.adjust("1 second")
      expect(dependency.running).toBe(2)
      expect(yield* bulkhead.snapshot).toMatchObject({ active: 1 })
    })
  )

  it.scoped("bulkhead inside: a copy that gets no permit leaves the first to answer", () =>
    Effect.gen(function* () {
      const { bulkhead, hedge } = yield* parts
      const dependency = new Dependency()
      const slow = dependency.ask(Effect.as(Effect.sleep("2 seconds"), "slow"))
      const exit = yield* during("2 seconds", Policy.all(hedge, bulkhead).protect(slow))
      expect([dependency.asked, exit]).toEqual([1, Exit.succeed("slow")])
    })
  )
})

describe("hedge and deadline", () => {
  it.scoped(
    "deadline outside: no copy begins that it leaves too little time; inside: each has a budget of its own",
    () =>
      Effect.gen(function* () {
        for (const [isOutside, asked] of [
          [true, 1],
          [false, 2]
        ] as const) {
          const { budget } = yield* parts
          const hedge = yield* Hedge.make("hedge", { delay: "1 second", minAttempt: "1 second", idempotent: true })
          const dependency = new Dependency()
          const policy = isOutside ? Policy.all(budget, hedge) : Policy.all(hedge, budget)
          const exit = yield* during("1500 millis", policy.protect(dependency.hangs()))
          expect(failureOf(exit)).toMatchObject({ _tag: "DeadlineExceeded" })
          expect(dependency.asked).toBe(asked)
        }
      })
  )
})
