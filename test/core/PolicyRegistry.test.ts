import { Bulkhead, CircuitBreaker, Deadline, Policy, PolicyRegistry, Retry, Timeout } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { begin } from "../support/Passing.js"

const names = Effect.map(PolicyRegistry.entries, (all) => all.map(({ name }) => name))

describe("the registry", () => {
  it.effect("holds a policy from its `make` until its scope closes, in the order they were made", () =>
    Effect.gen(function* () {
      const first = yield* Scope.make()
      const second = yield* Scope.make()
      yield* Scope.extend(CircuitBreaker.make("a"), first)
      yield* Scope.extend(Bulkhead.make("b", { maxConcurrent: 1 }), second)
      yield* Scope.extend(Timeout.make("c", { duration: 1 }), first)
      expect(yield* names).toEqual(["a", "b", "c"])
      yield* Scope.close(first, Exit.void)
      expect(yield* names).toEqual(["b"])
      yield* Scope.close(second, Exit.void)
      expect(yield* names).toEqual([])
    }).pipe(Effect.provide(PolicyRegistry.layer))
  )

  it.scoped("holds every kind of policy", () =>
    Effect.gen(function* () {
      yield* CircuitBreaker.make("breaker")
      yield* Bulkhead.make("bulkhead", { maxConcurrent: 1 })
      yield* Timeout.make("timeout", { duration: 1 })
      yield* Retry.make("retry")
      yield* Deadline.make("deadline", 1)
      expect(yield* names).toEqual(["breaker", "bulkhead", "timeout", "retry", "deadline"])
    }).pipe(Effect.provide(PolicyRegistry.layer))
  )

  it.scoped("holds a standard policy and the parts that have something to show, under its name", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment")
      const entries = yield* PolicyRegistry.entries
      expect(new Set(yield* names)).toEqual(new Set(["payment"]))
      const held: ReadonlyArray<unknown> = entries.map((entry) => entry.policy)
      expect(held).toContain(policy)
      expect(held.filter(CircuitBreaker.isCircuitBreaker)).toEqual([yield* Effect.orDie(policy.circuitBreaker)])
      expect(held.filter(Bulkhead.isBulkhead)).toEqual([yield* Effect.orDie(policy.bulkhead)])
    }).pipe(Effect.provide(PolicyRegistry.layer))
  )

  it.scoped("lets a reader see what each policy is doing now", () =>
    Effect.gen(function* () {
      const bulkhead = yield* Bulkhead.make("reports", { maxConcurrent: 2 })
      yield* begin(bulkhead.protect(Effect.never))
      const held = (yield* PolicyRegistry.entries).map((entry): unknown => entry.policy).filter(Bulkhead.isBulkhead)
      expect(yield* Effect.forEach(held, (each) => each.snapshot)).toEqual([{ active: 1, queued: 0, limit: 2 }])
    }).pipe(Effect.provide(PolicyRegistry.layer))
  )

  it.scoped("keeps two policies of one name apart", () =>
    Effect.gen(function* () {
      const outer = yield* CircuitBreaker.make("payment")
      yield* Effect.scoped(CircuitBreaker.make("payment"))
      expect((yield* PolicyRegistry.entries).map((entry): unknown => entry.policy)).toEqual([outer])
    }).pipe(Effect.provide(PolicyRegistry.layer))
  )

  it.scoped("is another one for each program that is given its own", () =>
    Effect.gen(function* () {
      yield* CircuitBreaker.make("outside")
      const inside = Effect.scoped(Effect.zipRight(CircuitBreaker.make("inside"), names))
      expect(yield* Effect.provide(inside, PolicyRegistry.layer)).toEqual(["inside"])
      expect(yield* Effect.provide(inside, PolicyRegistry.layer)).toEqual(["inside"])
      expect(yield* names).toEqual(["outside"])
    }).pipe(Effect.provide(PolicyRegistry.layer))
  )

  it.scoped("is left by a policy whose making was interrupted or failed", () =>
    Effect.gen(function* () {
      yield* Effect.exit(Effect.scoped(Effect.zipRight(CircuitBreaker.make("a"), Effect.fail("later"))))
      yield* Effect.exit(Effect.scoped(Effect.zipRight(CircuitBreaker.make("b"), Effect.interrupt)))
      yield* Effect.exit(Effect.scoped(Policy.standard("c", { timeout: -1 })))
      expect(yield* names).toEqual([])
    }).pipe(Effect.provide(PolicyRegistry.layer))
  )

  it.scoped("tells kinds apart, and whatever is no policy", () =>
    Effect.gen(function* () {
      const breaker = yield* CircuitBreaker.make("payment")
      const bulkhead = yield* Bulkhead.make("payment", { maxConcurrent: 1 })
      expect([breaker, bulkhead, undefined, {}, "payment"].map(CircuitBreaker.isCircuitBreaker)).toEqual([
        true,
        false,
        false,
        false,
        false
      ])
      expect([breaker, bulkhead].map(Bulkhead.isBulkhead)).toEqual([false, true])
      expect([breaker, bulkhead].some((policy) => Effect.isEffect(policy))).toBe(false)
    })
  )
})
