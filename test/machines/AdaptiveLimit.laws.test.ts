import { AdaptiveLimit } from "@effect-resilience/machines"
import * as fc from "fast-check"
import assert from "node:assert/strict"
import { describe, expect, it } from "vitest"
import { cases, frozen, long } from "../support/Law.js"

const algorithms: ReadonlyArray<AdaptiveLimit.Algorithm> = ["knee", "aimd", "vegas", "gradient2"]

const bounds = fc
  .tuple(fc.integer({ min: 1, max: 50 }), fc.nat(200), fc.double({ min: 0, max: 1, noNaN: true }))
  .map(([min, more, share]) => ({ min, max: min + more, initial: min + Math.floor(share * more) }))

/** Calls that are alike, one after the other. */
const stretch = fc.record({
  calls: fc.integer({ min: 1, max: 300 }),
  latency: fc.constantFrom(0, 1, 10, 11, 12, 13, 20, 100, 1000, 100_000),
  /** How much of the limit is in use; twice as much when it has just been lowered. */
  filled: fc.constantFrom(0, 0.3, 0.79, 1, 1, 1, 2),
  droppedEach: fc.constantFrom(1, 2, 5, 20, Infinity, Infinity, Infinity)
})
type Stretch = typeof stretch extends fc.Arbitrary<infer S> ? S : never

/** A limit at work, by a clock of its own. */
class Trial {
  state: AdaptiveLimit.State
  private nowMillis = 0
  constructor(private readonly of: AdaptiveLimit.Config) {
    this.state = frozen(AdaptiveLimit.initial(of))
  }

  call(latency: number, inFlight: number, outcome: AdaptiveLimit.Sample["outcome"]): void {
    this.nowMillis++
    const sample = { outcome, startedMillis: this.nowMillis - latency, inFlight }
    this.state = frozen(AdaptiveLimit.learn(this.of, this.state, sample, this.nowMillis))
  }

  /** Calls of which the first ends long enough after what was before to have begun after it. */
  play({ calls, droppedEach, filled, latency }: Stretch, look: () => void = () => {}): void {
    this.nowMillis += latency
    for (let n = 1; n <= calls; n++) {
      const inFlight = Math.floor(filled * AdaptiveLimit.limit(this.state))
      this.call(latency, inFlight, n % droppedEach === 0 ? "Dropped" : "Success")
      look()
    }
  }

  /** A whole round of the knee that fills the limit, where the latency depends on it. */
  round(latencyAt: (limit: number) => number): void {
    const inFlight = AdaptiveLimit.limit(this.state)
    const latency = latencyAt(inFlight)
    const { began } = this
    this.nowMillis += latency
    for (let n = 0; this.began === began && n < 1000; n++) this.call(latency, inFlight, "Success")
  }

  private get began(): number {
    return this.state._tag === "Knee" ? this.state.round.beganMillis : 0
  }
}

describe.each(algorithms.map((algorithm): [AdaptiveLimit.Algorithm] => [algorithm]))(
  "whatever %s is told",
  (algorithm) => {
    it("the limit stays within its bounds, and what is held are numbers", () => {
      const seen = new Set<string>()
      fc.assert(
        fc.property(bounds, long(stretch, 15), (of, script) => {
          const config = { algorithm, ...of }
          const trial = new Trial(config)
          let before = trial.state.limit
          for (const part of script) {
            trial.play(part, () => {
              const { baselineMillis, limit } = trial.state
              assert.ok(limit >= config.min && limit <= config.max, `${limit}`)
              assert.ok(Number.isFinite(baselineMillis) && baselineMillis >= 0)
              if (trial.state._tag === "Knee") {
                assert.ok(trial.state.dropBaseline >= 0 && trial.state.dropBaseline <= 1)
                if (trial.state.isTested) seen.add("tested")
                if (trial.state.dropBaseline > 0.1) seen.add("dropped anyway")
              }
              if (limit > before) seen.add("grows")
              if (limit < before) seen.add("shrinks")
              if (limit === config.min && limit < before) seen.add("reaches its least")
              if (limit === config.max && limit > before) seen.add("reaches its most")
              before = limit
            })
          }
        }),
        cases(100)
      )
      expect(seen.size).toBe(algorithm === "knee" ? 6 : 4)
    })

    it("the limit does not move while calls do not fill it", () => {
      let moved = 0
      fc.assert(
        fc.property(bounds, long(stretch, 8), long(stretch, 8), (of, before, later) => {
          const trial = new Trial({ algorithm, ...of })
          for (const part of before) trial.play(part)
          // The round under way, which may have filled it, ends.
          trial.play({ calls: 201, latency: 1, filled: 0, droppedEach: Infinity })
          const { limit } = trial.state
          if (limit !== of.initial) moved++
          for (const part of later) {
            // A drop lowers the others, however few calls there are.
            const droppedEach = algorithm === "knee" ? part.droppedEach : Infinity
            trial.play({ ...part, droppedEach, filled: algorithm === "knee" ? 0.79 : 0.49 })
          }
          assert.equal(trial.state.limit, limit)
        }),
        cases(100)
      )
      expect(moved).toBeGreaterThan(15)
    })
  }
)

describe("a server that works on so many calls at a time and lets the others wait", () => {
  const server = fc.record({
    workers: fc.integer({ min: 10, max: 100 }),
    alone: fc.constantFrom(1, 7, 50, 1000),
    initial: fc.integer({ min: 1, max: 500 })
  })
  const latencyAt =
    ({ alone, workers }: { readonly alone: number; readonly workers: number }) =>
    (limit: number): number =>
      alone * Math.max(1, limit / workers)

  it("is never taken for slow, however long more come than it can do, and the limit stays near its workers", () => {
    fc.assert(
      fc.property(server, (of) => {
        const trial = new Trial({ algorithm: "knee", min: 1, max: 1000, initial: of.initial })
        for (let n = 0; n < 40; n++) trial.round(latencyAt(of))
        let idle = 0
        for (let n = 0; n < 200; n++) {
          trial.round(latencyAt(of))
          const { baselineMillis, limit } = trial.state
          // What it began with may have been overload; then it halves the limit until calls are hardly faster for it.
          const most = of.initial <= of.workers ? 1.001 : 1.5
          assert.ok(baselineMillis <= of.alone * most, `${baselineMillis} for ${of.alone}`)
          assert.ok(limit <= 1.3 * most * of.workers + 6, `${limit} for ${of.workers}`)
          if (limit < of.workers) idle++
        }
        // The round or two in which the limit is halved for a test.
        assert.ok(idle <= 3, `${idle} rounds left workers without work`)
      }),
      cases(60)
    )
  })

  it("is taken for slow when it is, and for fast when it is again and fewer come", () => {
    fc.assert(
      fc.property(server, fc.constantFrom(3, 10), (of, slower) => {
        const trial = new Trial({ algorithm: "knee", min: 1, max: 1000, initial: of.initial })
        for (let n = 0; n < 40; n++) trial.round(latencyAt(of))
        for (let n = 0; n < 40; n++) trial.round(latencyAt({ ...of, alone: of.alone * slower }))
        assert.ok(trial.state.baselineMillis > 0.7 * of.alone * slower)
        assert.ok(trial.state.limit >= 0.8 * of.workers)
        for (let n = 0; n < 10; n++) trial.play({ calls: 201, latency: of.alone, filled: 0.5, droppedEach: Infinity })
        assert.ok(trial.state.baselineMillis <= of.alone * 1.34)
      }),
      cases(60)
    )
  })
})
