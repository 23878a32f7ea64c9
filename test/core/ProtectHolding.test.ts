/** Work that keeps what its policies have taken for it for longer than it runs. */
import { Backoff, Bulkhead, Keyed, Policy, Retry } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Exit, Option, TestClock } from "effect"
import { Unavailable } from "../support/Dependency.js"

const active = (bulkhead: Bulkhead.Bulkhead) => Effect.map(bulkhead.snapshot, (snapshot) => snapshot.active)

describe("work that keeps what was taken for it", () => {
  it.scoped("keeps a permit until it lets go, once", () =>
    Effect.gen(function* () {
      const bulkhead = yield* Bulkhead.make("files", { maxConcurrent: 3 })
      const take = Policy.protectHolding(bulkhead.protect, (hold) => Effect.sync(hold))
      const first = yield* take
      const second = yield* take
      expect(yield* active(bulkhead)).toBe(2)
      first()
      first()
      expect(yield* active(bulkhead)).toBe(1)
      second()
      expect(yield* active(bulkhead)).toBe(0)
    })
  )

  it.scoped("gives back what it did not hold, however it ends", () =>
    Effect.gen(function* () {
      const bulkhead = yield* Bulkhead.make("files", { maxConcurrent: 3 })
      for (const end of [Effect.void, Effect.fail("no"), Effect.die("bug"), Effect.interrupt]) {
        yield* Effect.exit(Policy.protectHolding(bulkhead.protect, () => end))
        expect(yield* active(bulkhead)).toBe(0)
      }
    })
  )

  it.scoped("holds nothing of what stands outside", () =>
    Effect.gen(function* () {
      const outer = yield* Bulkhead.make("outer", { maxConcurrent: 3 })
      const inner = yield* Bulkhead.make("inner", { maxConcurrent: 3 })
      const letGo = yield* Policy.protectHolding(outer.protect, () =>
        Policy.protectHolding(inner.protect, (hold) => Effect.sync(hold))
      )
      expect([yield* active(outer), yield* active(inner)]).toEqual([0, 1])
      letGo()
      expect(yield* active(inner)).toBe(0)
    })
  )

  it.scoped("holds for each run of its own, where it is repeated", () =>
    Effect.gen(function* () {
      const bulkhead = yield* Bulkhead.make("files", { maxConcurrent: 3 })
      const retry = yield* Retry.make("files", { maxRetries: 1, backoff: Backoff.constant("1 millis") })
      const held: Array<() => void> = []
      const work = (hold: Policy.Hold) =>
        Effect.suspend(() => {
          held.push(hold())
          return held.length === 1 ? Effect.fail(new Unavailable({})) : Effect.void
        })
      const fiber = yield* Effect.fork(Policy.protectHolding(Policy.all(retry, bulkhead).protect, work))
      yield* TestClock.adjust("10 millis")
      yield* Effect.exit(fiber)
      const taken = [yield* active(bulkhead)]
      for (const letGo of held) {
        letGo()
        taken.push(yield* active(bulkhead))
      }
      expect(taken).toEqual(held.length === 2 ? [2, 1, 0] : [1, 0])
    })
  )

  it.scoped("keeps its place in a Keyed", () =>
    Effect.gen(function* () {
      const keyed = yield* Keyed.make("hosts", {
        lookup: (key: string) => Bulkhead.make(key, { maxConcurrent: 2 }),
        capacity: 1,
        idleTimeToLive: "1 hour"
      })
      const under = <A, E, R>(work: Effect.Effect<A, E, R>) => keyed.use("a", (policy) => policy.protect(work))
      const letGo = yield* Policy.protectHolding(under, (hold) => Effect.sync(hold))
      expect((yield* keyed.snapshot).inFlight).toBe(1)
      yield* Effect.void.pipe(keyed.protect("b"))
      expect((yield* keyed.entries).map(([key]) => key)).toEqual(["a"])
      letGo()
      expect((yield* keyed.snapshot).inFlight).toBe(0)
    })
  )
})

describe("what was held", () => {
  it.scoped("is let go once, however often that is said", () =>
    Effect.gen(function* () {
      const bulkhead = yield* Bulkhead.make("files", { maxConcurrent: 2 })
      const open = Policy.protectHolding(bulkhead.protect, (hold) =>
        Effect.sync(() => ({ first: hold(), second: hold() }))
      )
      const { first, second } = yield* open
      first()
      first()
      expect((yield* bulkhead.snapshot).active).toBe(1)
      second()
      expect((yield* bulkhead.snapshot).active).toBe(0)
    })
  )
})

describe("the policy of a key, in use", () => {
  it.scoped("is the one of its key, and stays until the use has ended", () =>
    Effect.gen(function* () {
      const keyed = yield* Keyed.make("hosts", {
        lookup: (key: string) => Policy.standard(key, { timeout: key === "a" ? "1 second" : "none" }),
        capacity: 10,
        idleTimeToLive: "1 hour"
      })
      const timeoutOf = (key: string) => keyed.use(key, (policy) => Effect.succeed(policy.timeout))
      expect(yield* timeoutOf("a")).toEqual(Option.some(Duration.seconds(1)))
      expect(yield* timeoutOf("b")).toEqual(Option.none())
      const during = yield* keyed.use("a", () => keyed.snapshot)
      expect([during.inFlight, (yield* keyed.snapshot).inFlight]).toEqual([1, 0])
      expect(Exit.isFailure(yield* Effect.exit(keyed.use("a", () => Effect.die("bug"))))).toBe(true)
      expect((yield* keyed.snapshot).inFlight).toBe(0)
    })
  )
})
