import { Window } from "@effect-resilience/machines"
import * as fc from "fast-check"
import assert from "node:assert/strict"
import { describe, expect, it } from "vitest"
import { Dice } from "../support/Dice.js"
import { cases, frozen, long } from "../support/Law.js"
import * as NaiveWindow from "../support/NaiveWindow.js"
import type { Told } from "../support/NaiveWindow.js"

const count = (size: number, maxAgeMillis = 1000): Window.CountConfig => ({ _tag: "Count", size, maxAgeMillis })
const time = (spanMillis: number, buckets = 10): Window.TimeConfig => ({ _tag: "Time", spanMillis, buckets })

/** A window that was told these outcomes, `true` for a failure, all at the given moment. */
const told = (config: Window.Config, outcomes: ReadonlyArray<boolean>, atMillis = 0, from?: Window.Window) =>
  outcomes.reduce(
    (window, failed) => frozen(Window.add(config, window, failed, atMillis)),
    from ?? frozen(Window.empty(config))
  )

const totals = ({ calls, failures }: Window.Window) => ({ calls, failures })
const at = (config: Window.Config, window: Window.Window, nowMillis: number) =>
  totals(Window.advance(config, window, nowMillis))

const reach = fc.oneof(fc.constantFrom(1, 7, 10, 11, 25, 100, 333, 1000, 600_000), fc.integer({ min: 1, max: 2000 }))
const size = fc.oneof(fc.constantFrom(1, 2, 31, 32, 33, 63, 64, 65, 96), fc.integer({ min: 1, max: 130 }))
const countConfig: fc.Arbitrary<Window.Config> = fc.tuple(size, reach).map(([of, maxAge]) => count(of, maxAge))
const timeConfig: fc.Arbitrary<Window.Config> = fc
  .tuple(reach, fc.constantFrom(1, 2, 3, 7, 10, 12, 60))
  .map(([span, buckets]) => time(span, buckets))

/** Bursts of outcomes with pauses between them, as a share of the window's reach so that ends of steps are hit. */
interface Burst {
  readonly pause: number
  readonly outcomes: ReadonlyArray<boolean>
}

const burst: fc.Arbitrary<Burst> = fc.record({
  pause: fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(0, 0.001, 0.01, 0.1, 0.2) },
    { weight: 1, arbitrary: fc.constantFrom(0.5, 0.9, 0.999, 1, 1.1, 3) },
    { weight: 2, arbitrary: fc.double({ min: 0, max: 0.5, noNaN: true }) }
  ),
  outcomes: fc.oneof({ weight: 5, arbitrary: long(fc.boolean(), 3) }, { weight: 1, arbitrary: long(fc.boolean(), 70) })
})

/** Tells every outcome to the window and shows it with all that was ever told, after each and before each burst. */
const replay = (
  config: Window.Config,
  startMillis: number,
  bursts: ReadonlyArray<Burst>,
  show: (window: Window.Window, told: ReadonlyArray<Told>, nowMillis: number) => void
) => {
  const all: Array<Told> = []
  let window = frozen(Window.empty(config))
  let nowMillis = startMillis
  for (const { outcomes, pause } of bursts) {
    nowMillis += Math.round(pause * NaiveWindow.reachOf(config))
    show(frozen(Window.advance(config, window, nowMillis)), all, nowMillis)
    for (const failed of outcomes) {
      all.push({ atMillis: nowMillis, failed })
      window = frozen(Window.add(config, window, failed, nowMillis))
      show(window, all, nowMillis)
    }
  }
}

describe.each([
  ["count window", countConfig],
  ["time window", timeConfig]
])("any %s", (_, config) => {
  const start = fc.oneof(fc.constant(0), fc.nat(1_000_000_000))
  const bursts = long(burst, 40)

  it("holds what a plain list of all outcomes says, after any history and at any moment", () => {
    const seen = new Set<string>()
    const law = fc.property(config, start, bursts, (of, startMillis, history) =>
      replay(of, startMillis, history, (window, all, nowMillis) => {
        const counted = NaiveWindow.counted(of, all, nowMillis)
        assert.deepEqual(totals(window), NaiveWindow.totals(counted))
        if (NaiveWindow.held(of, all).length < all.length) seen.add("displaced")
        if (counted.length === 0 && all.length > 0) seen.add("emptied by age")
        else if (counted.length < NaiveWindow.held(of, all).length) seen.add("partly aged")
        if (counted.length > 64) seen.add("many words")
      })
    )
    fc.assert(law, cases(80))
    expect([...seen]).toEqual(expect.arrayContaining(["emptied by age", "partly aged", "many words"]))
  })

  it("counts nothing as old as its reach, and loses nothing younger than a step less that was not displaced", () => {
    const seen = new Set<string>()
    const law = fc.property(config, start, bursts, (of, startMillis, history) => {
      const steps = of._tag === "Count" ? 10 : of.buckets
      const reachMillis = NaiveWindow.reachOf(of)
      replay(of, startMillis, history, (window, all, nowMillis) => {
        const held = NaiveWindow.held(of, all)
        const age = ({ atMillis }: Told) => nowMillis - atMillis
        const most = held.filter((outcome) => age(outcome) < reachMillis).length
        const least = held.filter((outcome) => age(outcome) * steps < reachMillis * (steps - 1)).length
        assert.ok(window.calls <= most, `${window.calls} count, ${most} are young enough`)
        assert.ok(window.calls >= least, `${window.calls} count, ${least} must`)
        const newest = window.calls === 0 ? [] : all.slice(-window.calls)
        assert.deepEqual(totals(window), NaiveWindow.totals(newest))
        if (held.some((outcome) => age(outcome) === reachMillis)) seen.add("exactly as old as its reach")
        if (window.calls < most) seen.add("up to a step early")
        if (window.calls > least) seen.add("up to a step late")
      })
    })
    fc.assert(law, cases(80))
    expect([...seen].toSorted()).toEqual(["exactly as old as its reach", "up to a step early", "up to a step late"])
  })

  it("is the same whether it was advanced in between or not", () => {
    const law = fc.property(config, bursts, fc.nat(10_000), (of, history, later) => {
      const seen: Array<Window.Window> = []
      replay(of, 0, history, (window, _all, nowMillis) => {
        const twice = Window.advance(of, window, nowMillis + later)
        const once = Window.advance(
          of,
          Window.advance(of, window, nowMillis + Math.floor(later / 2)),
          nowMillis + later
        )
        assert.deepEqual(totals(once), totals(twice))
        seen.push(window)
      })
      assert.ok(seen.every((window) => window.failures >= 0 && window.failures <= window.calls))
    })
    fc.assert(law, cases(30))
  })
})

describe("count window", () => {
  it("starts empty, in one word for each 32 outcomes", () => {
    const none = { _tag: "Count", calls: 0, failures: 0, at: 0, word: 0, told: 0, marks: [] }
    expect([1, 32, 33, 64, 65].map((of) => Window.empty(count(of)))).toEqual([
      { ...none, words: [[0]] },
      { ...none, words: [[0]] },
      { ...none, words: [[0, 0]] },
      { ...none, words: [[0, 0]] },
      { ...none, words: [[0, 0, 0]] }
    ])
  })

  it("keeps its words in blocks of 64", () => {
    const blocksOf = (held: number) => {
      const window = Window.empty(count(held))
      return window._tag === "Count" ? window.words.map((block) => block.length) : []
    }
    expect([2047, 2048, 2049, 4096].map(blocksOf)).toEqual([[64], [64], [64, 1], [64, 64]])
  })

  it("copies one block of its words, once in 32 outcomes", () => {
    const config = count(32 * 128)
    const copied: Array<number> = []
    let window = Window.empty(config)
    for (let n = 0; n < 32 * 256; n++) {
      const next = Window.add(config, window, true, 0)
      if (window._tag === "Count" && next._tag === "Count" && window.words !== next.words) {
        const before = window.words
        copied.push(...next.words.flatMap((block, place) => (block === before[place] ? [] : [place])))
      }
      window = next
    }
    const oneRound = Array.from({ length: 128 }, (_, word) => Math.floor(word / 64))
    expect(copied).toEqual([...oneRound, ...oneRound])
  })

  it("counts what a list of the last outcomes holds, also where it has several blocks", () => {
    const most = 5000
    const dice = new Dice(7)
    const last: Array<boolean> = []
    let window = Window.empty(count(most))
    for (let n = 0; n < 3 * most; n++) {
      const failed = dice.happens(0.3)
      last.push(failed)
      if (last.length > most) last.shift()
      window = Window.add(count(most), window, failed, 0)
      if (n % 61 === 0) expect(totals(window)).toEqual({ calls: last.length, failures: last.filter(Boolean).length })
    }
  })

  it("displaces the oldest outcome by the newest once it is full", () => {
    const full = told(count(3), [true, false, true])
    expect(totals(full)).toEqual({ calls: 3, failures: 2 })
    const fourth = told(count(3), [false], 0, full)
    expect(totals(fourth)).toEqual({ calls: 3, failures: 1 })
    expect(totals(told(count(3), [true], 0, fourth))).toEqual({ calls: 3, failures: 2 })
  })

  it("holds an outcome up to an age one tenth short of its maximum and none at the maximum", () => {
    const window = told(count(10), [true], 0)
    expect([0, 900, 999, 1000, 1001].map((now) => at(count(10), window, now).calls)).toEqual([1, 1, 1, 0, 0])
    const late = told(count(10), [true], 99)
    expect([999, 1000, 1099].map((now) => at(count(10), late, now).calls)).toEqual([1, 0, 0])
  })

  it("forgets a failure of an hour ago before it counts the next outcome", () => {
    const window = told(count(10, 600_000), [true, true, true, true], 0)
    expect(totals(told(count(10, 600_000), [true], 3_600_000, window))).toEqual({ calls: 1, failures: 1 })
  })

  it("keeps no more than a mark for each tenth of its maximum age", () => {
    const config = count(64)
    const window = Array.from({ length: 500 }, (_, n) => n * 17).reduce(
      (before, nowMillis) => frozen(Window.add(config, before, true, nowMillis)),
      frozen(Window.empty(config))
    )
    expect(window._tag === "Count" ? window.marks.length : 0).toBeLessThanOrEqual(10)
  })
})

describe("time window", () => {
  it("has no slots while it is empty, calls and failures for each bucket once one has ended, and none again after", () => {
    const none = { _tag: "Time", calls: 0, failures: 0, index: 0, bucketCalls: 0, bucketFailures: 0, slots: [] }
    const config = time(300, 3)
    expect(Window.empty(config)).toEqual(none)
    const first = told(config, [true, false], 0)
    expect(first).toEqual({ ...none, calls: 2, failures: 1, bucketCalls: 2, bucketFailures: 1 })
    const second = told(config, [true], 100, first)
    expect(second).toMatchObject({ calls: 3, failures: 2, slots: [2, 1, 0, 0, 0, 0] })
    expect(Window.advance(config, second, 400)).toEqual({ ...none, index: 4 })
  })

  it("holds an outcome for its span, and forgets whole buckets", () => {
    const config = time(1000)
    const window = told(config, [false], 100, told(config, [true, false], 99))
    expect(totals(window)).toEqual({ calls: 3, failures: 1 })
    expect([999, 1000, 1099, 1100].map((now) => at(config, window, now))).toEqual([
      { calls: 3, failures: 1 },
      { calls: 1, failures: 0 },
      { calls: 1, failures: 0 },
      { calls: 0, failures: 0 }
    ])
  })

  it("is empty at exactly the age of its span, also where a bucket is no whole number of milliseconds", () => {
    const config = time(1000, 60)
    const moments = Array.from({ length: 3000 }, (_, millis) => millis)
    const late = moments.filter((millis) => at(config, told(config, [true], millis), millis + 1000).calls > 0)
    expect(late).toEqual([])
  })

  it("of one bucket forgets everything when the bucket ends", () => {
    const window = told(time(1000, 1), [true, true], 999)
    expect([at(time(1000, 1), window, 999).calls, at(time(1000, 1), window, 1000).calls]).toEqual([2, 0])
  })
})

describe("a clock that goes back", () => {
  it("changes nothing that was told, and an outcome told then counts as told with the one before", () => {
    for (const config of [count(10), time(1000)]) {
      const window = told(config, [true], 5000)
      expect(Window.advance(config, window, 100)).toBe(window)
      const both = told(config, [false], 100, window)
      expect(totals(both)).toEqual({ calls: 2, failures: 1 })
      expect(at(config, both, 5999)).toEqual({ calls: 2, failures: 1 })
      expect(at(config, both, 6000)).toEqual({ calls: 0, failures: 0 })
    }
  })
})

describe("so many successes at once", () => {
  it("are as if they had come one by one", () => {
    const config = time(3)
    let one = Window.add(config, Window.empty(config), true, 0)
    const all = Window.addSuccesses(config, one, 5, 1)
    for (let n = 0; n < 5; n++) one = Window.add(config, one, false, 1)
    expect(all).toEqual(one)
  })
})

describe("a window of the other kind", () => {
  it("is refused by name", () => {
    const message = "a window of kind Time was used with a config of kind Count"
    expect(() => Window.add(count(1), Window.empty(time(1)), true, 0)).toThrow(message)
    expect(() => Window.advance(count(1), Window.empty(time(1)), 0)).toThrow(message)
    expect(() => Window.addSuccesses(time(1), Window.empty(count(1)), 1, 0)).toThrow(
      "of kind Count was used with a config of"
    )
    expect(() => Window.add(time(1), Window.empty(count(1)), true, 0)).toThrow(
      "of kind Count was used with a config of"
    )
  })
})
