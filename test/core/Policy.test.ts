import {
  Bulkhead,
  CircuitBreaker,
  Deadline,
  InvalidOptions,
  Policy,
  PolicyRegistry,
  Retry,
  Timeout
} from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Layer, Option } from "effect"
import { Dependency, Unavailable } from "../support/Dependency.js"
import { begin, failureOf } from "../support/Passing.js"

class PaymentPolicy extends Context.Tag("test/PaymentPolicy")<PaymentPolicy, Policy.Standard>() {}

describe("all", () => {
  it.scoped("puts policies around each other, outermost first", () =>
    Effect.gen(function* () {
      const bulkhead = yield* Bulkhead.make("permits", { maxConcurrent: 1 })
      const breaker = yield* CircuitBreaker.make("circuit", { tripPolicy: CircuitBreaker.consecutive(1) })
      yield* begin(bulkhead.protect(Effect.never))
      yield* Effect.exit(breaker.protect(new Unavailable({})))
      const refusal = (policy: Policy.Policy<unknown>) =>
        Effect.map(Effect.exit(policy.protect(Effect.void)), failureOf)
      expect(yield* refusal(Policy.all(bulkhead, breaker))).toMatchObject({ _tag: "BulkheadFull" })
      expect(yield* refusal(Policy.all(breaker, bulkhead))).toMatchObject({ _tag: "CircuitOpen" })
    })
  )

  it.scoped("is named after its parts, each once", () =>
    Effect.gen(function* () {
      const timeout = yield* Timeout.make("payment", { duration: "1 second" })
      const retry = yield* Retry.make("payment")
      const budget = yield* Deadline.make("checkout", "5 seconds")
      expect(Policy.all(budget, retry, timeout).name).toBe("checkout > payment")
    })
  )

  it.scoped("of one policy is that policy, and of none changes nothing", () =>
    Effect.gen(function* () {
      const bulkhead = yield* Bulkhead.make("permits", { maxConcurrent: 1 })
      const seen = Effect.map(bulkhead.snapshot, ({ active }) => active)
      expect(yield* Policy.all(bulkhead).protect(seen)).toBe(1)
      expect(yield* Policy.all().protect(seen)).toBe(0)
    })
  )

  it.scoped("has the errors of all its parts", () =>
    Effect.gen(function* () {
      const breaker = yield* CircuitBreaker.make("circuit")
      const timeout = yield* Timeout.make("timeout", { duration: "1 second" })
      const both: Policy.Policy<CircuitBreaker.CircuitOpen | Timeout.TimedOut> = Policy.all(breaker, timeout)
      // @ts-expect-error the timeout's error is missing
      const one: Policy.Policy<CircuitBreaker.CircuitOpen> = Policy.all(breaker, timeout)
      expect(one.name).toBe(both.name)
    })
  )
})

describe("protect", () => {
  it.scoped("is applied before or after the effect alike, also through pipe", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment")
      const payment = new Dependency()
      expect(yield* payment.answers().pipe(Policy.protect(policy))).toBe("answer")
      expect(yield* Policy.protect(payment.answers(), policy)).toBe("answer")
      expect(policy.pipe((self) => self.name)).toBe("payment")
      expect(payment.asked).toBe(2)
    })
  )
})

describe("layer", () => {
  it.effect("gives a dependency its policy, registered while the layer lives", () =>
    Effect.gen(function* () {
      const names = Effect.map(PolicyRegistry.entries, (all) => all.map(({ name }) => name))
      const layer = Policy.layer(PaymentPolicy, "payment", { bulkhead: { maxConcurrent: 3 } })
      const within = Effect.gen(function* () {
        const policy = yield* PaymentPolicy
        const bulkhead = yield* Effect.orDie(policy.bulkhead)
        return [policy.name, (yield* bulkhead.snapshot).limit, new Set(yield* names)]
      })
      expect(yield* Effect.provide(within, layer)).toEqual(["payment", 3, new Set(["payment"])])
      expect(yield* names).toEqual([])
    }).pipe(Effect.provide(PolicyRegistry.layer))
  )

  it.effect("provided once is one policy, provided twice is two", () =>
    Effect.gen(function* () {
      const layer = Policy.layer(PaymentPolicy, "payment")
      const once = yield* Effect.provide(Effect.all([PaymentPolicy, PaymentPolicy]), layer)
      expect(once[0]).toBe(once[1])
      const twice = yield* Effect.all([Effect.provide(PaymentPolicy, layer), Effect.provide(PaymentPolicy, layer)])
      expect(twice[0]).not.toBe(twice[1])
    })
  )

  it.effect("dies with what is wrong with its options", () =>
    Effect.gen(function* () {
      const layer = Policy.layer(PaymentPolicy, "payment", { timeout: "1 hour", deadline: "1 second" })
      const exit = yield* Effect.exit(Effect.scoped(Layer.build(layer)))
      const defect = Exit.isFailure(exit) ? Cause.dieOption(exit.cause) : Option.none()
      expect(Option.getOrUndefined(defect)).toBeInstanceOf(InvalidOptions.InvalidOptions)
    })
  )
})
