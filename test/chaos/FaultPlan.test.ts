import { FaultPlan } from "@effect-resilience/chaos"
import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import fc from "fast-check"

const { decide, defect, fault, hang, initial, latency, lostReply, make, outcome, phase, phases } = FaultPlan

const checked = (plan: FaultPlan.FaultPlan): FaultPlan.Settings => Either.getOrThrow(FaultPlan.check(plan))

/** What is wrong with a plan: each option and its value. */
const problemsOf = (plan: FaultPlan.FaultPlan) =>
  Either.match(FaultPlan.check(plan), {
    onRight: () => [],
    onLeft: (problems) => problems.map(({ option, value }) => `${option} is ${value}`)
  })

const yes = () => true

/** Plays calls in order, and gives what each was hit by. */
const played = (
  plan: FaultPlan.FaultPlan,
  calls: ReadonlyArray<FaultPlan.Call>,
  seed = 0,
  holds: (predicate: string) => boolean = yes
): ReadonlyArray<ReadonlyArray<FaultPlan.Hit>> => {
  const settings = checked(plan)
  let state = initial(settings, seed)
  return calls.map((call) => {
    const [hits, next] = decide(settings, state, call, holds)
    state = next
    return hits
  })
}

const call = (now: number, method = "charge"): FaultPlan.Call => ({ method, now, args: [] })

const many = (n: number): ReadonlyArray<FaultPlan.Call> => Array.from({ length: n }, () => call(0))

const hitCount = (hits: ReadonlyArray<ReadonlyArray<unknown>>) => hits.filter(({ length }) => length > 0).length

const seeds = fc.integer()

/** What one latency is, of so many calls. */
const delays = (span: FaultPlan.Span, n: number, seed: number) =>
  played(make(latency(span)), many(n), seed).map((hits) => hits[0]?.delayMillis ?? NaN)

describe("decide", () => {
  it("hits about the share of calls that rate says: all of 1, none of 0", () => {
    fc.assert(
      fc.property(seeds, fc.constantFrom(0, 0.1, 0.5, 0.9, 1), (seed, rate) => {
        const n = 2000
        const share = hitCount(played(make(hang({ rate })), many(n), seed)) / n
        // Six standard deviations.
        expect(Math.abs(share - rate)).toBeLessThanOrEqual(6 * Math.sqrt((rate * (1 - rate)) / n))
      })
    )
  })

  it("never hits more calls than times, and exactly so many where all would be hit", () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 1, max: 20 }), fc.integer({ min: 0, max: 40 }), (seed, times, n) => {
        expect(hitCount(played(make(hang({ times })), many(n), seed))).toBe(Math.min(times, n))
        expect(hitCount(played(make(hang({ times, rate: 0.5 })), many(n), seed))).toBeLessThanOrEqual(times)
      })
    )
  })

  it("hits from `from`, included, until `until`, excluded", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 1, max: 50 }), (from, length) => {
        const until = from + length
        const calls = Array.from({ length: 102 }, (_, now) => call(now))
        const hit = played(make(hang({ from, until })), calls).flatMap((hits, now) => (hits.length > 0 ? [now] : []))
        expect(hit).toEqual(Array.from({ length }, (_, i) => from + i))
      })
    )
  })

  it("plays phases one after the other, each up to the first moment of the next, times counted from its start", () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 6, size: "max" })
    let seen = 0
    fc.assert(
      fc.property(lengths, (spans) => {
        const parts = spans.map((span, i) => phase(span, fault(`in ${i}`), hang()))
        const late = spans.map((span) => (span > 1 ? phase(span, fault("late", { from: 1 })) : phase(span)))
        const total = spans.reduce((sum, span) => sum + span, 0)
        const calls = Array.from({ length: total + 2 }, (_, now) => call(now))
        const names = (plan: FaultPlan.FaultPlan) =>
          played(plan, calls).map(([hit]) => (hit?.fault.kind === "fault" ? hit.fault.error : "normal"))
        expect(names(phases(...parts))).toEqual([
          ...spans.flatMap((span, i) => Array.from({ length: span }, () => `in ${i}`)),
          "normal",
          "normal"
        ])
        expect(names(phases(...late))).toEqual([
          ...spans.flatMap((span) => ["normal", ...Array.from({ length: span - 1 }, () => "late")]),
          "normal",
          "normal"
        ])
        seen += spans.length
      })
    )
    expect(seen).toBeGreaterThan(100)
  })

  it("gives latencies in the order of the plan and then the first other fault, and counts nothing after that", () => {
    const plan = make(latency(5), fault("First", { times: 1 }), latency(7), defect({ times: 2 }), lostReply("nothing"))
    const kinds = played(plan, many(4)).map((hits) =>
      hits.map(({ fault: { kind }, delayMillis }) => delayMillis ?? kind)
    )
    expect(kinds).toEqual([
      [5, "fault"],
      [5, 7, "defect"],
      [5, 7, "defect"],
      [5, 7, "lostReply"]
    ])
  })

  it("hits the methods that it is for, and calls of which the predicate holds", () => {
    const plan = make(hang({ methods: ["charge", "refund"], when: "big" }))
    const methods = ["charge", "refund", "list"].map((method) => call(0, method))
    expect(played(plan, methods).map(({ length }) => length)).toEqual([1, 1, 0])
    expect(played(plan, methods, 0, (predicate) => predicate !== "big").map(({ length }) => length)).toEqual([0, 0, 0])
  })

  it("is the same for the same seed, and what one fault draws does not depend on the others", () => {
    const hitBy = (plan: FaultPlan.FaultPlan, seed: number, name: string) =>
      played(plan, many(50), seed).map((hits) =>
        hits.some((hit) => hit.fault.kind === "latency" && hit.fault.when === name)
      )
    fc.assert(
      fc.property(seeds, fc.double({ min: 0, max: 1, noNaN: true }), (seed, rate) => {
        const b = latency(FaultPlan.uniform(1, 9), { rate: 0.5, when: "b" })
        const one = make(latency(1, { rate, when: "a" }), b)
        const other = make(latency(1, { rate: 0, when: "a" }), b)
        expect(played(one, many(50), seed)).toEqual(played(one, many(50), seed))
        expect(hitBy(one, seed, "b")).toEqual(hitBy(other, seed, "b"))
      })
    )
  })
})

describe("latency", () => {
  it("is anything between two spans, both included, and nothing else", () => {
    const seen = new Set(delays(FaultPlan.uniform(3, 6), 500, 1))
    expect([...seen].toSorted()).toEqual([3, 4, 5, 6])
  })

  it("has the median and the 99th percentile that a lognormal one was given", () => {
    const sorted = delays(FaultPlan.lognormal({ median: "100 millis", p99: "2 seconds" }), 20_000, 1).toSorted(
      (a, b) => a - b
    )
    const at = (share: number) => sorted[Math.floor(share * sorted.length)] ?? NaN
    expect(Math.abs(at(0.5) - 100)).toBeLessThan(5)
    expect(Math.abs(at(0.99) - 2000)).toBeLessThan(300)
    expect(sorted.every((millis) => Number.isInteger(millis) && millis >= 0)).toBe(true)
  })

  it("follows a table of quantiles, on the straight line between two rows and flat beyond them", () => {
    const table = FaultPlan.quantiles([
      [0.2, 10],
      [0.5, 20],
      [0.9, 1020]
    ])
    const sorted = delays(table, 20_000, 1).toSorted((a, b) => a - b)
    const at = (share: number) => sorted[Math.floor(share * sorted.length)] ?? NaN
    expect([at(0), at(0.19), at(0.91), at(0.999)]).toEqual([10, 10, 1020, 1020])
    expect(Math.abs(at(0.35) - 15)).toBeLessThanOrEqual(1)
    expect(Math.abs(at(0.7) - 520)).toBeLessThan(25)
  })

  it("is whole and never longer than a timer, whatever it is drawn from", () => {
    const longest = 2_147_483_647
    const millis = fc.integer({ min: 1, max: longest })
    fc.assert(
      fc.property(seeds, millis, millis, (seed, a, b) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)]
        const tail = FaultPlan.lognormal({ median: low, p99: high })
        const drawn = [
          tail,
          FaultPlan.uniform(low, high),
          FaultPlan.quantiles([
            [0, low],
            [1, high]
          ])
        ]
        for (const delay of drawn.flatMap((span) => delays(span, 20, seed))) {
          expect(Number.isInteger(delay) && delay >= 0 && delay <= longest).toBe(true)
        }
      })
    )
  })
})

describe("check", () => {
  it("names every option that cannot be meant", () => {
    const plan = phases(
      phase("-1 second", hang({ rate: 1.5, methods: [], times: 0 })),
      phase("forever", fault("Down", { from: "5 seconds", until: "5 seconds" })),
      phase(
        "1 second",
        latency("-3 seconds"),
        latency(FaultPlan.uniform(5, 4)),
        latency(FaultPlan.lognormal({ median: 10, p99: 9 })),
        latency(FaultPlan.quantiles([])),
        latency(
          FaultPlan.quantiles([
            [0.5, 1],
            [0.5, 2]
          ])
        ),
        latency(
          FaultPlan.quantiles([
            [0.5, 2],
            [0.9, 1]
          ])
        ),
        latency(FaultPlan.quantiles([[1.5, 2]])),
        outcome("None", { rate: NaN })
      )
    )
    expect(problemsOf(plan)).toEqual([
      'phases[0].duration is "-1 second"',
      "phases[1].duration is not given",
      "phases[0].faults[0].rate is 1.5",
      "phases[0].faults[0].methods is empty",
      "phases[0].faults[0].times is 0",
      "phases[1].faults[0].until is 5000 ms",
      'phases[2].faults[0].latency is "-3 seconds"',
      "phases[2].faults[1].latency.uniform[1] is 4 ms",
      "phases[2].faults[2].latency.lognormal.p99 is 9 ms",
      "phases[2].faults[3].latency.quantiles is empty",
      "phases[2].faults[4].latency.quantiles is not in order",
      "phases[2].faults[5].latency.quantiles is not in order",
      "phases[2].faults[6].latency.quantiles[0][0] is 1.5",
      "phases[2].faults[7].rate is NaN"
    ])
  })
})
