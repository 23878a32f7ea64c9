import { AdaptiveLimit } from "@effect-resilience/machines"
import { describe, expect, it } from "vitest"
import { frozen } from "../support/Law.js"

const config = (
  algorithm: AdaptiveLimit.Algorithm,
  more: Partial<AdaptiveLimit.Config> = {}
): AdaptiveLimit.Config => ({
  algorithm,
  min: 1,
  max: 1000,
  initial: 20,
  ...more
})

interface Call {
  readonly latency: number
  readonly inFlight: number
  readonly outcome?: "Success" | "Dropped"
}

const after = (of: AdaptiveLimit.Config, calls: ReadonlyArray<Call>): AdaptiveLimit.State =>
  calls.reduce<AdaptiveLimit.State>(
    (state, { inFlight, latency, outcome = "Success" }) =>
      frozen(AdaptiveLimit.learn(of, state, { outcome, startedMillis: 1000 - latency, inFlight }, 1000)),
    frozen(AdaptiveLimit.initial(of))
  )

const limitAfter = (of: AdaptiveLimit.Config, ...calls: ReadonlyArray<Call>): number =>
  Number(after(of, calls).limit.toFixed(4))
const times = (count: number, call: Call): ReadonlyArray<Call> => Array.from({ length: count }, () => call)
const dropped: Call = { latency: 100, inFlight: 20, outcome: "Dropped" }

describe("aimd", () => {
  const of = config("aimd")
  it("grows by one for a success while half of it is used, shrinks by a tenth for a drop", () => {
    expect(limitAfter(of, { latency: 5, inFlight: 10 })).toBe(21)
    expect(limitAfter(of, { latency: 5, inFlight: 9 })).toBe(20)
    expect(limitAfter(of, dropped)).toBe(18)
    expect(limitAfter(of, dropped, dropped)).toBe(16)
  })

  it("learns nothing but the limit", () => {
    const nothingElse = { _tag: "ConcurrencyLimits", baselineMillis: 0, samples: 0 }
    expect(after(of, [{ latency: 5, inFlight: 10 }])).toEqual({ ...nothingElse, limit: 21 })
    expect(after(of, [dropped])).toEqual({ ...nothingElse, limit: 18 })
  })

  it("stays between its least and its most", () => {
    expect(limitAfter(config("aimd", { max: 20 }), { latency: 5, inFlight: 20 })).toBe(20)
    expect(limitAfter(config("aimd", { min: 19 }), dropped)).toBe(19)
  })
})

describe("vegas", () => {
  const of = config("vegas", { initial: 100 })
  const first: Call = { latency: 100, inFlight: 100 }

  it("takes the least latency for its baseline", () => {
    const state = after(of, [first, { latency: 90, inFlight: 100 }])
    expect(state).toMatchObject({ baselineMillis: 90, limit: 100, samples: 2 })
  })

  it("grows fast without a line, slowly with a short one, rests with a middling one, shrinks with a long one", () => {
    const then = (latency: number) => limitAfter(of, first, { latency, inFlight: 100 })
    // A line of 2, 3, 5, 6, 12 and 13; a step is log10(100) = 2.
    expect([102, 103, 105, 106, 113, 114].map(then)).toEqual([112, 102, 102, 100, 100, 98])
  })

  it("shrinks by a step for a drop, and does not change while less than half of it is used", () => {
    expect(limitAfter(of, first, { latency: 100, inFlight: 1, outcome: "Dropped" })).toBe(98)
    expect(limitAfter(of, first, { latency: 100, inFlight: 49 })).toBe(100)
    expect(limitAfter(of, first, { latency: 100, inFlight: 50 })).toBe(112)
  })

  it("takes no baseline from a drop, however fast it was refused or long it was waited for", () => {
    const refused: Call = { latency: 1, inFlight: 100, outcome: "Dropped" }
    expect(after(of, [first, refused])).toMatchObject({ baselineMillis: 100, limit: 98 })
    expect(after(of, [refused])).toMatchObject({ baselineMillis: 0, limit: 98 })
    const due = after(config("vegas", { initial: 2 }), [...times(59, { latency: 100, inFlight: 0 }), dropped])
    expect(due).toMatchObject({ baselineMillis: 100, samples: 60, limit: 1 })
  })

  it("steps by one at least, within its bounds", () => {
    expect(limitAfter(config("vegas", { initial: 4 }), ...times(2, { latency: 10, inFlight: 4 }))).toBe(10)
    const small = config("vegas", { initial: 4, max: 9 })
    expect(limitAfter(small, { latency: 10, inFlight: 4 }, { latency: 10, inFlight: 4 })).toBe(9)
    expect(limitAfter(config("vegas", { initial: 4, min: 4 }), { latency: 10, inFlight: 4 }, dropped)).toBe(4)
  })

  it("takes its baseline anew after thirty samples for each call that may run", () => {
    const quiet: Call = { latency: 200, inFlight: 1 }
    const before = after(config("vegas", { initial: 2 }), [
      { latency: 100, inFlight: 0 },
      ...times(58, { ...quiet, inFlight: 0 })
    ])
    expect(before).toMatchObject({ baselineMillis: 100, samples: 59 })
    const then = after(config("vegas", { initial: 2 }), [
      { latency: 100, inFlight: 0 },
      ...times(59, { ...quiet, inFlight: 0 })
    ])
    expect(then).toMatchObject({ baselineMillis: 200, samples: 0, limit: 2 })
  })
})

describe("gradient2", () => {
  const of = config("gradient2")

  it("averages its first ten samples, then weighs each by 2 in 601", () => {
    const ten = [...times(5, { latency: 100, inFlight: 1 }), ...times(5, { latency: 140, inFlight: 1 })]
    expect(after(of, ten).baselineMillis).toBeCloseTo(120, 9)
    expect(after(of, [...ten, { latency: 100, inFlight: 1 }]).baselineMillis).toBeCloseTo(120 - (20 * 2) / 601, 9)
  })

  it("lets its average decay where it is more than twice the latency", () => {
    const slow = times(10, { latency: 300, inFlight: 1 })
    const long = 300 + ((149 - 300) * 2) / 601
    expect(after(of, [...slow, { latency: 149, inFlight: 1 }]).baselineMillis).toBeCloseTo(long * 0.95, 9)
    const more = 300 + ((150 - 300) * 2) / 601
    expect(after(of, [...slow, { latency: 150, inFlight: 1 }]).baselineMillis).toBeCloseTo(more, 9)
    const twice = [300, 100].map((latency) => ({ latency, inFlight: 1 }))
    expect(after(of, twice).baselineMillis).toBe(200)
  })

  it("moves a fifth of the way to its aim, four more than it or up to half of it less", () => {
    const first = after(of, [{ latency: 100, inFlight: 10 }])
    expect(first).toEqual({ _tag: "ConcurrencyLimits", limit: 20.8, baselineMillis: 100, samples: 1 })
    const quick = times(10, { latency: 10, inFlight: 1 })
    expect(limitAfter(of, ...quick, { latency: 1000, inFlight: 20 })).toBe(20 * 0.8 + (20 * 0.5 + 4) * 0.2)
    const long = 10 + (10 * 2) / 601
    const gradient = (1.5 * long) / 20
    expect(limitAfter(of, ...quick, { latency: 20, inFlight: 20 })).toBeCloseTo(16 + (20 * gradient + 4) * 0.2, 3)
  })

  it("does not change while less than half of it is used, and stays within its bounds", () => {
    expect(limitAfter(of, { latency: 100, inFlight: 9 })).toBe(20)
    expect(limitAfter(config("gradient2", { max: 20 }), { latency: 100, inFlight: 20 })).toBe(20)
  })

  it("shrinks by as much as it may for a drop, which is no latency, however fast it was refused", () => {
    const ten = times(10, { latency: 100, inFlight: 1 })
    for (const latency of [1, 100, 5000]) {
      const state = after(of, [...ten, { latency, inFlight: 20, outcome: "Dropped" }])
      expect(state.baselineMillis).toBe(100)
      expect(state.limit).toBeCloseTo(20 * 0.8 + (20 * 0.5 + 4) * 0.2, 9)
    }
    const busy = times(1000, { latency: 1, inFlight: 1000, outcome: "Dropped" })
    expect(limitAfter(config("gradient2", { max: 1000 }), ...busy)).toBeLessThan(10)
  })

  it("takes calls that end in the millisecond in which they begin", () => {
    expect(after(of, [{ latency: 0, inFlight: 1 }]).baselineMillis).toBe(0.001)
  })
})
