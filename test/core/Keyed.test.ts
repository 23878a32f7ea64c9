import {
  Bulkhead,
  CircuitBreaker,
  InvalidOptions,
  Keyed,
  Policy,
  PolicyRegistry,
  Timeout
} from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Data, type Duration, Effect, Exit, Fiber, Scope, TestClock } from "effect"
import { Unavailable } from "../support/Dependency.js"
import { Making } from "../support/Making.js"
import { begin, failureOf } from "../support/Passing.js"

const hour = "1 hour"

/** Breakers by key, and what became of them. */
const breakers = (capacity: number, idleTimeToLive: Duration.DurationInput = hour) =>
  Effect.gen(function* () {
    const making = new Making()
    const keyed = yield* Keyed.make("hosts", { lookup: making.breakers, capacity, idleTimeToLive })
    const call = (key: string) => Effect.zipRight(Effect.void.pipe(keyed.protect(key)), TestClock.adjust(1))
    const fail = (key: string) => Effect.exit(Effect.fail(new Unavailable({})).pipe(keyed.protect(key)))
    return { call, fail, keyed, making }
  })

const keysOf = <K, P>(keyed: Keyed.Keyed<K, P>) =>
  Effect.map(keyed.entries, (entries) => entries.map(([key]) => key).toSorted())

describe("a policy for each key", () => {
  it.scoped("is made at the first call for it, and is another one for another key", () =>
    Effect.gen(function* () {
      const { call, fail, keyed, making } = yield* breakers(10)
      expect(making.made).toEqual([])
      yield* fail("a")
      expect(failureOf(yield* fail("a"))).toMatchObject({ _tag: "CircuitOpen", policy: "a" })
      yield* call("b")
      yield* call("b")
      expect(making.made).toEqual(["a", "b"])
      expect((yield* keyed.entries).map(([key, policy]) => [key, policy.name])).toEqual([
        ["a", "a"],
        ["b", "b"]
      ])
    })
  )

  it.scoped("is found by keys that are equal as data", () =>
    Effect.gen(function* () {
      let made = 0
      const keyed = yield* Keyed.make("tenants", {
        lookup: ({ id }: { readonly id: number }) =>
          Effect.zipRight(
            Effect.sync(() => made++),
            CircuitBreaker.make(`${id}`)
          ),
        capacity: 10,
        idleTimeToLive: hour
      })
      yield* Effect.void.pipe(keyed.protect(Data.struct({ id: 1 })))
      yield* Effect.void.pipe(keyed.protect(Data.struct({ id: 1 })))
      yield* Effect.void.pipe(keyed.protect(Data.struct({ id: 2 })))
      expect(made).toBe(2)
    })
  )

  it.scoped("serves effects data-first and data-last, and gives what they give", () =>
    Effect.gen(function* () {
      const { keyed } = yield* breakers(10)
      expect(yield* Effect.succeed(1).pipe(Keyed.protect(keyed, "a"))).toBe(1)
      expect(yield* Keyed.protect(Effect.succeed(2), keyed, "a")).toBe(2)
      expect(yield* Effect.flip(Keyed.protect(Effect.fail("no"), keyed, "b"))).toBe("no")
    })
  )

  it.effect("dies with what is wrong with its options", () =>
    Effect.gen(function* () {
      const lookup = new Making().breakers
      const make = (capacity: number, idleTimeToLive: number) =>
        Effect.exit(Effect.scoped(Keyed.make("hosts", { lookup, capacity, idleTimeToLive })))
      const wrong = (exit: Exit.Exit<unknown>) => {
        const defect = failureOf(exit)
        return defect instanceof InvalidOptions.InvalidOptions ? defect.problems.map(({ option }) => option) : defect
      }
      expect(wrong(yield* make(0, 0))).toEqual(["capacity", "idleTimeToLive"])
      expect(wrong(yield* make(1.5, -1))).toEqual(["capacity", "idleTimeToLive"])
      expect(Exit.isSuccess(yield* make(1, 1))).toBe(true)
    })
  )
})

describe("an instance goes", () => {
  it.scoped("at capacity, if it was used least recently", () =>
    Effect.gen(function* () {
      const { call, keyed, making } = yield* breakers(3)
      for (const key of ["a", "b", "c", "a", "b"]) yield* call(key)
      yield* call("d")
      expect(yield* keysOf(keyed)).toEqual(["a", "b", "d"])
      yield* call("e")
      expect(yield* keysOf(keyed)).toEqual(["b", "d", "e"])
      yield* TestClock.adjust(0)
      expect(making.closed).toEqual(["c", "a"])
      expect(yield* keyed.snapshot).toEqual({ size: 3, inFlight: 0, overflowed: 0, evicted: 2 })
    })
  )

  it.scoped("if it was idle as long as it may be, when a call comes by", () =>
    Effect.gen(function* () {
      const { call, keyed, making } = yield* breakers(10, "10 seconds")
      yield* call("a")
      yield* call("b")
      yield* TestClock.adjust("9997 millis")
      yield* call("c")
      expect(yield* keysOf(keyed)).toEqual(["a", "b", "c"])
      yield* call("c")
      expect(yield* keysOf(keyed)).toEqual(["b", "c"])
      yield* call("c")
      expect(yield* keysOf(keyed)).toEqual(["c"])
      yield* TestClock.adjust(0)
      expect(making.closed).toEqual(["a", "b"])
    })
  )

  it.scoped("if it was idle, rather than serve once more, however many were idle longer", () =>
    Effect.gen(function* () {
      const { call, keyed, making } = yield* breakers(10, "10 seconds")
      for (const key of ["a", "b", "c", "d", "e"]) yield* call(key)
      yield* TestClock.adjust("1 minute")
      yield* call("e")
      expect(making.made).toEqual(["a", "b", "c", "d", "e", "e"])
      expect((yield* keyed.snapshot).evicted).toBe(3)
    })
  )

  it.scoped("never while a call is in flight, whose end counts as a use", () =>
    Effect.gen(function* () {
      const { call, keyed, making } = yield* breakers(2, "10 seconds")
      const inFlight = yield* begin(Effect.sleep("30 seconds").pipe(keyed.protect("a")))
      yield* call("b")
      yield* call("c")
      expect(yield* keysOf(keyed)).toEqual(["a", "c"])
      yield* TestClock.adjust("20 seconds")
      yield* call("c")
      expect(yield* keysOf(keyed)).toEqual(["a", "c"])
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(inFlight)
      yield* call("a")
      yield* call("d")
      yield* call("a")
      expect(making.made).toEqual(["a", "b", "c", "c", "d"])
    })
  )

  it.scoped("never while work that was abandoned goes on", () =>
    Effect.gen(function* () {
      const keyed = yield* Keyed.make("hosts", {
        lookup: (key: string) => Timeout.make(key, { duration: 10, mode: "disconnect" }),
        capacity: 10,
        idleTimeToLive: 20
      })
      const stubborn = Effect.uninterruptible(Effect.sleep("1 second"))
      const call = yield* begin(Effect.exit(stubborn.pipe(keyed.protect("a"))))
      yield* TestClock.adjust(100)
      expect(failureOf(yield* Fiber.join(call))).toMatchObject({ _tag: "TimedOut" })
      yield* Effect.void.pipe(keyed.protect("b"))
      expect(yield* keyed.snapshot).toMatchObject({ size: 2, inFlight: 1 })
      yield* TestClock.adjust("1 second")
      expect(yield* keyed.snapshot).toMatchObject({ inFlight: 0 })
      yield* TestClock.adjust(20)
      yield* Effect.void.pipe(keyed.protect("b"))
      expect(yield* keysOf(keyed)).toEqual(["b"])
    })
  )

  for (const [kind, lookup] of [
    ["a breaker", (making: Making) => making.breakers],
    [
      "a standard policy",
      (making: Making) =>
        making.of((key) =>
          Policy.standard(key, {
            retry: "none",
            circuitBreaker: {
              tripPolicy: CircuitBreaker.consecutive(1),
              openDuration: "1 minute",
              openJitter: 0
            }
          })
        )
    ],
    [
      "a composition in a composition",
      (making: Making) =>
        making.of((key) =>
          Effect.map(Effect.all([making.breakers(key), Timeout.make(key, { duration: hour })]), ([breaker, timeout]) =>
            Policy.all(timeout, Policy.all(breaker))
          )
        )
    ]
  ] as const) {
    it.scoped(`never with an open circuit, in ${kind}, however many keys come; a closed one goes`, () =>
      Effect.gen(function* () {
        const making = new Making()
        const keyed = yield* Keyed.make("hosts", {
          lookup: (key: string): Effect.Effect<Policy.Policy<unknown>, never, Scope.Scope> => lookup(making)(key),
          capacity: 3,
          idleTimeToLive: "10 seconds"
        })
        const fail = (key: string) => Effect.exit(Effect.fail(new Unavailable({})).pipe(keyed.protect(key)))
        yield* fail("open")
        for (let n = 0; n < 20; n++) {
          yield* Effect.void.pipe(keyed.protect(`attack ${n}`))
          yield* TestClock.adjust("1 second")
        }
        yield* TestClock.adjust("39999 millis")
        yield* Effect.void.pipe(keyed.protect("last"))
        expect(yield* keysOf(keyed)).toContain("open")
        expect(failureOf(yield* fail("open"))).toMatchObject({ _tag: "CircuitOpen" })
        yield* Effect.void.pipe(keyed.protect("last"))
        expect(yield* keyed.snapshot).toMatchObject({ size: 2, overflowed: 0, evicted: 20 })
      })
    )
  }

  it.scoped("once the next probe of its circuit is due, which counts as a use", () =>
    Effect.gen(function* () {
      const { call, fail, keyed } = yield* breakers(2)
      yield* fail("a")
      yield* call("b")
      yield* call("c")
      yield* TestClock.adjust("59997 millis")
      yield* call("d")
      expect(yield* keysOf(keyed)).toEqual(["a", "d"])
      yield* call("d")
      yield* call("e")
      expect(yield* keysOf(keyed)).toEqual(["d", "e"].toSorted())
    })
  )
})

describe("where no instance may go", () => {
  it.scoped("keys without one share one more, which is counted and stays", () =>
    Effect.gen(function* () {
      const { call, fail, keyed, making } = yield* breakers(2, "10 seconds")
      yield* fail("a")
      yield* begin(Effect.never.pipe(keyed.protect("b")))
      yield* fail("x")
      expect(failureOf(yield* fail("y"))).toMatchObject({ _tag: "CircuitOpen", policy: "x" })
      expect(making.made).toEqual(["a", "b", "x"])
      expect(yield* keyed.snapshot).toEqual({ size: 2, inFlight: 1, overflowed: 2, evicted: 0 })
      expect(yield* keysOf(keyed)).toEqual(["a", "b"])
      // The circuit of `a` lets it go now: there is room for a key, and none for the next but one.
      yield* TestClock.adjust("1 minute")
      yield* call("y")
      expect(making.made).toEqual(["a", "b", "x", "y"])
      yield* begin(Effect.never.pipe(keyed.protect("y")))
      yield* call("z")
      expect(making.made).toEqual(["a", "b", "x", "y"])
      expect(yield* keyed.snapshot).toEqual({ size: 2, inFlight: 2, overflowed: 3, evicted: 1 })
    })
  )
})

describe("the scope", () => {
  it.effect("of each instance is closed exactly once: when it goes, or with the Keyed's", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { call, fail, keyed, making } = yield* Scope.extend(breakers(2), scope)
      yield* fail("a")
      for (const key of ["b", "c", "b"]) yield* call(key)
      yield* fail("b")
      yield* call("shared")
      expect(making.closed.toSorted()).toEqual(["b", "c"])
      yield* Scope.close(scope, Exit.void)
      expect(making.closed.toSorted()).toEqual(making.made.toSorted())
      expect(Exit.isInterrupted(yield* Effect.exit(Effect.void.pipe(keyed.protect("a"))))).toBe(true)
      expect(making.made.length).toBe(5)
    })
  )

  it.scoped("of an instance that goes may take its time, and may die: no caller notices", () =>
    Effect.gen(function* () {
      let ended = 0
      const slow = Effect.zipRight(
        Effect.addFinalizer(() => Effect.die("in the finalizer")),
        Effect.addFinalizer(() =>
          Effect.zipRight(
            Effect.sleep("1 second"),
            Effect.sync(() => ended++)
          )
        )
      )
      const lookup = (key: string) => Effect.zipRight(key === "c" ? Effect.void : slow, CircuitBreaker.make(key))
      const keyed = yield* Keyed.make("hosts", { lookup, capacity: 1, idleTimeToLive: hour })
      for (const key of ["a", "b", "c"]) yield* Effect.void.pipe(keyed.protect(key))
      expect(ended).toBe(0)
      yield* TestClock.adjust("1 second")
      expect(ended).toBe(2)
    })
  )
})

describe("the registry", () => {
  it.scoped("holds the Keyed, which tells of its instances, and not the instances", () =>
    Effect.gen(function* () {
      const tenants = yield* Keyed.make("tenants", {
        lookup: (key: string) => Bulkhead.make(key, { maxConcurrent: 1 }),
        capacity: 10,
        idleTimeToLive: hour
      })
      yield* begin(Effect.never.pipe(tenants.protect("a")))
      const held = (yield* PolicyRegistry.entries).map(({ policy }): unknown => policy)
      expect(held).toEqual([tenants])
      const [[key, policy] = []] = (yield* Effect.forEach(held.filter(Keyed.isKeyed), (each) => each.entries)).flat()
      expect(key).toBe("a")
      expect(Bulkhead.isBulkhead(policy) && (yield* policy.snapshot).active).toBe(1)
      expect([policy, {}, undefined].some(Keyed.isKeyed)).toBe(false)
    }).pipe(Effect.provide(PolicyRegistry.layer))
  )

  it.effect("holds it until its scope closes", () =>
    Effect.gen(function* () {
      yield* Effect.scoped(breakers(1))
      expect(yield* PolicyRegistry.entries).toEqual([])
    }).pipe(Effect.provide(PolicyRegistry.layer))
  )
})
