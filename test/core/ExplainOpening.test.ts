import { Backoff, CircuitBreaker, Policy } from "@effect-resilience/core"
import { TripPolicy } from "@effect-resilience/machines"
import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import { cases } from "../support/Law.js"

/** One attempt of 2 s, and nothing around it but the circuit. */
const alone = { deadline: "none", timeout: "2 seconds", retry: "none", bulkhead: "none" } as const

const toOpen = (
  tripPolicy: CircuitBreaker.TripPolicy,
  callsPerSecond: number,
  options: Policy.StandardOptions = {}
): Policy.Explanation["timeToOpen"] =>
  Policy.explain("payment", { ...alone, ...options, circuitBreaker: { tripPolicy } }, { callsPerSecond }).timeToOpen

const rate = (minimumCalls: number, window: CircuitBreaker.WindowOptions) =>
  CircuitBreaker.rate({ threshold: 0.5, window, minimumCalls })

describe("the time to open once every call times out", () => {
  it("is told for a rate of calls, and for a policy that has a circuit", () => {
    expect(Policy.explain("payment").timeToOpen).toBeUndefined()
    const without = Policy.explain("payment", { circuitBreaker: "none" }, { callsPerSecond: 10 })
    expect(without.timeToOpen).toBeUndefined()
  })

  it("is that of n calls, and of one until it is settled, for n failures in a row", () => {
    expect(toOpen(CircuitBreaker.consecutive(5), 10)).toEqual({
      callsPerSecond: 10,
      millis: 2_500,
      rules: [{ rule: "5 failures in a row", calls: 5, millis: 2_500, because: undefined }]
    })
    expect(toOpen(CircuitBreaker.consecutive(1), 1)?.millis).toBe(3_000)
  })

  it("counts a request once, with all of its attempts and waits", () => {
    const retry = { maxRetries: 2, backoff: Backoff.constant("1 second") }
    expect(toOpen(CircuitBreaker.consecutive(5), 10, { retry })?.millis).toBe(500 + 8_000)
    expect(toOpen(CircuitBreaker.consecutive(5), 10, { retry, deadline: "4 seconds" })?.millis).toBe(500 + 4_000)
  })

  it("is that of the least calls for a rate, whose threshold is reached at once", () => {
    expect(toOpen(rate(20, CircuitBreaker.time("30 seconds")), 10)?.millis).toBe(2_000 + 2_000)
    expect(toOpen(rate(8, CircuitBreaker.count(16)), 2)?.millis).toBe(4_000 + 2_000)
  })

  it("is never, when the window forgets the first call before the last one ends", () => {
    expect(toOpen(rate(11, CircuitBreaker.time("10 seconds")), 1)).toEqual({
      callsPerSecond: 1,
      millis: Infinity,
      rules: [
        {
          rule: "0.5 of at least 11 calls failed over 10s",
          calls: 11,
          millis: Infinity,
          because: "the first of 11 calls ends 10 s before the last, and is forgotten after 10s"
        }
      ]
    })
    expect(toOpen(rate(10, CircuitBreaker.time("10 seconds")), 1)?.millis).toBe(12_000)
    expect(toOpen(rate(3, CircuitBreaker.count(8, "2 seconds")), 1)?.millis).toBe(Infinity)
    expect(toOpen(CircuitBreaker.consecutive(3), 1 / 300)?.millis).toBe(Infinity)
  })

  it("is never, when nothing ends a call that hangs", () => {
    expect(toOpen(CircuitBreaker.consecutive(5), 10, { timeout: "none" })?.rules).toMatchObject([
      { millis: Infinity, because: "a call that hangs never ends" }
    ])
    expect(toOpen(CircuitBreaker.consecutive(5), 10, { timeout: "none", deadline: "5 seconds" })?.millis).toBe(5_500)
  })

  it("waits for the permits of the bulkhead: what that refuses never reaches the circuit", () => {
    const within = (maxConcurrent: number) =>
      toOpen(CircuitBreaker.consecutive(5), 10, { bulkhead: { maxConcurrent } })?.millis
    expect(within(5)).toBe(2_500)
    expect(within(4)).toBe(2_000 + 100 + 2_000)
    expect(within(2)).toBe(4_000 + 100 + 2_000)
    expect(toOpen(rate(20, CircuitBreaker.time("10 seconds")), 10, { bulkhead: { maxConcurrent: 2 } })?.millis).toBe(
      Infinity
    )
  })
})

interface Outage {
  readonly policy: TripPolicy.Rule
  readonly intervalMillis: number
  readonly limit: number
}

const settledAfter = 2_000

/** When the calls that the bulkhead lets in end, one call at each interval. */
const ends = ({ intervalMillis, limit }: Outage, most: number): ReadonlyArray<number> => {
  const ended: Array<number> = []
  for (let now = intervalMillis; ended.length < most; now += intervalMillis) {
    const underWay = ended.filter((end) => end > now).length
    if (underWay < limit) ended.push(now + settledAfter)
  }
  return ended
}

/** The number of the call whose end opens the circuit. */
const opens = (outage: Outage, most: number): number | undefined => {
  let memory = TripPolicy.empty(outage.policy)
  for (const [i, end] of ends(outage, most).entries()) {
    memory = TripPolicy.add(outage.policy, memory, true, settledAfter, end)
    if (TripPolicy.breach(outage.policy, memory) !== undefined) return i + 1
  }
  return undefined
}

describe("what is told of the time to open", () => {
  it("is what the machine does, call by call, but for the step in which a window forgets", () => {
    const seen = new Map<string, number>()
    const window = fc.record({
      kind: fc.constantFrom("Time", "Count"),
      millis: fc.integer({ min: 1_000, max: 20_000 })
    })
    // Intervals that divide the time a call takes, so that a permit comes back at the moment of the next call.
    const intervals = fc.constantFrom(50, 100, 200, 250, 400, 500, 1_000, 2_000, 4_000)
    fc.assert(
      fc.property(
        window,
        fc.integer({ min: 1, max: 20 }),
        intervals,
        fc.integer({ min: 1, max: 30 }),
        (of, n, every, limit) => {
          const time = of.kind === "Time"
          const told = toOpen(
            rate(n, time ? CircuitBreaker.time(of.millis) : CircuitBreaker.count(20, of.millis)),
            1_000 / every,
            { bulkhead: { maxConcurrent: limit } }
          )?.millis
          const policy = TripPolicy.rate({
            threshold: 0.5,
            minimumCalls: n,
            window: time
              ? { _tag: "Time", spanMillis: of.millis, buckets: 10 }
              : { _tag: "Count", size: 20, maxAgeMillis: of.millis }
          })
          const outage = { policy, intervalMillis: every, limit }
          const ended = ends(outage, n)
          const apart = (ended[n - 1] ?? 0) - (ended[0] ?? 0)
          const certain = apart <= of.millis * 0.9
          const verdict = told === Infinity ? "never" : certain ? "in time" : "in the last step"
          seen.set(verdict, (seen.get(verdict) ?? 0) + 1)
          if (verdict === "never") expect(opens(outage, 4 * n)).toBeUndefined()
          else expect(told).toBeCloseTo(ended[n - 1] ?? 0, 6)
          if (verdict === "in time") expect(opens(outage, n)).toBe(n)
        }
      ),
      cases(300)
    )
    expect([...seen.keys()].toSorted()).toEqual(["in the last step", "in time", "never"])
  })
})
