import { type CircuitBreaker, Keyed } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, type Fiber, Scope } from "effect"
import * as fc from "fast-check"
import { Unavailable } from "../support/Dependency.js"
import { HandClock, settle } from "../support/HandClock.js"
import { cases, long } from "../support/Law.js"
import { Making } from "../support/Making.js"

const key = fc.constantFrom("a", "b", "c", "d", "e", "f")
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("call" as const), key, fails: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("begin" as const), key }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("end" as const), nth: fc.nat(5) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("pass" as const), millis: fc.constantFrom(1, 5_000, 60_000) }) }
)

interface Running {
  readonly key: string
  readonly end: Deferred.Deferred<void>
  readonly fiber: Fiber.RuntimeFiber<void, CircuitBreaker.CircuitOpen>
}

describe("whatever comes in whatever order", () => {
  it.effect("no instance goes that is in use or whose circuit is open, and all is accounted for", () =>
    Effect.gen(function* () {
      const seen = { evicted: 0, overflowed: 0, keptOpen: 0, keptInFlight: 0 }
      const clock = new HandClock()
      const play = (capacity: number, script: ReadonlyArray<typeof step extends fc.Arbitrary<infer S> ? S : never>) =>
        Effect.gen(function* () {
          const making = new Making()
          const scope = yield* Scope.make()
          const keyed = yield* Keyed.make("hosts", {
            lookup: making.breakers,
            capacity,
            idleTimeToLive: "10 seconds"
          }).pipe(Scope.extend(scope))
          const running: Array<Running> = []
          for (const each of script) {
            const before = new Map(yield* keyed.entries)
            const open = yield* Effect.filter([...before.keys()], (name) =>
              Effect.map(before.get(name)?.state ?? Effect.succeed("Closed"), (state) => state === "Open")
            )
            const inUse = [...before].filter(([name, breaker]) =>
              running.some((one) => one.key === name && mine.get(one) === breaker)
            )
            switch (each.do) {
              case "call": {
                const work = each.fails ? Effect.fail(new Unavailable({})) : Effect.void
                yield* Effect.exit(work.pipe(keyed.protect(each.key)))
                break
              }
              case "begin": {
                const end = yield* Deferred.make<void>()
                const fiber = yield* Effect.fork(Deferred.await(end).pipe(keyed.protect(each.key)))
                yield* settle
                if (fiber.unsafePoll() !== null) break
                const one = { key: each.key, end, fiber }
                mine.set(one, new Map(yield* keyed.entries).get(each.key))
                running.push(one)
                break
              }
              case "end": {
                const [one] = running.splice(each.nth % Math.max(1, running.length), 1)
                if (one === undefined) break
                yield* Deferred.succeed(one.end, undefined)
                yield* one.fiber.await
                break
              }
              case "pass":
                yield* clock.tick(each.millis)
            }
            yield* settle
            const after = new Map(yield* keyed.entries)
            const { evicted, inFlight, overflowed, size } = yield* keyed.snapshot
            for (const name of open) {
              if (each.do !== "pass") expect(after.get(name)).toBe(before.get(name))
            }
            for (const [name, breaker] of inUse) expect(after.get(name)).toBe(breaker)
            expect(size).toBe(after.size)
            expect(size).toBeLessThanOrEqual(capacity)
            expect(inFlight).toBe(running.length)
            expect(making.closed.length).toBe(evicted)
            expect(making.made.length).toBe(size + evicted + (overflowed > 0 ? 1 : 0))
            seen.evicted += evicted
            seen.overflowed += overflowed
            seen.keptOpen += size === capacity ? open.length : 0
            seen.keptInFlight += inUse.length
          }
          yield* Scope.close(scope, Exit.void)
          expect(making.closed.toSorted()).toEqual(making.made.toSorted())
          yield* Effect.forEach(running, ({ end }) => Deferred.succeed(end, undefined))
          yield* Effect.forEach(running, ({ fiber }) => fiber.await)
          expect((yield* keyed.snapshot).inFlight).toBe(0)
        })
      const mine = new Map<Running, CircuitBreaker.CircuitBreaker | undefined>()
      const scripts = fc.sample(fc.tuple(fc.integer({ min: 1, max: 4 }), long(step, 60)), cases(30))
      yield* Effect.forEach(scripts, ([capacity, script]) => clock.rule(play(capacity, script)))
      for (const count of Object.values(seen)) expect(count).toBeGreaterThan(100)
    })
  )
})
