import { Bulkhead, CircuitBreaker, Deadline, Hedge, Outcome, Policy, RateLimiter, Retry, RetryBudget, Timeout } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Deferred, Duration, Effect, Exit, Fiber, FiberRef, Option, Stream, TestClock } from "effect"
import { Declined, Dependency, Unavailable } from "../support/Dependency.js"
import { Listener } from "../support/Listener.js"
import { begin, during, ended, failureOf } from "../support/Passing.js"

const idempotent = true
const tenth = { delay: "100 millis", idempotent, budget: "none" } as const

/** What the copies of a call do, the first first; the last for all that come after. */
const copies = <A, E>(dependency: Dependency, ...each: ReadonlyArray<Effect.Effect<A, E>>) =>
  Effect.suspend(() => {
    const copy = each[Math.min(dependency.asked, each.length - 1)]
    return dependency.ask(copy ?? Effect.dieMessage("no such copy"))
  })

const after = (millis: number) => Effect.as(Effect.sleep(millis), millis)
const fails = Effect.fail(new Unavailable({}))

describe("a hedge", () => {
  it.scoped("makes one copy of a call that answers before the delay", () =>
    Effect.gen(function* () {
      const hedge = yield* Hedge.make("search", tenth)
      const dependency = new Dependency()
      expect(yield* during(100, hedge.protect(dependency.ask(after(99))))).toEqual(Exit.succeed(99))
      yield* TestClock.adjust("1 hour")
      expect(dependency.asked).toBe(1)
    })
  )

  it.scoped("makes a second one after the delay, gives the first answer and ends the other", () => {
    const listener = new Listener()
    return Effect.gen(function* () {
      const hedge = yield* Hedge.make("search", tenth)
      const dependency = new Dependency()
      const call = yield* begin(hedge.protect(copies(dependency, Effect.never, after(10))))
      yield* TestClock.adjust("99 millis")
      expect(dependency.asked).toBe(1)
      yield* TestClock.adjust("1 millis")
      expect([dependency.asked, dependency.running]).toEqual([2, 2])
      yield* TestClock.adjust("10 millis")
      expect(yield* ended(call)).toEqual(Exit.succeed(10))
      expect([dependency.asked, dependency.running]).toEqual([2, 0])
      expect(yield* during(120, hedge.protect(copies(new Dependency(), after(105), Effect.never)))).toEqual(Exit.succeed(105))
      expect(listener.of("HedgeSettled")).toMatchObject([
        { policy: "search", hedge: 1, result: "won", delay: 100 },
        { policy: "search", hedge: 1, result: "lost", delay: 100 }
      ])
    }).pipe(listener.hear)
  })
})
