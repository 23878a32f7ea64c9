import { RateLimiter, RateLimiterStore } from "@effect-resilience/core"
import { RateLimiter as Machine } from "@effect-resilience/machines"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, TestClock } from "effect"
import * as fc from "fast-check"
import assert from "node:assert/strict"
import { cases, long } from "../support/Law.js"

const configs: fc.Arbitrary<Machine.Config> = fc.oneof(
  fc.record({
    _tag: fc.constant("TokenBucket" as const),
    limit: fc.integer({ min: 1, max: 20 }),
    windowMillis: fc.constantFrom(1, 100, 1000, 86_400_000),
    burst: fc.integer({ min: 1, max: 20 })
  }),
  fc.record({
    _tag: fc.constant("SlidingWindow" as const),
    limit: fc.integer({ min: 1, max: 20 }),
    windowMillis: fc.constantFrom(1, 100, 1000, 86_400_000)
  })
)

/** A crowd of calls, of as many keys or of one, and time that passes before it. */
const step = fc.record({
  pause: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.constantFrom(0.3, 1, 3)),
  first: fc.nat(300),
  isOfOne: fc.boolean(),
  calls: fc.oneof({ weight: 2, arbitrary: fc.constant(1) }, fc.integer({ min: 1, max: 150 })),
  share: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.double({ min: 0, max: 1, noNaN: true }))
})

const inMemory = (maxKeys: number) => {
  const { size, takeNow } = RateLimiterStore.inMemory(maxKeys)
  assert.ok(takeNow)
  return { takeNow, size: () => Effect.runSync(size) }
}

describe("the keys of a limiter in memory", () => {
  it("get what each would get that had been kept for ever, whichever of them are forgotten meanwhile", () => {
    let forgotten = 0
    let shrunk = 0
    fc.assert(
      fc.property(configs, long(step, 60), (limit, steps) => {
        const { size, takeNow } = inMemory(1000)
        const kept = new Map<string, Machine.State>()
        let now = 1_000_000
        let most = 0
        for (const { calls, first, isOfOne, pause, share } of steps) {
          now += Math.round(pause * limit.windowMillis)
          const cost = Math.max(1, Math.round(share * Machine.largestCost(limit)))
          for (let n = 0; n < calls; n++) {
            const key = `${isOfOne ? first : first + n}`
            const [expected, next] = Machine.take(limit, kept.get(key) ?? Machine.initial(limit), cost, now)
            kept.set(key, next)
            assert.deepEqual(takeNow(key, limit, cost, now), expected)
          }
          most = Math.max(most, size().keys)
          assert.ok(size().keys <= kept.size)
        }
        assert.equal(size().overflowed, 0)
        if (size().keys < kept.size) forgotten++
        if (4 * size().keys < most) shrunk++
      }),
      cases(150)
    )
    expect(forgotten).toBeGreaterThan(30)
    expect(shrunk).toBeGreaterThan(10)
  })

  it("are never more than maxKeys, and those that come once leave as fast as others come", () => {
    const seen = new Set<string>()
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.nat(5), fc.nat(3), (maxKeys, between, pause) => {
        const limit: Machine.Config = { _tag: "TokenBucket", limit: 10, windowMillis: 100, burst: 10 }
        const { size, takeNow } = inMemory(maxKeys)
        let now = 0
        for (let n = 0; n < 2000; n++) {
          if (n % (between + 1) === 0) now += pause
          takeNow(`k${n}`, limit, 1, now)
          assert.ok(size().keys <= maxKeys)
        }
        // What was taken counts for 10 ms; each call that comes then looks at two.
        const counting = pause === 0 ? Infinity : (Math.ceil(10 / pause) + 1) * (between + 1)
        if (2 * counting < maxKeys) assert.ok(size().keys <= 2 * counting && size().overflowed === 0)
        seen.add(size().overflowed > 0 ? "overflows" : "has room")
      }),
      cases(200)
    )
    expect(seen.size).toBe(2)
  })
})

describe("a follower of keys", () => {
  it.scoped("that are 100,000 and random leaves the limiter within maxKeys, during an attack and after it", () =>
    Effect.gen(function* () {
      const maxKeys = 1000
      const limiter = yield* RateLimiter.make("api", { limit: 10, window: "1 second", maxKeys })
      const drawn = fc.sample(fc.noBias(fc.nat(1_000_000_000)), { numRuns: 100_000, seed: 1 })
      let most = 0
      let admitted = 0
      for (const [n, key] of drawn.entries()) {
        if (Exit.isSuccess(yield* Effect.exit(limiter.take({ key: `${key}` })))) admitted++
        if (n % 1000 === 0) most = Math.max(most, (yield* limiter.snapshot).keys)
      }
      const { keys, overflowed } = yield* limiter.snapshot
      expect([most, keys, overflowed > 98_000]).toEqual([maxKeys, maxKeys, true])
      expect(admitted).toBe(100_000 - overflowed + 10)
      yield* TestClock.adjust("100 millis")
      yield* Effect.replicateEffect(limiter.take({ key: "a caller who pays" }), 10)
      yield* Effect.replicateEffect(Effect.exit(limiter.take({ key: "a caller who pays" })), maxKeys)
      expect(yield* limiter.snapshot).toMatchObject({ keys: 1, overflowed })
    })
  )
})
