import { Backoff, InvalidOptions, Outcome, Policy, PolicyRegistry, Retry, RetryBudget } from "@effect-resilience/core"
import { RetryBudget as Machine } from "@effect-resilience/machines"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Option, TestClock } from "effect"
import * as fc from "fast-check"
import { Dependency, Unavailable } from "../support/Dependency.js"
import { cases, long } from "../support/Law.js"
import { Listener } from "../support/Listener.js"

const atOnce = { maxRetries: 3, backoff: Backoff.constant(0) } as const
const none = { ratio: 0, minPerSecond: 0 } as const
const slow = { maxRetries: 1, backoff: Backoff.constant("1 minute") } as const

const problemsOf = (exit: Exit.Exit<unknown, unknown>) => {
  const defect = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.dieOption(exit.cause)) : undefined
  return defect instanceof InvalidOptions.InvalidOptions ? defect.problems.map(({ option }) => option) : []
}

describe("a budget for retries", () => {
  it.scoped("pays for its ratio of the calls, whoever of those that share it makes them", () =>
    Effect.gen(function* () {
      const dependency = new Dependency()
      const budget = yield* RetryBudget.make("shared", { ratio: 0.5, minPerSecond: 0 })
      const one = yield* Retry.make("one", { ...atOnce, budget })
      const other = yield* Retry.make("other", { ...atOnce, budget })
      yield* Effect.replicateEffect(one.protect(dependency.answers()), 10)
      expect(yield* budget.snapshot).toEqual({ available: 5, remaining: 1 })
      yield* Effect.exit(other.protect(dependency.fails()))
      expect(dependency.asked).toBe(10 + 4)
      yield* Effect.exit(other.protect(dependency.fails()))
      expect(dependency.asked).toBe(10 + 4 + 4)
      expect(yield* budget.snapshot).toEqual({ available: 0, remaining: 0 })
    })
  )

  it.effect("that is empty gives the caller the last error at once, and says why", () => {
    const listener = new Listener()
    return Effect.gen(function* () {
      const dependency = new Dependency()
      const budget = yield* RetryBudget.make("p", none)
      const retry = yield* Retry.make("p", { ...slow, budget })
      const call = yield* Effect.fork(Effect.exit(retry.protect(dependency.fails())))
      expect(yield* Fiber.join(call)).toEqual(Exit.fail(new Unavailable({})))
      expect(dependency.asked).toBe(1)
      expect(listener.of("RetriesExhausted")).toMatchObject([{ policy: "p", attempts: 1, reason: "budget" }])
    }).pipe(listener.hear, Effect.scoped)
  })

  it.scoped("forgets calls and retries after its ttl", () =>
    Effect.gen(function* () {
      const dependency = new Dependency()
      const budget = yield* RetryBudget.make("p", { ratio: 1, minPerSecond: 0.1, ttl: "10 seconds" })
      const retry = yield* Retry.make("p", { ...atOnce, budget })
      yield* Effect.replicateEffect(retry.protect(dependency.answers()), 3)
      expect((yield* budget.snapshot).available).toBe(4)
      yield* TestClock.adjust("10 seconds")
      expect((yield* budget.snapshot).available).toBe(1)
      yield* Effect.exit(retry.protect(dependency.fails()))
      expect(dependency.asked).toBe(3 + 3)
      yield* TestClock.adjust("11 seconds")
      expect((yield* budget.snapshot).available).toBe(1)
    })
  )

  it.scoped("of tokens gets back what a retry took when that succeeds, and one for a first success", () =>
    Effect.gen(function* () {
      const dependency = new Dependency()
      const budget = yield* RetryBudget.make("p", RetryBudget.tokens({ capacity: 20, cost: 5 }))
      const retry = yield* Retry.make("p", { ...atOnce, budget })
      yield* Effect.exit(retry.protect(dependency.fails()))
      expect(yield* budget.snapshot).toEqual({ available: 1, remaining: 0.25 })
      yield* retry.protect(dependency.answers())
      expect((yield* budget.snapshot).remaining).toBe(0.3)
      const second = Effect.suspend(() => (dependency.asked % 2 === 1 ? dependency.fails() : dependency.answers()))
      expect(dependency.asked % 2).toBe(1)
      yield* retry.protect(second)
      expect((yield* budget.snapshot).remaining).toBe(0.3)
      yield* Effect.replicateEffect(retry.protect(dependency.answers()), 30)
      expect((yield* budget.snapshot).remaining).toBe(1)
    })
  )

  it.scoped("serves retries of typed errors as well", () =>
    Effect.gen(function* () {
      const dependency = new Dependency()
      const budget = yield* RetryBudget.make("p", none)
      yield* Effect.exit(Retry.retry(dependency.fails(), { schedule: Backoff.constant(0), budget }))
      expect(dependency.asked).toBe(1)
    })
  )

  it.scoped("is registered while its scope lives, and dies of all options that are out of range", () =>
    Effect.gen(function* () {
      const budget = yield* RetryBudget.make("p")
      expect((yield* PolicyRegistry.entries).some(({ policy }) => policy === budget)).toBe(true)
      expect([budget, {}].map(RetryBudget.isRetryBudget)).toEqual([true, false])
      const wrong = yield* Effect.exit(RetryBudget.make("p", { ratio: -1, minPerSecond: NaN, ttl: 0 }))
      expect(problemsOf(wrong)).toEqual(["ratio", "minPerSecond", "ttl"])
      const empty = yield* Effect.exit(RetryBudget.make("p", RetryBudget.tokens({ capacity: -1, cost: 0 })))
      expect(problemsOf(empty)).toEqual(["capacity", "cost"])
    })
  )
})

describe("a standard policy", () => {
  const bare = { deadline: "none", timeout: "none", circuitBreaker: "none", bulkhead: "none", retry: atOnce } as const

  it.scoped("has a budget by default: ten seconds of failures make no more retries than it pays for", () =>
    Effect.gen(function* () {
      const dependency = new Dependency()
      const policy = yield* Policy.standard("p", bare)
      yield* Effect.replicateEffect(Effect.exit(policy.protect(dependency.fails())), 100)
      expect(dependency.asked).toBe(100 + 0.2 * 100 + 10)
      expect(Option.isSome(policy.retryBudget)).toBe(true)
    })
  )

  it.scoped("has none where that is said, nor without retries, and shares one that it is given", () =>
    Effect.gen(function* () {
      const dependency = new Dependency()
      const without = yield* Policy.standard("p", { ...bare, retryBudget: "none" })
      yield* Effect.replicateEffect(Effect.exit(without.protect(dependency.fails())), 100)
      expect(dependency.asked).toBe(400)
      expect(Option.isNone(without.retryBudget)).toBe(true)
      expect(Option.isNone((yield* Policy.standard("p", { ...bare, retry: "none" })).retryBudget)).toBe(true)
      expect(Option.isNone((yield* Policy.standard("p", { retry: { maxRetries: 0 } })).retryBudget)).toBe(true)
      const budget = yield* RetryBudget.make("shared", { ratio: 1, minPerSecond: 0 })
      const reads = yield* Policy.standard("reads", { ...bare, retryBudget: budget })
      const writes = yield* Policy.standard("writes", { ...bare, retry: "none", retryBudget: budget })
      yield* Effect.replicateEffect(writes.protect(dependency.answers()), 7)
      yield* reads.with({ repeatable: false }).protect(dependency.answers())
      expect((yield* budget.snapshot).available).toBe(8)
      yield* Effect.exit(reads.protect(dependency.fails()))
      expect((yield* budget.snapshot).available).toBe(6)
    })
  )

  it.scoped("takes results that a classifier calls ill for no success", () =>
    Effect.gen(function* () {
      const tokens = RetryBudget.tokens({ capacity: 10, cost: 5 })
      const classify: Outcome.Classify = (exit) =>
        Exit.isSuccess(exit) && exit.value === "ill" ? Outcome.failure({ transient: true }) : Outcome.classify(exit)
      const policy = yield* Policy.standard("p", { ...bare, retryBudget: tokens, classify })
      const budget = Option.getOrThrow(policy.retryBudget)
      yield* policy.protect(Effect.succeed("ill"))
      expect((yield* budget.snapshot).remaining).toBe(0)
      yield* policy.protect(Effect.succeed("well"))
      expect((yield* budget.snapshot).remaining).toBe(0.1)
    })
  )

  it("names every option of its budget that is out of range", () => {
    const exit = Effect.runSyncExit(
      Effect.scoped(Policy.standard("p", { retryBudget: { ratio: -1, ttl: "0 millis" } }))
    )
    expect(problemsOf(exit)).toEqual(["retryBudget.ratio", "retryBudget.ttl"])
  })

  it("is explained with its budget, and retries around it with what that makes of them", () => {
    const told = Policy.explain("p", { retry: { maxRetries: 2 } }, { outerRetries: 3 })
    expect(told.layers.map(({ layer }) => layer).slice(-3)).toEqual(["retry", "retry budget", "timeout"])
    expect(told.traps.find(({ rule }) => rule === "amplification")?.message).toBe(
      "3 retries around 2 retries: one request can become 12 calls; its budget pays for 0.2 retries of each of the 4, which makes it 4.8 for each request while all fail"
    )
    const without = Policy.explain("p", { retryBudget: "none" }, { outerRetries: 3 })
    expect(without.layers.some(({ layer }) => layer === "retry budget")).toBe(false)
    expect(without.traps.find(({ rule }) => rule === "amplification")?.message).not.toContain("budget")
  })
})

describe("what calls tell a budget", () => {
  it("is put into it late, and is the same as if it had been at once", () => {
    let refused = 0
    let granted = 0
    const config: fc.Arbitrary<Machine.RatioConfig> = fc.record({
      _tag: fc.constant("Ratio"),
      ratio: fc.constantFrom(0, 0.2, 1, 3),
      minPerSecond: fc.constantFrom(0, 0.5, 2),
      ttlMillis: fc.constantFrom(1, 7, 33, 1000, 10_000)
    })
    const step = fc.record({
      retries: fc.boolean(),
      afterMillis: fc.constantFrom(0, 0, 0, 1, 2, 3, 5, 50, 999, 20_000)
    })
    fc.assert(
      fc.property(config, long(step, 200), fc.nat(1_000_000), (of, steps, from) => {
        const account = new RetryBudget.Account(of)
        let state = Machine.initial(of)
        let now = from
        for (const { afterMillis, retries } of steps) {
          now += afterMillis
          if (retries) {
            const [wanted, next] = Machine.withdraw(of, state, now)
            state = next
            expect(account.withdraw(now)).toBe(wanted)
            if (wanted) granted++
            else refused++
          } else {
            state = Machine.called(of, state, now)
            account.called(now)
          }
        }
        expect(account.snapshot(now).available).toBe(Machine.available(of, state, now))
      }),
      cases(300)
    )
    expect(Math.min(granted, refused)).toBeGreaterThan(500)
  })
})
