import { Backoff } from "@effect-resilience/machines"
import * as fc from "fast-check"
import assert from "node:assert/strict"
import { describe, expect, it } from "vitest"
import { cases } from "../support/Law.js"

const almostOne = 0.999999999
const random = fc.oneof(fc.constantFrom(0, 0.5, almostOne), fc.double({ min: 0, max: almostOne, noNaN: true }))
const retry = fc.oneof(fc.nat(12), fc.nat(2000), fc.constantFrom(0, 1, 1023, 1024, 1e6, 1e9))
const millis = fc.oneof(fc.nat(10), fc.nat(100_000), fc.double({ min: 0, max: 1e12, noNaN: true }))
const config: fc.Arbitrary<Backoff.Config> = fc
  .record({
    baseMillis: fc.oneof(millis, fc.constantFrom(0, 1, 100, Number.MAX_VALUE)),
    above: fc.oneof(millis, fc.constant(Infinity)),
    factor: fc.oneof(fc.constantFrom(1, 2, 3), fc.double({ min: 1, max: 10, noNaN: true }))
  })
  .map(({ above, baseMillis, factor }) => ({ baseMillis, capMillis: baseMillis + above, factor }))

const whole = (delay: number, low: number, high: number) => {
  assert.ok(Number.isSafeInteger(delay), `${delay} is no whole number`)
  assert.ok(delay >= low && delay <= high, `${delay} is not within ${low} and ${high}`)
}

const limitOf = (of: { readonly capMillis: number }): number =>
  Math.floor(Math.min(of.capMillis, Backoff.maxDelayMillis))

const usual: Backoff.Config = { baseMillis: 100, capMillis: 2000, factor: 2 }

describe("ceiling", () => {
  it("counts retries from 0, doubles, and stops at the cap", () => {
    expect([0, 1, 2, 3, 4, 5, 6].map((n) => Backoff.ceilingMillis(usual, n))).toEqual([
      100, 200, 400, 800, 1600, 2000, 2000
    ])
    expect([0, 1, 2].map((n) => Backoff.ceilingMillis({ ...usual, factor: 1 }, n))).toEqual([100, 100, 100])
    expect(Backoff.ceilingMillis({ ...usual, baseMillis: 0.9 }, 1)).toBe(1)
  })

  it("is a finite whole number for any n, also where base * factor^n is not", () => {
    expect(Backoff.ceilingMillis(usual, 1e9)).toBe(2000)
    expect(Backoff.ceilingMillis({ ...usual, baseMillis: 0 }, 1e9)).toBe(0)
    expect(Backoff.ceilingMillis({ ...usual, factor: 1 }, 1e9)).toBe(100)
    expect(Backoff.ceilingMillis(usual, -3)).toBe(100)
  })

  it("is never longer than a Node timer keeps", () => {
    expect(Backoff.maxDelayMillis).toBe(2 ** 31 - 1)
    expect(Backoff.ceilingMillis({ baseMillis: 1, capMillis: Infinity, factor: 2 }, 40)).toBe(2 ** 31 - 1)
  })

  it("is min(cap, base * factor^n) wherever that can be computed exactly", () => {
    const numbers = fc.tuple(fc.nat(500), fc.nat(100_000), fc.integer({ min: 1, max: 5 }), fc.nat(30))
    const law = fc.property(numbers, ([baseMillis, above, factor, n]) => {
      const capMillis = baseMillis + above
      const exact = BigInt(baseMillis) * BigInt(factor) ** BigInt(n)
      const expected = exact > BigInt(capMillis) ? capMillis : Number(exact)
      assert.equal(Backoff.ceilingMillis({ baseMillis, capMillis, factor }, n), expected)
    })
    fc.assert(law, cases(500))
  })

  it("lies within the cap and never falls from one retry to the next", () => {
    const law = fc.property(config, retry, (of, n) => {
      const ceiling = Backoff.ceilingMillis(of, n)
      whole(ceiling, 0, limitOf(of))
      assert.ok(Backoff.ceilingMillis(of, n + 1) >= ceiling)
    })
    fc.assert(law, cases(1000))
  })
})

describe("jitter", () => {
  it("full: any whole number from 0 to the ceiling, each as likely as the other", () => {
    const drawn = (k: number) => Backoff.fullJitterMillis({ baseMillis: 9, capMillis: 9, factor: 2 }, 0, (k + 0.5) / 10)
    expect([0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map(drawn)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  it("equal: any whole number from half the ceiling to the ceiling, each as likely as the other", () => {
    const of = { baseMillis: 9, capMillis: 9, factor: 2 }
    expect([0, 1, 2, 3, 4].map((k) => Backoff.equalJitterMillis(of, 0, (k + 0.5) / 5))).toEqual([5, 6, 7, 8, 9])
    expect(Backoff.equalJitterMillis(usual, 0, 0)).toBe(50)
    expect(Backoff.equalJitterMillis(usual, 0, almostOne)).toBe(100)
  })

  it("decorrelated: from the base to three times the wait before, then capped", () => {
    expect(Backoff.decorrelatedJitterMillis(usual, 100, 0)).toBe(100)
    expect(Backoff.decorrelatedJitterMillis(usual, 100, 0.5)).toBe(200)
    expect(Backoff.decorrelatedJitterMillis(usual, 100, almostOne)).toBe(300)
    expect(Backoff.decorrelatedJitterMillis(usual, 2000, almostOne)).toBe(2000)
    expect(Backoff.decorrelatedJitterMillis(usual, 0, almostOne)).toBe(100)
    expect(Backoff.decorrelatedJitterMillis({ ...usual, baseMillis: 2500 }, 2500, 0)).toBe(2000)
  })

  it("comes after the cap: a wait far above it is spread over the whole range, not piled up at the cap", () => {
    expect(Backoff.fullJitterMillis(usual, 1e9, 0.5)).toBe(1000)
    expect(Backoff.equalJitterMillis(usual, 1e9, 0.5)).toBe(1500)
  })

  it("reaches both ends of its range and never leaves it, for any n", () => {
    const law = fc.property(config, retry, random, (of, n, drawn) => {
      const ceiling = Backoff.ceilingMillis(of, n)
      whole(Backoff.fullJitterMillis(of, n, drawn), 0, ceiling)
      whole(Backoff.equalJitterMillis(of, n, drawn), Math.ceil(ceiling / 2), ceiling)
      assert.equal(Backoff.fullJitterMillis(of, n, 0), 0)
      assert.equal(Backoff.equalJitterMillis(of, n, 0), Math.ceil(ceiling / 2))
      if (ceiling > 1e8) return
      assert.equal(Backoff.fullJitterMillis(of, n, almostOne), ceiling)
      assert.equal(Backoff.equalJitterMillis(of, n, almostOne), ceiling)
    })
    fc.assert(law, cases(1000))
  })

  it("decorrelated: a chain of waits starts at the base and stays between the base and the cap", () => {
    const law = fc.property(config, fc.array(random, { maxLength: 50, size: "max" }), (of, draws) => {
      const first = of.baseMillis
      draws.reduce((previous, drawn) => {
        const next = Backoff.decorrelatedJitterMillis(of, previous, drawn)
        whole(next, Math.min(Math.floor(of.baseMillis), limitOf(of)), limitOf(of))
        assert.ok(next <= Math.max(3 * previous, of.baseMillis))
        return next
      }, first)
    })
    fc.assert(law, cases(500))
  })
})

describe("linear", () => {
  it("grows by the increment from the base up to the cap", () => {
    const of = { baseMillis: 100, incrementMillis: 50, capMillis: 220 }
    expect([-1, 0, 1, 2, 3, 1e9].map((n) => Backoff.linearMillis(of, n))).toEqual([100, 100, 150, 200, 220, 220])
  })

  it("is a whole number within the cap for any n, never falling", () => {
    const law = fc.property(config, millis, retry, (of, incrementMillis, n) => {
      const delay = Backoff.linearMillis({ ...of, incrementMillis }, n)
      whole(delay, 0, limitOf(of))
      assert.ok(Backoff.linearMillis({ ...of, incrementMillis }, n + 1) >= delay)
    })
    fc.assert(law, cases(500))
  })

  it("is never negative", () => {
    expect(Backoff.linearMillis({ baseMillis: -5, incrementMillis: 1, capMillis: 100 }, 0)).toBe(0)
  })
})

describe("a delay the dependency asked for", () => {
  it("is the backoff's own when that is at least as long", () => {
    expect(Backoff.withHintMillis(100, 0, almostOne)).toBe(100)
    expect(Backoff.withHintMillis(100, 100, almostOne)).toBe(100)
  })

  it("is stretched by up to a tenth when it is the longer one", () => {
    expect(Backoff.withHintMillis(100, 1000, 0)).toBe(1000)
    expect(Backoff.withHintMillis(100, 1000, 0.5)).toBe(1050)
    expect(Backoff.withHintMillis(100, 1000, almostOne)).toBe(1100)
    expect(Backoff.withHintMillis(100, 101, almostOne)).toBe(112)
    expect(Backoff.withHintMillis(0, 0.4, 0)).toBe(1)
  })

  it("is a whole number, never earlier than asked, never more than a tenth later", () => {
    const hint = fc.oneof(millis, fc.constantFrom(0, Number.MAX_VALUE, Infinity))
    const law = fc.property(fc.nat(100_000), hint, random, (backoff, asked, drawn) => {
      const delay = Backoff.withHintMillis(backoff, asked, drawn)
      const limit = Backoff.maxDelayMillis
      const atMost = Math.max(backoff, Math.ceil(asked) + Math.ceil(asked / 10))
      whole(delay, Math.min(limit, Math.max(backoff, asked)), Math.min(limit, atMost))
    })
    fc.assert(law, cases(1000))
  })
})
