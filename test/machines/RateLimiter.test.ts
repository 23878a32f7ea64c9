import { RateLimiter } from "@effect-resilience/machines"
import * as fc from "fast-check"
import assert from "node:assert/strict"
import { describe, expect, it } from "vitest"
import { cases, frozen, long } from "../support/Law.js"

const bucket = (limit: number, windowMillis: number, burst = limit): RateLimiter.TokenBucketConfig => ({
  _tag: "TokenBucket",
  limit,
  windowMillis,
  burst
})
const sliding = (limit: number, windowMillis: number): RateLimiter.SlidingWindowConfig => ({
  _tag: "SlidingWindow",
  limit,
  windowMillis
})

/** What becomes of calls of these costs, one after the other, at these moments. */
const taking = (config: RateLimiter.Config, calls: ReadonlyArray<readonly [atMillis: number, cost: number]>) => {
  let state = frozen(RateLimiter.initial(config))
  const decisions = calls.map(([atMillis, cost]) => {
    const [decision, next] = RateLimiter.take(config, state, cost, atMillis)
    state = frozen(next)
    return decision
  })
  return { decisions, state }
}

const at = (atMillis: number, times: number, cost = 1) =>
  Array.from({ length: times }, (): readonly [number, number] => [atMillis, cost])

const admittedIn = (decisions: ReadonlyArray<RateLimiter.Decision>): ReadonlyArray<boolean> =>
  decisions.map(({ admitted }) => admitted)

const number = (most: number) => fc.oneof(fc.constantFrom(1, 2, 3, 7, 10), fc.integer({ min: 1, max: most }))
const bucketConfig = fc
  .tuple(number(50), number(2000), number(50))
  .map(([limit, windowMillis, burst]) => bucket(limit, windowMillis, burst))
const slidingConfig = fc.tuple(number(50), number(2000)).map(([limit, windowMillis]) => sliding(limit, windowMillis))

/** A call some time after the one before, as a share of the window, that wants a share of what it may. */
const call = fc.record({
  pause: fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(0, 0.01, 0.1) },
    { weight: 2, arbitrary: fc.double({ min: 0, max: 1, noNaN: true }) },
    { weight: 1, arbitrary: fc.constantFrom(1, 2, 2.5) }
  ),
  share: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, fc.double({ min: 0, max: 1, noNaN: true }))
})

interface Taken {
  readonly atMillis: number
  readonly cost: number
}

interface Step extends Taken {
  readonly before: RateLimiter.State
  readonly after: RateLimiter.State
  readonly decision: RateLimiter.Decision
  /** All that was admitted, this call included if it was. */
  readonly all: ReadonlyArray<Taken>
}

const start = fc.oneof(fc.constant(0), fc.nat(100_000), fc.constant(1_800_000_000_000))

const always = (config: fc.Arbitrary<RateLimiter.Config>, law: (config: RateLimiter.Config, step: Step) => void) =>
  fc.assert(
    fc.property(config, start, long(call, 60), (of, startMillis, calls) => {
      const all: Array<Taken> = []
      let nowMillis = startMillis
      let state = frozen(RateLimiter.initial(of))
      for (const { pause, share } of calls) {
        nowMillis += Math.round(pause * of.windowMillis)
        const cost = Math.max(1, Math.round(share * RateLimiter.largestCost(of)))
        const [decision, after] = RateLimiter.take(of, state, cost, nowMillis)
        if (decision.admitted) all.push({ atMillis: nowMillis, cost })
        law(of, { before: state, after: frozen(after), decision, atMillis: nowMillis, cost, all })
        state = frozen(after)
      }
    }),
    cases(150)
  )

const sum = (taken: ReadonlyArray<Taken>): number => taken.reduce((total, { cost }) => total + cost, 0)

describe("over any life of a token bucket", () => {
  it("no span holds more than the burst and what came in that time", () => {
    let full = 0
    always(bucketConfig, (of, { all, decision }) => {
      if (of._tag !== "TokenBucket" || !decision.admitted) return
      const last = all.at(-1)?.atMillis ?? 0
      all.forEach(({ atMillis }, from) => {
        const held = sum(all.slice(from)) * of.windowMillis
        const most = of.burst * of.windowMillis + of.limit * (last - atMillis)
        assert.ok(held <= most, `${held} in ${last - atMillis} ms, ${most} may`)
        if (most - held < of.limit && last > atMillis) full++
      })
    })
    expect(full).toBeGreaterThan(100)
  })

  it("nothing that it could admit is refused: the span that would hold too much is there", () => {
    let refused = 0
    always(bucketConfig, (of, { all, atMillis, cost, decision }) => {
      if (of._tag !== "TokenBucket" || decision.admitted) return
      refused++
      const over = all.some((first, from) => {
        const held = (sum(all.slice(from)) + cost) * of.windowMillis
        return held > of.burst * of.windowMillis + of.limit * (atMillis - first.atMillis)
      })
      assert.ok(over)
    })
    expect(refused).toBeGreaterThan(100)
  })
})

describe("over any life of a sliding window", () => {
  it("each window holds at most the limit, and the share of the one before counts too", () => {
    const seen = new Set<string>()
    always(slidingConfig, (of, { all, atMillis, cost, decision }) => {
      const index = Math.floor(atMillis / of.windowMillis)
      const inWindow = (which: number) =>
        sum(all.filter((taken) => Math.floor(taken.atMillis / of.windowMillis) === which))
      const weighed = inWindow(index - 1) * (of.windowMillis - (atMillis - index * of.windowMillis))
      const wanted = inWindow(index) + (decision.admitted ? 0 : cost)
      const fits = wanted <= of.limit && wanted * of.windowMillis + weighed <= of.limit * of.windowMillis
      assert.equal(fits, decision.admitted)
      if (fits && weighed > 0) seen.add("beside calls of the window before")
      if (!fits && wanted <= of.limit) seen.add("refused for calls of the window before")
      if (!fits && weighed === 0) seen.add("refused for calls of its own window")
    })
    expect(seen.size).toBe(3)
  })
})

describe.each([
  ["token bucket", bucketConfig],
  ["sliding window", slidingConfig]
])("any %s", (_, config: fc.Arbitrary<RateLimiter.Config>) => {
  it("admits a refused call when it said it would, and not a millisecond sooner", () => {
    let refused = 0
    always(config, (of, { after, atMillis, before, cost, decision }) => {
      assert.equal(decision.admitted, decision.retryAfterMillis === 0)
      if (decision.admitted) return
      refused++
      assert.equal(after, before)
      const again = (millis: number) => RateLimiter.take(of, before, cost, atMillis + millis)[0].admitted
      assert.ok(again(decision.retryAfterMillis))
      assert.ok(!again(decision.retryAfterMillis - 1))
    })
    expect(refused).toBeGreaterThan(100)
  })

  it("could take what it says remains, and no more", () => {
    let some = 0
    always(config, (of, { after, atMillis, decision }) => {
      const { remaining } = decision
      if (remaining > 0) assert.ok(RateLimiter.take(of, after, remaining, atMillis)[0].admitted)
      if (remaining > 0) some++
      if (remaining < RateLimiter.largestCost(of)) {
        assert.ok(!RateLimiter.take(of, after, remaining + 1, atMillis)[0].admitted)
      }
    })
    expect(some).toBeGreaterThan(100)
  })

  it("is as new when it said it would be, and not a millisecond sooner", () => {
    always(config, (of, { after, atMillis, decision }) => {
      const resetAt = atMillis + decision.resetAfterMillis
      assert.ok(RateLimiter.isFresh(of, after, resetAt))
      assert.equal(RateLimiter.standing(of, after, resetAt).remaining, RateLimiter.largestCost(of))
      if (decision.resetAfterMillis > 0) assert.ok(!RateLimiter.isFresh(of, after, resetAt - 1))
    })
  })

  it("is the same when it was packed among others and unpacked again", () => {
    always(config, (of, { after }) => {
      const numbers = new Float64Array(RateLimiter.packedLength + 2).fill(-1)
      RateLimiter.pack(after, numbers, 1)
      assert.deepEqual(RateLimiter.unpack(of, numbers, 1), after)
      assert.deepEqual([numbers.at(0), numbers.at(-1)], [-1, -1])
      if (of._tag === "SlidingWindow") assert.notEqual(numbers.at(-2), -1)
    })
  })

  it("decides and becomes the same where it is packed, and no other is touched", () => {
    const seen = new Set<string>()
    always(config, (of, { after, atMillis, before, cost, decision }) => {
      const numbers = new Float64Array(RateLimiter.packedLength + 2).fill(-1)
      RateLimiter.pack(before, numbers, 1)
      assert.deepEqual(RateLimiter.takePacked(of, numbers, 1, cost, atMillis), decision)
      assert.deepEqual(RateLimiter.unpack(of, numbers, 1), after)
      assert.deepEqual([numbers.at(0), numbers.at(-1)], [-1, -1])
      seen.add(`${decision.admitted}`)
    })
    expect([...seen].toSorted()).toEqual(["false", "true"])
  })

  it("lets a line of callers through each at the moment that it foretold", () => {
    const line = fc.tuple(config, start, fc.nat(50), fc.nat(120), fc.double({ min: 0, max: 1, noNaN: true }))
    const seen = new Set<string>()
    fc.assert(
      fc.property(line, ([of, startMillis, used, length, into]) => {
        let state = RateLimiter.initial(of)
        for (let n = 0; n < used; n++) state = RateLimiter.take(of, state, 1, startMillis)[1]
        const beganMillis = startMillis + Math.round(into * of.windowMillis)
        const foretold = Array.from(
          { length },
          (__, ahead) => beganMillis + RateLimiter.waitMillis(of, state, 1, beganMillis, ahead)
        )
        let nowMillis = beganMillis
        const met = foretold.map(() => {
          nowMillis += RateLimiter.waitMillis(of, state, 1, nowMillis)
          state = RateLimiter.take(of, state, 1, nowMillis)[1]
          return nowMillis
        })
        // A bucket that is full before the next whole millisecond loses the rest of it, where each is asked in its turn.
        if (of._tag === "SlidingWindow" || of.windowMillis % of.limit === 0) assert.deepEqual(foretold, met)
        else assert.ok(foretold.every((millis, place) => millis <= (met[place] ?? 0)))
        seen.add(met.at(-1) === beganMillis ? "all at once" : length > 3 * of.limit ? "over windows" : "some")
      }),
      cases(300)
    )
    expect(seen.size).toBe(3)
  })
})

describe("a key that has used nothing", () => {
  it("has all there is, at any time", () => {
    expect(RateLimiter.initial(bucket(3, 1000))).toEqual({ _tag: "TokenBucket", missing: 0, atMillis: 0 })
    expect(RateLimiter.initial(sliding(3, 1000))).toEqual({ _tag: "SlidingWindow", index: 0, present: 0, before: 0 })
    for (const config of [bucket(3, 1000), sliding(3, 1000)]) {
      const standing = RateLimiter.standing(config, RateLimiter.initial(config), 5)
      expect(standing).toEqual({ remaining: 3, resetAfterMillis: 0 })
    }
  })
})

describe("token bucket", () => {
  it("admits its burst at once, then one for each share of the window", () => {
    const { decisions } = taking(bucket(10, 1000, 3), [...at(0, 4), [99, 1], [100, 1], [101, 1], [200, 1]])
    expect(admittedIn(decisions)).toEqual([true, true, true, false, false, true, false, true])
    expect(decisions[2]).toEqual({ admitted: true, remaining: 0, resetAfterMillis: 300, retryAfterMillis: 0 })
    expect(decisions[3]).toEqual({ admitted: false, remaining: 0, resetAfterMillis: 300, retryAfterMillis: 100 })
  })

  it("with a burst of one spaces 60 a minute by a second", () => {
    const config = bucket(60, 60_000, 1)
    expect(taking(config, at(500, 2)).decisions[1]?.retryAfterMillis).toBe(1000)
  })

  it("is whole again after any pause, and never more than whole", () => {
    const { decisions } = taking(bucket(10, 1000, 3), [...at(0, 3), ...at(3_600_000, 4)])
    expect(admittedIn(decisions)).toEqual([true, true, true, true, true, true, false])
  })

  it("is exact where the time times the limit is not", () => {
    const config = bucket(1_000_000, 1000, 1_000_000)
    const now = 1_800_000_000_001
    const { decisions, state } = taking(config, [
      [now, 1_000_000],
      [now, 1],
      [now + 1, 1000],
      [now + 1, 1]
    ])
    expect(decisions.map(({ retryAfterMillis }) => retryAfterMillis)).toEqual([0, 1, 0, 1])
    expect(RateLimiter.standing(config, state, now + 2)).toEqual({ remaining: 1000, resetAfterMillis: 999 })
  })

  it("says how long a line takes that wants more than its burst", () => {
    const config = bucket(10, 1000, 3)
    const waits = [1, 2, 3, 4, 13].map((cost) => RateLimiter.waitMillis(config, RateLimiter.initial(config), cost, 0))
    expect(waits).toEqual([0, 0, 0, 100, 1000])
    expect(RateLimiter.waitMillis(config, RateLimiter.initial(config), 1, 0, 12)).toBe(1000)
  })

  it("takes a clock that goes back for one that stands still", () => {
    const { decisions, state } = taking(bucket(10, 1000, 3), [...at(1000, 3), [500, 1]])
    expect(decisions[3]).toEqual({ admitted: false, remaining: 0, resetAfterMillis: 300, retryAfterMillis: 100 })
    expect(state).toEqual({ _tag: "TokenBucket", missing: 3000, atMillis: 1000 })
  })
})

describe("sliding window", () => {
  it("counts of the window before the share that lies in the span that ends now", () => {
    const { decisions } = taking(sliding(10, 1000), [...at(900, 10), [1099, 1], [1100, 1], [1199, 1], [1200, 1]])
    expect(admittedIn(decisions.slice(10))).toEqual([false, true, false, true])
    expect(decisions[9]).toEqual({ admitted: true, remaining: 0, resetAfterMillis: 1100, retryAfterMillis: 0 })
    expect(decisions[10]).toEqual({ admitted: false, remaining: 0, resetAfterMillis: 901, retryAfterMillis: 1 })
    expect(decisions[11]).toEqual({ admitted: true, remaining: 0, resetAfterMillis: 1900, retryAfterMillis: 0 })
  })

  it("forgets the window before when another has passed", () => {
    const { decisions } = taking(sliding(3, 1000), [...at(999, 3), ...at(2000, 4)])
    expect(admittedIn(decisions)).toEqual([true, true, true, true, true, true, false])
  })

  it("holds nearly twice the limit in a span of two windows at the worst, as its page says", () => {
    const calls = [...at(999, 100), ...Array.from({ length: 999 }, (_, n): readonly [number, number] => [1000 + n, 1])]
    expect(taking(sliding(100, 1000), calls).decisions.filter(({ admitted }) => admitted).length).toBe(199)
  })

  it("takes a clock that goes back for one that stands at the beginning of its window", () => {
    const { decisions } = taking(sliding(3, 1000), [...at(1500, 3), [200, 1]])
    expect(decisions[3]).toEqual({ admitted: false, remaining: 0, resetAfterMillis: 2000, retryAfterMillis: 1334 })
    const late = taking(sliding(10, 1000), [...at(900, 10), ...at(1999, 9)]).state
    expect(RateLimiter.standing(sliding(10, 1000), late, 1000).remaining).toBe(0)
  })
})

describe("a clock that goes back", () => {
  it("admits nothing that it would not have admitted had it stood still", () => {
    const anyConfig = fc.oneof(bucketConfig, slidingConfig)
    let refused = 0
    fc.assert(
      fc.property(anyConfig, long(call, 30), fc.nat(3000), (of, calls, back) => {
        let state = RateLimiter.initial(of)
        let nowMillis = 10_000
        for (const { pause } of calls) {
          nowMillis += Math.round(pause * of.windowMillis)
          state = RateLimiter.take(of, state, 1, nowMillis)[1]
        }
        const then = RateLimiter.take(of, state, 1, nowMillis)[0]
        const earlier = RateLimiter.take(of, state, 1, nowMillis - back)[0]
        if (!then.admitted) refused++
        assert.ok(earlier.remaining <= then.remaining || !then.admitted)
        assert.ok(then.admitted || !earlier.admitted)
      }),
      cases(200)
    )
    expect(refused).toBeGreaterThan(20)
  })
})

describe("the state of another algorithm", () => {
  it("is refused by name", () => {
    const [one, other] = [bucket(1, 1), sliding(1, 1)]
    const ofBucket = "the state of a SlidingWindow was used with the config of a TokenBucket"
    const ofWindow = "the state of a TokenBucket was used with the config of a SlidingWindow"
    expect(() => RateLimiter.take(one, RateLimiter.initial(other), 1, 0)).toThrow(ofBucket)
    expect(() => RateLimiter.take(other, RateLimiter.initial(one), 1, 0)).toThrow(ofWindow)
    expect(() => RateLimiter.waitMillis(one, RateLimiter.initial(other), 1, 0)).toThrow(ofBucket)
    expect(() => RateLimiter.waitMillis(other, RateLimiter.initial(one), 1, 0)).toThrow(ofWindow)
    expect(() => RateLimiter.standing(one, RateLimiter.initial(other), 0)).toThrow(ofBucket)
    expect(() => RateLimiter.isFresh(other, RateLimiter.initial(one), 0)).toThrow(ofWindow)
  })
})

describe("a key whose limit has fallen", () => {
  const falls = [
    { from: bucket(1000, 60_000), to: bucket(10, 60_000) },
    { from: sliding(1000, 60_000), to: sliding(10, 60_000) }
  ]
  for (const { from, to } of falls) {
    it(`has used all of the lower one and no more: ${to._tag}`, () => {
      const { state } = taking(from, at(0, 900))
      const [decision] = RateLimiter.take(to, state, 1, 1)
      expect(decision.admitted).toBe(false)
      expect(RateLimiter.standing(to, state, 1).remaining).toBe(0)
      expect(RateLimiter.waitMillis(to, state, 1, 1, 0)).toBeLessThanOrEqual(2 * 60_000)
    })
  }

  it("waits until the window after has room again, as if it had used all of the lower one", () => {
    const { state } = taking(sliding(10, 1000), at(0, 10))
    // In the next window 10 count at its beginning, and 4 of them after 600 ms.
    expect(RateLimiter.waitMillis(sliding(5, 1000), state, 1, 0)).toBe(1600)
  })
})
