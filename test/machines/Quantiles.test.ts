import { Quantiles } from "@effect-resilience/machines"
import * as fc from "fast-check"
import assert from "node:assert/strict"
import { describe, expect, it } from "vitest"
import { cases, frozen, long } from "../support/Law.js"

const sketchOf = (values: ReadonlyArray<number>): Quantiles.Sketch =>
  values.reduce((sketch, value) => frozen(Quantiles.add(sketch, value)), frozen(Quantiles.empty))

/** The quantile by its definition; what is below a thousandth is 0. */
const exact = (values: ReadonlyArray<number>, q: number): number | undefined => {
  const value = values.toSorted((a, b) => a - b)[Math.floor(q * (values.length - 1))]
  return value === undefined || value >= 1e-3 ? value : 0
}

/** Values of every size, many of them close to each other or the same. */
const value = fc.oneof(
  { weight: 3, arbitrary: fc.double({ min: -3, max: 15.9, noNaN: true }).map((power) => Math.pow(10, power)) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 200 }) },
  { weight: 1, arbitrary: fc.constantFrom(0, 1e-3, 0.000999, 1, 1.02, Number.MAX_SAFE_INTEGER) }
)
const share = fc.oneof(fc.constantFrom(0, 0.5, 0.9, 0.99, 0.999, 1), fc.double({ min: 0, max: 1, noNaN: true }))

const near = (estimate: number | undefined, truth: number | undefined): void => {
  if (truth === undefined || truth === 0) return assert.equal(estimate, truth)
  assert.ok(estimate !== undefined && Math.abs(estimate - truth) <= truth * (Quantiles.relativeError + 1e-9))
}

describe("quantiles", () => {
  it("are within 1 % of the exact ones, whatever the values", () => {
    let zeros = 0
    let others = 0
    fc.assert(
      fc.property(long(value, 200), share, (values, q) => {
        const truth = exact(values, q)
        near(Quantiles.quantile(sketchOf(values), q), truth)
        if (truth === 0) zeros++
        else if (truth !== undefined) others++
      }),
      cases(400)
    )
    expect(Math.min(zeros, others)).toBeGreaterThan(20)
  })

  it("are the same in whatever order and grouping sketches are merged, and as if one had seen all", () => {
    fc.assert(
      fc.property(long(value, 60), long(value, 60), long(value, 60), (one, two, three) => {
        const [a, b, c] = [sketchOf(one), sketchOf(two), sketchOf(three)]
        const left = Quantiles.merge(Quantiles.merge(a, b), c)
        assert.deepEqual(left, Quantiles.merge(a, Quantiles.merge(b, c)))
        assert.deepEqual(left, Quantiles.merge(c, Quantiles.merge(b, a)))
        assert.deepEqual(left, sketchOf([...one, ...two, ...three]))
        assert.deepEqual(Quantiles.merge(a, Quantiles.empty), a)
      }),
      cases(150)
    )
  })

  it("of nothing are undefined", () => {
    expect([0, 0.5, 1].map((q) => Quantiles.quantile(Quantiles.empty, q))).toEqual([undefined, undefined, undefined])
  })

  it("are taken for 0 and 1 where they lie outside", () => {
    const sketch = sketchOf([1, 10, 100])
    expect(Quantiles.quantile(sketch, -1)).toBe(Quantiles.quantile(sketch, 0))
    expect(Quantiles.quantile(sketch, 2)).toBe(Quantiles.quantile(sketch, 1))
  })

  it("count what is no number or below a thousandth as 0, and what is beyond 2^53 as that", () => {
    const sketch = sketchOf([Number.NaN, -5, 0, 0.0009, Infinity, 1e300])
    expect({ count: sketch.count, zeros: sketch.zeros }).toEqual({ count: 6, zeros: 4 })
    near(Quantiles.quantile(sketch, 1), Number.MAX_SAFE_INTEGER)
    expect(sketchOf([1e-3]).zeros).toBe(0)
  })

  it("take the same room for a million values as for one: blocks of 32 bins, made when they are needed", () => {
    const { blocks, count } = sketchOf([1, 100, 1, 1])
    expect(count).toBe(4)
    expect(blocks.filter((block) => block !== undefined).map((block) => block.length)).toEqual([32, 32])
    expect(sketchOf([Number.MAX_SAFE_INTEGER]).blocks.length).toBe(69)
  })
})

describe("recent quantiles", () => {
  const config: Quantiles.RecentConfig = { windowMillis: 1000, slices: 4 }
  const add = (recent: Quantiles.Recent, seen: number, atMillis: number, of = config) =>
    frozen(Quantiles.addRecent(of, recent, seen, atMillis))
  const countAt = (recent: Quantiles.Recent, atMillis: number, of = config) =>
    Quantiles.inRecent(Quantiles.advance(of, recent, atMillis)).count

  it("begin with nothing", () => {
    expect(Quantiles.emptyRecent).toEqual({ index: 0, present: Quantiles.empty, older: [], merged: Quantiles.empty })
  })

  it("hold a value for its window, less up to a slice", () => {
    const first = add(Quantiles.emptyRecent, 5, 0)
    expect([0, 249, 250, 999, 1000].map((atMillis) => countAt(first, atMillis))).toEqual([1, 1, 1, 1, 0])
    const late = add(Quantiles.emptyRecent, 5, 249)
    expect([999, 1000].map((atMillis) => countAt(late, atMillis))).toEqual([1, 0])
  })

  it("of one slice hold only the present one", () => {
    const of = { windowMillis: 1000, slices: 1 }
    const recent = add(Quantiles.emptyRecent, 5, 999, of)
    expect([999, 1000].map((atMillis) => countAt(recent, atMillis, of))).toEqual([1, 0])
  })

  it("keep no more slices than they were given, however long they were idle", () => {
    const recent = Quantiles.advance(config, add(Quantiles.emptyRecent, 5, 0), 1e12)
    expect(recent).toEqual({
      index: 4e9,
      present: Quantiles.empty,
      older: [Quantiles.empty, Quantiles.empty, Quantiles.empty],
      merged: Quantiles.empty
    })
  })

  it("take a clock that goes back for one that stands still", () => {
    const recent = add(Quantiles.emptyRecent, 5, 5000)
    expect(Quantiles.advance(config, recent, 100)).toBe(recent)
    expect(countAt(add(recent, 7, 100), 5000)).toBe(2)
  })

  it("hold what a plain list of the values of the last slices holds", () => {
    const event = fc.record({
      pause: fc.oneof({ weight: 5, arbitrary: fc.constantFrom(0, 10, 90) }, fc.constantFrom(250, 400, 999, 5000)),
      seen: value
    })
    let forgotten = 0
    fc.assert(
      fc.property(fc.constantFrom(1, 2, 3, 7), long(event, 50), share, (slices, events, q) => {
        const of = { windowMillis: 1000, slices }
        const told: Array<{ readonly slice: number; readonly seen: number }> = []
        let recent = frozen(Quantiles.emptyRecent)
        let nowMillis = 0
        for (const { pause, seen } of events) {
          nowMillis += pause
          const slice = Math.floor((nowMillis * slices) / 1000)
          told.push({ slice, seen })
          recent = add(recent, seen, nowMillis, of)
          const held = told.filter((each) => slice - each.slice < slices).map((each) => each.seen)
          assert.deepEqual(Quantiles.inRecent(recent).count, held.length)
          near(Quantiles.quantile(Quantiles.inRecent(recent), q), exact(held, q))
          if (held.length < told.length) forgotten++
        }
      }),
      cases(100)
    )
    expect(forgotten).toBeGreaterThan(100)
  })
})
