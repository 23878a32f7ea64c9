import { AdaptiveLimit } from "@effect-resilience/machines"
import { describe, expect, it } from "vitest"
import { frozen } from "../support/Law.js"

const config: AdaptiveLimit.Config = { algorithm: "knee", min: 1, max: 1000, initial: 20 }

/** A limit and the calls that it is told of, one a millisecond. */
class Trial {
  state: AdaptiveLimit.State
  nowMillis = 0
  constructor(readonly of: AdaptiveLimit.Config = config) {
    this.state = frozen(AdaptiveLimit.initial(of))
  }

  call(latency: number, inFlight: number, outcome: AdaptiveLimit.Sample["outcome"] = "Success"): this {
    this.nowMillis++
    const sample = { outcome, startedMillis: this.nowMillis - latency, inFlight }
    this.state = frozen(AdaptiveLimit.learn(this.of, this.state, sample, this.nowMillis))
    return this
  }

  /** Calls until the round is over, the first of them long enough later to have begun in it; one in so many is dropped. */
  round(latency: number, inFlight = Math.floor(this.state.limit), droppedEach = Infinity): this {
    this.nowMillis += latency
    const before = this.began
    for (let n = 1; this.began === before && n < 1000; n++) {
      this.call(latency, inFlight, n % droppedEach === 0 ? "Dropped" : "Success")
    }
    return this
  }

  private get began(): number {
    return "round" in this.state ? this.state.round.beganMillis : 0
  }

  get limit(): number {
    return Number(this.state.limit.toFixed(3))
  }

  get baseline(): number {
    return Number(this.state.baselineMillis.toFixed(3))
  }

  /** The limit after each of these rounds. */
  limits(...latencies: ReadonlyArray<number>): ReadonlyArray<number> {
    return latencies.map((latency) => this.round(latency).limit)
  }

  get held() {
    if (this.state._tag !== "Knee") throw new Error("is no knee")
    return this.state
  }
}

/** One that a test has found the baseline of: 100 ms, at a limit of about 26. */
const tested = (): Trial => {
  const trial = new Trial()
  trial.limits(100, 110, 110)
  return trial
}

describe("knee", () => {
  it("begins with its initial limit and knows nothing", () => {
    expect(AdaptiveLimit.initial(config)).toEqual({
      _tag: "Knee",
      limit: 20,
      baselineMillis: 0,
      isTested: false,
      dropBaseline: 0,
      reference: undefined,
      round: { beganMillis: 0, skipped: 0, successes: 0, totalMillis: 0, drops: 0, mostInFlight: 0 }
    })
    expect(AdaptiveLimit.limit({ ...AdaptiveLimit.initial(config), limit: 20.9 })).toBe(20)
  })

  it("leaves out as many calls as may run, then averages five for each, 25 to 100", () => {
    const callsOf = (initial: number): number => {
      const trial = new Trial({ ...config, initial })
      trial.nowMillis = 1000
      const { round } = trial.held
      let calls = 0
      while (trial.held.round.beganMillis === round.beganMillis) {
        trial.call(10, 1)
        calls++
      }
      return calls
    }
    expect([1, 5, 6, 10, 20, 21, 100, 500].map(callsOf)).toEqual([26, 30, 36, 60, 120, 121, 200, 200])
  })

  it("takes no notice of calls that began before the round", () => {
    const trial = new Trial().round(50)
    const before = trial.state
    trial.call(2, 20)
    expect(trial.state).toBe(before)
    expect(trial.call(2, 20).state).not.toBe(before)
  })

  it("grows by the headroom and two while calls take no longer than alone", () => {
    expect(new Trial().limits(100, 100, 100)).toEqual([26, 33.2, 41.84])
  })

  it("grows by half at most when calls become much faster, and takes their time for the baseline", () => {
    const trial = new Trial()
    expect(trial.limits(100, 50)).toEqual([26, 33.2])
    expect(trial.baseline).toBe(50)
    const one = tested()
    const before = one.limit
    expect(one.round(60).limit).toBeCloseTo(before * 1.5 + 2, 3)
    expect(one.baseline).toBe(85)
    expect(tested().round(82.5).baseline).toBe(110)
  })

  it("shrinks in proportion where calls take longer than the headroom, by a quarter at most", () => {
    expect(new Trial().limits(100, 150)).toEqual([26, 24.4])
    expect(new Trial().limits(100, 1000)).toEqual([26, 20.5])
  })

  it("does not change while calls do not fill it", () => {
    const trial = new Trial()
    expect(trial.round(100, 15).limit).toBe(20)
    expect(trial.round(500, 15).limit).toBe(20)
    expect(trial.baseline).toBe(100)
    expect(trial.round(100, 16).limit).toBe(26)
    expect(trial.round(100).limit).toBe(33.2)
    expect(trial.round(100, 26).limit).toBe(33.2)
    expect(trial.round(100, 27).limit).toBeGreaterThan(40)
  })

  it("stays between its least and its most", () => {
    const narrow = new Trial({ ...config, min: 18, max: 22 })
    expect(narrow.limits(100, 500, 500)).toEqual([22, 18, 18])
    const atMost = new Trial({ ...config, max: 20 }).round(100)
    expect([atMost.limit, atMost.held.reference]).toEqual([20, undefined])
  })

  it("is halved for a round when it comes to rest, until a test has found the baseline", () => {
    const trial = new Trial()
    expect(trial.limits(100, 120)).toEqual([26, 13])
    expect(trial.held.isTested).toBe(false)
    trial.round(110)
    expect(trial.held.isTested).toBe(true)
    expect(trial.baseline).toBe(110)
    expect(trial.limit).toBe(17.6)
    const rest = trial.round(132).limit
    expect(rest).toBeCloseTo(17.6 + 1, 3)
  })

  it("has come to rest where calls take within a tenth of what is aimed at", () => {
    expect(new Trial().limits(75, 99)).toEqual([26, 13])
    expect(new Trial().limits(75, 100)).toEqual([26, 25.7])
    expect(new Trial().limits(55, 61)).toEqual([26, 13])
    expect(new Trial().limits(55, 60)).toEqual([26, 30.6])
  })

  it("takes the first round for one of overload when calls become faster as the limit is halved", () => {
    const trial = new Trial()
    trial.limits(100, 120)
    trial.round(70)
    expect(trial.held.isTested).toBe(false)
    expect(trial.baseline).toBe(70)
  })

  it("takes the baseline for confirmed when calls are hardly faster than it as the limit is halved", () => {
    const after = (...latencies: ReadonlyArray<number>) => {
      const trial = new Trial()
      trial.limits(...latencies)
      return { isTested: trial.held.isTested, baseline: trial.baseline }
    }
    expect(after(100, 130, 100)).toEqual({ isTested: true, baseline: 100 })
    expect(after(100, 130, 75)).toEqual({ isTested: true, baseline: 75 })
    expect(after(100, 130, 74)).toEqual({ isTested: false, baseline: 74 })
  })

  it("does not take it for confirmed where the limit fell because calls waited for each other", () => {
    const after = (last: number) => {
      const trial = new Trial()
      trial.limits(100, 200, 200, 200, 200, last)
      return { isTested: trial.held.isTested, baseline: trial.baseline }
    }
    expect(after(160)).toEqual({ isTested: false, baseline: 100 })
    expect(after(161)).toEqual({ isTested: true, baseline: 161 })
    const nearRest = new Trial()
    nearRest.limits(75, 100)
    nearRest.round(75, 25, 2)
    expect([nearRest.limit, nearRest.round(78).held.isTested]).toEqual([12.85, false])
  })

  it("takes a dependency for slow when the limit was lowered and calls became hardly faster", () => {
    const trial = tested()
    const start = trial.limit
    const limits = trial.limits(1000, 1000, 1000)
    expect(limits.every((limit, place) => limit < (limits[place - 1] ?? start))).toBe(true)
    expect(trial.baseline).toBe(110)
    for (let n = 0; n < 3; n++) trial.round(1000)
    expect(trial.baseline).toBe(1000)
  })

  it("does not take a long overload for normal: calls become faster as the limit falls", () => {
    const trial = tested()
    for (let n = 0; n < 100; n++) trial.round(Math.max(110, (110 * trial.limit) / 10))
    expect(trial.baseline).toBe(110)
    expect(trial.limit).toBeGreaterThan(9)
    expect(trial.limit).toBeLessThan(16)
  })

  it("shrinks by the share that is dropped, by half at most, and not for one in twenty", () => {
    const after = (droppedEach: number): number => {
      const trial = new Trial().round(100)
      return trial.round(100, 26, droppedEach).limit
    }
    expect(after(10)).toBeCloseTo(26 * 0.9, 3)
    expect(after(4)).toBeCloseTo(26 * 0.75, 3)
    expect(after(1)).toBe(13)
    expect(after(20)).toBeCloseTo(33.2, 3)
    expect(new Trial().round(100, 20, 25).held.dropBaseline).toBe(0)
  })

  it("averages successes alone", () => {
    expect(new Trial().round(100, 15, 5).baseline).toBe(100)
  })

  it("does not shrink for what is dropped whatever the limit, and forgets that", () => {
    const trial = new Trial().round(100)
    for (let n = 0; n < 8; n++) trial.round(100, Math.floor(trial.limit), 5)
    expect(trial.held.dropBaseline).toBeGreaterThan(0.15)
    const before = trial.limit
    expect(trial.round(100, Math.floor(before), 5).limit).toBeGreaterThan(before)
    const known = trial.held.dropBaseline
    expect(trial.round(100, Math.floor(trial.limit), 3).limit).toBeLessThan(before)
    const then = trial.held.dropBaseline
    expect(then).toBe(known)
    trial.limits(110, 1000, 1000, 1000, 1000, 1000)
    expect(trial.held.dropBaseline).toBeCloseTo(then * 0.9 ** 6, 6)
  })

  it("knows that calls are dropped whatever the limit when that was lowered to three fifths", () => {
    const trial = new Trial({ ...config, min: 12 }).round(100, 20, 2)
    expect([trial.limit, trial.round(100, 12, 2).held.dropBaseline]).toEqual([12, 0.5])
  })

  it("neither grows nor shrinks while everything is dropped whatever the limit", () => {
    const trial = new Trial({ ...config, min: 4 })
    for (let n = 0; n < 12; n++) trial.round(100, Math.floor(trial.limit), 1)
    expect(trial.limit).toBe(10)
    expect(trial.baseline).toBe(0)
    expect(trial.round(100).limit).toBe(14)
  })

  it("takes calls that end in the millisecond in which they begin", () => {
    expect(new Trial().limits(0, 0)).toEqual([26, 33.2])
  })
})
