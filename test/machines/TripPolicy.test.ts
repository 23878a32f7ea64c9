import { TripPolicy, Window } from "@effect-resilience/machines"
import * as fc from "fast-check"
import assert from "node:assert/strict"
import { describe, expect, it } from "vitest"
import { cases, long } from "../support/Law.js"

const count = (size: number, maxAgeMillis = 1000): Window.CountConfig => ({ _tag: "Count", size, maxAgeMillis })

/** What the rule says after these outcomes, `true` for a failure, told at the given moments. */
const after = (
  policy: TripPolicy.TripPolicy,
  outcomes: ReadonlyArray<readonly [failed: boolean, atMillis: number]>
) => {
  const fold = (memory: TripPolicy.Memory, [failed, atMillis]: readonly [boolean, number]) =>
    TripPolicy.add(policy, memory, failed, 0, atMillis)
  return TripPolicy.breach(policy, outcomes.reduce(fold, TripPolicy.empty(policy)))
}

const atOnce = (policy: TripPolicy.TripPolicy, outcomes: ReadonlyArray<boolean>) =>
  after(
    policy,
    outcomes.map((failed) => [failed, 0])
  )

const failuresOf = (failures: number, calls: number) => Array.from({ length: calls }, (_, call) => call < failures)

describe("consecutive", () => {
  it("trips at the n-th failure in a row, not before", () => {
    const policy = TripPolicy.consecutive(3)
    expect(atOnce(policy, [true, true])).toBeUndefined()
    expect(atOnce(policy, [true, true, true])).toEqual({ _tag: "Consecutive", failures: 3, threshold: 3 })
    expect(atOnce(TripPolicy.consecutive(1), [true])).toEqual({ _tag: "Consecutive", failures: 1, threshold: 1 })
  })

  it("is broken by a success", () => {
    const policy = TripPolicy.consecutive(3)
    expect(atOnce(policy, [true, true, false, true, true])).toBeUndefined()
    expect(atOnce(policy, [true, true, false, true, true, true])).toBeDefined()
  })

  it("is broken by age: 10 minutes unless it says otherwise", () => {
    expect(TripPolicy.defaultMaxAgeMillis).toBe(600_000)
    const policy = TripPolicy.consecutive(2)
    expect(
      after(policy, [
        [true, 0],
        [true, 599_999]
      ])
    ).toBeDefined()
    expect(
      after(policy, [
        [true, 0],
        [true, 600_000]
      ])
    ).toBeUndefined()
    const brief = TripPolicy.consecutive(2, 1000)
    expect(
      after(brief, [
        [true, 0],
        [true, 999]
      ])
    ).toBeDefined()
    expect(
      after(brief, [
        [true, 0],
        [true, 1000]
      ])
    ).toBeUndefined()
  })

  it("trips exactly when the last n outcomes were failures", () => {
    const seen = new Set<boolean>()
    const failed = fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) })
    const law = fc.property(fc.integer({ min: 1, max: 40 }), long(failed, 80), (n, outcomes) => {
      const last = outcomes.slice(-n)
      const expected = last.length === n && last.every((outcome) => outcome)
      seen.add(expected)
      assert.equal(atOnce(TripPolicy.consecutive(n), outcomes) !== undefined, expected)
    })
    fc.assert(law, cases(300))
    expect(seen).toEqual(new Set([true, false]))
  })
})

describe("rate", () => {
  const sevenPercent = TripPolicy.rate({ threshold: 0.07, minimumCalls: 20, window: count(100) })

  it("is a rule of its own kind", () => {
    expect(sevenPercent).toEqual({ _tag: "Rate", threshold: 0.07, minimumCalls: 20, window: count(100) })
  })

  it("trips at exactly its threshold: 7 of 100 at 0.07", () => {
    const breach = { _tag: "Rate", failures: 7, calls: 100, threshold: 0.07 }
    expect(atOnce(sevenPercent, failuresOf(7, 100))).toEqual(breach)
    expect(atOnce(sevenPercent, failuresOf(6, 100))).toBeUndefined()
  })

  it("never trips below its minimum of calls, and does at the minimum", () => {
    expect(atOnce(sevenPercent, failuresOf(19, 19))).toBeUndefined()
    expect(atOnce(sevenPercent, failuresOf(20, 20))).toEqual({ _tag: "Rate", failures: 20, calls: 20, threshold: 0.07 })
    const one = TripPolicy.rate({ threshold: 1, minimumCalls: 1, window: count(1) })
    expect(atOnce(one, [true])).toBeDefined()
    expect(atOnce(one, [])).toBeUndefined()
  })

  it("trips at every whole percentage of a hundred calls, and not one failure below", () => {
    for (let percent = 1; percent <= 100; percent++) {
      const policy = TripPolicy.rate({ threshold: percent / 100, minimumCalls: 1, window: count(100) })
      assert.ok(atOnce(policy, failuresOf(percent, 100)) !== undefined, `${percent} of 100 at ${percent / 100}`)
      assert.ok(atOnce(policy, failuresOf(percent - 1, 100)) === undefined, `${percent - 1} of 100 at ${percent / 100}`)
    }
  })

  it("forgets what has left its window", () => {
    const window: Window.TimeConfig = { _tag: "Time", spanMillis: 1000, buckets: 10 }
    const policy = TripPolicy.rate({ threshold: 0.5, minimumCalls: 2, window })
    expect(
      after(policy, [
        [true, 0],
        [true, 999]
      ])
    ).toBeDefined()
    expect(
      after(policy, [
        [true, 0],
        [true, 1000]
      ])
    ).toBeUndefined()
  })
})

describe("slow", () => {
  const policy = TripPolicy.slow({ threshold: 0.5, slowerThanMillis: 100, minimumCalls: 2, window: count(10) })
  /** What the rule says of calls that lasted so long, none of which failed. */
  const lasting = (of: TripPolicy.TripPolicy, spans: ReadonlyArray<number>, failed = false) =>
    TripPolicy.breach(
      of,
      spans.reduce((memory, lasted) => TripPolicy.add(of, memory, failed, lasted, 0), TripPolicy.empty(of))
    )

  it("is a rule of its own kind, and tells from how long on a call is slow", () => {
    expect(policy).toEqual({ _tag: "Slow", threshold: 0.5, slowerThanMillis: 100, minimumCalls: 2, window: count(10) })
    expect(TripPolicy.slowerThanMillis(policy)).toBe(100)
    expect(TripPolicy.slowerThanMillis(TripPolicy.consecutive(1))).toBe(Infinity)
    expect(TripPolicy.slowerThanMillis(TripPolicy.any([{ ...policy, slowerThanMillis: 50 }, policy]))).toBe(50)
  })

  it("trips at exactly its share of calls that lasted at least so long, failed or not, and not below its minimum", () => {
    const breach = { _tag: "Slow", slow: 1, calls: 2, threshold: 0.5, slowerThanMillis: 100 }
    expect(lasting(policy, [99, 100])).toEqual(breach)
    expect(lasting(policy, [99, 99], true)).toBeUndefined()
    expect(lasting(policy, [100, 99, 99])).toBeUndefined()
    expect(lasting(policy, [100])).toBeUndefined()
  })
})

describe("one rule", () => {
  it("remembers its window alone, any rules a window for each", () => {
    const rule = TripPolicy.consecutive(2)
    const memory = Window.add(rule.window, Window.empty(rule.window), true, 0)
    expect(TripPolicy.add(rule, TripPolicy.empty(rule), true, 0, 0)).toEqual(memory)
    const any = TripPolicy.any([rule])
    expect(TripPolicy.add(any, TripPolicy.empty(any), true, 0, 0)).toEqual({ _tag: "Any", windows: [memory] })
  })
})

describe("any", () => {
  const rule = TripPolicy.slow({ threshold: 1, slowerThanMillis: 100, minimumCalls: 2, window: count(2) })
  const policy = TripPolicy.any([TripPolicy.consecutive(3, 1000), rule])
  const told = (calls: ReadonlyArray<readonly [failed: boolean, lastedMillis: number]>) =>
    calls.reduce(
      (memory, [failed, lasted]) => TripPolicy.add(policy, memory, failed, lasted, 0),
      TripPolicy.empty(policy)
    )

  it("trips by whichever rule does, each over a window of its own, and says the first of several", () => {
    const breachAfter = (...calls: ReadonlyArray<readonly [boolean, number]>) => TripPolicy.breach(policy, told(calls))
    expect(breachAfter([true, 0], [true, 0])).toBeUndefined()
    expect(breachAfter([true, 0], [true, 0], [true, 0])?._tag).toBe("Consecutive")
    expect(breachAfter([false, 100], [false, 100])?._tag).toBe("Slow")
    expect(breachAfter([true, 0], [true, 100], [true, 100])?._tag).toBe("Consecutive")
  })

  it("of no rules at all never trips, and tells of nothing", () => {
    const none = TripPolicy.any([])
    const memory = TripPolicy.add(none, TripPolicy.empty(none), true, 1000, 0)
    expect(TripPolicy.breach(none, memory)).toBeUndefined()
    const nothing = { calls: 0, failures: 0, failureRate: 0, slow: 0, slowRate: 0 }
    expect(TripPolicy.totals(none, memory, 0)).toEqual(nothing)
  })

  it("tells of failures by the first rule that counts them and of slow calls by the first that counts those", () => {
    const memory = told([
      [true, 0],
      [true, 100],
      [false, 0]
    ])
    const totals = { calls: 3, failures: 2, failureRate: 2 / 3, slow: 1, slowRate: 0.5 }
    expect(TripPolicy.totals(policy, memory, 0)).toEqual(totals)
    const none = { calls: 0, failures: 0, failureRate: 0, slow: 0, slowRate: 0 }
    expect(TripPolicy.totals(policy, memory, 1000)).toEqual(none)
    expect(TripPolicy.totals(rule, TripPolicy.add(rule, TripPolicy.empty(rule), true, 100, 0), 0)).toEqual({
      ...none,
      calls: 1,
      slow: 1,
      slowRate: 1
    })
  })
})
