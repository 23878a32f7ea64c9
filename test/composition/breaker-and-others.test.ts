/** What the order of a circuit breaker and a timeout, a bulkhead, or a deadline decides: what the circuit hears of. */
import { Bulkhead, CircuitBreaker, Deadline, Fallback, Policy, Timeout } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { Dependency, Unavailable } from "../support/Dependency.js"
import { begin, during, failureOf } from "../support/Passing.js"

const parts = Effect.all({
  breaker: CircuitBreaker.make("breaker", {
    tripPolicy: CircuitBreaker.consecutive(1),
    patience: "5 seconds",
    openJitter: 0
  }),
  bulkhead: Bulkhead.make("bulkhead", { maxConcurrent: 1 }),
  timeout: Timeout.make("timeout", { duration: "1 second" }),
  budget: Deadline.make("deadline", "1 second")
})

describe("breaker and timeout", () => {
  it.scoped("a timeout inside is a failure that opens the circuit", () =>
    Effect.gen(function* () {
      const { breaker, timeout } = yield* parts
      const exit = yield* during("1 second", Policy.all(breaker, timeout).protect(Effect.never))
      expect(failureOf(exit)).toMatchObject({ _tag: "TimedOut" })
      expect(yield* breaker.state).toBe("Open")
    })
  )

  it.scoped(
    "a timeout outside cuts the call short, which says nothing before the dependency has had its patience",
    () =>
      Effect.gen(function* () {
        const { breaker, timeout } = yield* parts
        const exit = yield* during("1 second", Policy.all(timeout, breaker).protect(Effect.never))
        expect(failureOf(exit)).toMatchObject({ _tag: "TimedOut" })
        expect(yield* breaker.snapshot).toMatchObject({ state: "Closed", calls: 0 })
        const patient = yield* Timeout.make("patient", { duration: "5 seconds" })
        yield* during("5 seconds", Policy.all(patient, breaker).protect(Effect.never))
        expect(yield* breaker.state).toBe("Open")
      })
  )
})

describe("breaker and deadline", () => {
  it.scoped("a budget inside is the call's own, and its end a failure; outside it is the caller's", () =>
    Effect.gen(function* () {
      const inside = yield* parts
      yield* during("1 second", Policy.all(inside.breaker, inside.budget).protect(Effect.never))
      expect(yield* inside.breaker.state).toBe("Open")
      const outside = yield* parts
      yield* during("1 second", Policy.all(outside.budget, outside.breaker).protect(Effect.never))
      expect(yield* outside.breaker.snapshot).toMatchObject({ state: "Closed", calls: 0 })
    })
  )
})

describe("breaker and bulkhead", () => {
  it.scoped("either way round, a refusal of the bulkhead is no failure of the dependency", () =>
    Effect.gen(function* () {
      const { breaker, bulkhead } = yield* parts
      yield* begin(bulkhead.protect(Effect.never))
      for (const policy of [Policy.all(breaker, bulkhead), Policy.all(bulkhead, breaker)]) {
        expect(failureOf(yield* Effect.exit(policy.protect(Effect.void)))).toMatchObject({ _tag: "BulkheadFull" })
      }
      expect(yield* breaker.snapshot).toMatchObject({ state: "Closed", calls: 0 })
    })
  )

  it.scoped("an open circuit outside takes no permit, inside it takes one and gives it back", () =>
    Effect.gen(function* () {
      const { breaker, bulkhead } = yield* parts
      yield* Effect.exit(breaker.protect(new Unavailable({})))
      for (const policy of [Policy.all(breaker, bulkhead), Policy.all(bulkhead, breaker)]) {
        expect(failureOf(yield* Effect.exit(policy.protect(Effect.void)))).toMatchObject({ _tag: "CircuitOpen" })
        expect(yield* bulkhead.snapshot).toMatchObject({ active: 0 })
      }
      yield* begin(bulkhead.protect(Effect.never))
      const refused = yield* Effect.exit(Policy.all(bulkhead, breaker).protect(Effect.void))
      expect(failureOf(refused)).toMatchObject({ _tag: "BulkheadFull" })
    })
  )
})

describe("a fallback", () => {
  const answer = (self: Effect.Effect<string, Unavailable | Policy.StandardError>) =>
    self.pipe(
      Fallback.primary,
      Fallback.tier("static", { kind: "static" }, () => Effect.succeed("some"))
    )

  it.scoped("outside a policy answers its refusals too, and the circuit still hears of the failures", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("search", {
        circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(1) },
        retry: "none"
      })
      const search = new Dependency()
      const call = answer(policy.protect(search.fails()))
      const both = [yield* call, yield* call]
      expect(both).toMatchObject([
        { tier: "static", degraded: true },
        { tier: "static", degraded: true }
      ])
      expect(search.asked).toBe(1)
    })
  )

  it.scoped("inside a policy hides the failures from the circuit, which never opens", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("search", {
        circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(1) },
        retry: "none"
      })
      const circuit = yield* Effect.orDie(policy.circuitBreaker)
      const search = new Dependency()
      const call = policy.protect(answer(search.fails()))
      yield* call
      yield* call
      expect(search.asked).toBe(2)
      expect(yield* circuit.snapshot).toMatchObject({ state: "Closed", calls: 1, failures: 0 })
    })
  )
})
