import { Bulkhead, CircuitBreaker, Deadline, Keyed } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Option, Scope, TestClock } from "effect"
import { Dependency } from "../support/Dependency.js"
import { atEveryTurn, untilItHangs } from "../support/EveryTurn.js"
import { Making } from "../support/Making.js"
import { begin, failureOf } from "../support/Passing.js"

/** Instances that take a second to make. */
const slowly = (making: Making) => making.of((key) => Effect.delay(CircuitBreaker.make(key), "1 second"))

const make = <P extends CircuitBreaker.CircuitBreaker | Bulkhead.Bulkhead>(
  lookup: (key: string) => Effect.Effect<P, never, Scope.Scope>
) => Keyed.make("hosts", { lookup, capacity: 10, idleTimeToLive: "1 hour" })

describe("the making of an instance", () => {
  it.scoped("happens once, however many wait for it", () =>
    Effect.gen(function* () {
      const making = new Making()
      const keyed = yield* make(slowly(making))
      const host = new Dependency()
      const calls = yield* Effect.forEach([1, 2, 3], () => begin(host.answers().pipe(keyed.protect("a"))))
      yield* TestClock.adjust("999 millis")
      expect(yield* keyed.snapshot).toEqual({ size: 1, inFlight: 3, overflowed: 0, evicted: 0 })
      expect([host.asked, yield* keyed.entries]).toEqual([0, []])
      yield* TestClock.adjust("1 millis")
      yield* Fiber.joinAll(calls)
      expect([making.made, host.asked]).toEqual([["a"], 3])
      expect(yield* keyed.snapshot).toMatchObject({ inFlight: 0 })
    })
  )

  it.scoped("goes on when the first to ask gives up, and serves those that came later", () =>
    Effect.gen(function* () {
      const making = new Making()
      const keyed = yield* make(slowly(making))
      const first = yield* begin(Effect.void.pipe(keyed.protect("a")))
      const second = yield* begin(Effect.succeed("served").pipe(keyed.protect("a")))
      expect(Exit.isInterrupted(yield* Fiber.interrupt(first))).toBe(true)
      yield* TestClock.adjust("1 second")
      expect(yield* Fiber.join(second)).toBe("served")
      expect(making.made).toEqual(["a"])
    })
  )

  it.scoped("goes on when all give up, and what was made may go like any other", () =>
    Effect.gen(function* () {
      const making = new Making()
      const keyed = yield* Keyed.make("hosts", { lookup: slowly(making), capacity: 1, idleTimeToLive: "1 hour" })
      yield* Fiber.interrupt(yield* begin(Effect.void.pipe(keyed.protect("a"))))
      yield* TestClock.adjust("1 second")
      yield* begin(Effect.void.pipe(keyed.protect("b")))
      yield* TestClock.adjust("1 second")
      expect(making.closed).toEqual(["a"])
      expect(yield* keyed.snapshot).toEqual({ size: 1, inFlight: 0, overflowed: 0, evicted: 1 })
    })
  )

  it.scoped("is not evicted while it goes on: a key that finds no room shares", () =>
    Effect.gen(function* () {
      const making = new Making()
      const keyed = yield* Keyed.make("hosts", { lookup: slowly(making), capacity: 1, idleTimeToLive: "1 hour" })
      yield* Fiber.interrupt(yield* begin(Effect.void.pipe(keyed.protect("a"))))
      yield* begin(Effect.void.pipe(keyed.protect("b")))
      yield* TestClock.adjust("1 second")
      expect(yield* keyed.snapshot).toEqual({ size: 1, inFlight: 0, overflowed: 1, evicted: 0 })
    })
  )

  it.scoped("is in nobody's deadline, and in the context that the Keyed was made in", () =>
    Effect.gen(function* () {
      class Region extends Context.Tag("test/Region")<Region, string>() {}
      const seen: Array<unknown> = []
      const keyed = yield* Keyed.make("hosts", {
        lookup: (key: string) =>
          Effect.gen(function* () {
            seen.push(yield* Region, yield* Deadline.remaining)
            yield* Effect.sleep("1 second")
            return yield* Bulkhead.make(key, { maxConcurrent: 1 })
          }),
        capacity: 1,
        idleTimeToLive: "1 hour"
      }).pipe(Effect.provideService(Region, "here"))
      const call = yield* begin(
        Effect.exit(Effect.void.pipe(keyed.protect("a"), Deadline.protect(100), Effect.provideService(Region, "there")))
      )
      yield* TestClock.adjust("1 second")
      expect(failureOf(yield* Fiber.join(call))).toMatchObject({ _tag: "DeadlineExceeded" })
      expect(seen).toEqual(["here", Option.none()])
      expect((yield* keyed.entries).length).toBe(1)
    })
  )

  for (const shared of [false, true]) {
    it.scoped(
      `gives its defect to all who waited if it dies, and is tried again${shared ? ", the shared one too" : ""}`,
      () =>
        Effect.gen(function* () {
          const making = new Making()
          const keyed = yield* Keyed.make("hosts", {
            lookup: making.of((key) =>
              making.made.length === (shared ? 2 : 1)
                ? Effect.zipRight(Effect.sleep("1 second"), Effect.die("no certificate"))
                : CircuitBreaker.make(key)
            ),
            capacity: 1,
            idleTimeToLive: "1 hour"
          })
          if (shared) yield* begin(Effect.never.pipe(keyed.protect("b")))
          const calls = yield* Effect.forEach([1, 2], () => begin(Effect.exit(Effect.void.pipe(keyed.protect("a")))))
          yield* TestClock.adjust("1 second")
          const exits = yield* Effect.forEach(calls, Fiber.join)
          expect(exits.map(failureOf)).toEqual(["no certificate", "no certificate"])
          expect(making.closed).toEqual(["a"])
          expect(yield* keyed.snapshot).toMatchObject({ size: shared ? 1 : 0, inFlight: shared ? 1 : 0 })
          expect(yield* Effect.succeed("served").pipe(keyed.protect("a"))).toBe("served")
          expect(making.made).toEqual(shared ? ["b", "a", "a"] : ["a", "a"])
        })
    )
  }

  it.scoped("may throw, and so may a policy: both are defects, and nothing stays pinned", () =>
    Effect.gen(function* () {
      const keyed = yield* make((key): Effect.Effect<CircuitBreaker.CircuitBreaker, never, Scope.Scope> => {
        if (key === "throws") throw new Error("at once")
        return Effect.map(CircuitBreaker.make(key), (breaker) =>
          Object.assign(breaker, {
            protect: () => {
              throw new Error("in protect")
            }
          })
        )
      })
      for (const key of ["throws", "other", "other"]) {
        expect(failureOf(yield* Effect.exit(Effect.void.pipe(keyed.protect(key))))).toBeInstanceOf(Error)
      }
      expect(yield* keyed.snapshot).toMatchObject({ size: 1, inFlight: 0 })
    })
  )

  it.effect("ends with the Keyed's scope: who waits is interrupted, and the half-made instance's scope closes", () =>
    Effect.gen(function* () {
      const making = new Making()
      const scope = yield* Scope.make()
      const keyed = yield* Scope.extend(make(slowly(making)), scope)
      const call = yield* begin(Effect.exit(Effect.void.pipe(keyed.protect("a"))))
      yield* Scope.close(scope, Exit.void)
      expect(Exit.isInterrupted(yield* Fiber.join(call))).toBe(true)
      expect([making.made, making.closed]).toEqual([["a"], ["a"]])
      expect(yield* keyed.snapshot).toMatchObject({ inFlight: 0 })
    })
  )
})

describe("a call interrupted at each of its turns", () => {
  const phases = {
    "while its instance is made, while it runs and on its way out": { steps: 3, warm: false },
    "while it runs and on its way out": { steps: 3, warm: true },
    "while it hangs": { steps: Infinity, warm: true }
  } as const
  for (const [phase, { steps, warm }] of Object.entries(phases)) {
    it.effect(`leaves nothing pinned: ${phase}`, () =>
      Effect.gen(function* () {
        const yields = (n: number) => (n === Infinity ? Effect.never : Effect.repeatN(Effect.yieldNow(), n))
        const runs = yield* atEveryTurn(
          ({ clock, work }) =>
            Effect.gen(function* () {
              const making = new Making()
              const scope = yield* Scope.make()
              const lookup = making.of((key) => Effect.zipRight(yields(3), CircuitBreaker.make(key)))
              const keyed = yield* Keyed.make("hosts", { lookup, capacity: 1, idleTimeToLive: 1 }).pipe(
                Scope.extend(scope)
              )
              const other = Effect.orDie(Effect.void.pipe(keyed.protect("other"), clock.rule))
              yield* other
              if (warm) yield* Effect.orDie(Effect.void.pipe(keyed.protect("a"), clock.rule))
              return {
                effect: work(yields(steps)).pipe(keyed.protect("a")),
                after: Effect.gen(function* () {
                  expect((yield* keyed.snapshot).inFlight).toBe(0)
                  yield* other
                  expect((yield* keyed.entries).map(([key]) => key)).toEqual(["other"])
                  yield* Scope.close(scope, Exit.void)
                  expect(making.closed.toSorted()).toEqual(making.made.toSorted())
                })
              }
            }),
          steps === Infinity ? untilItHangs : undefined
        )
        expect(runs.begun).toEqual([0, 1])
        expect(runs.ended).toBe(steps === Infinity ? 0 : 1)
      })
    )
  }
})
