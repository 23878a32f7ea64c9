import { Hedge } from "@effect-resilience/machines"
import * as fc from "fast-check"
import assert from "node:assert/strict"
import { describe, expect, it } from "vitest"
import { cases, frozen, long } from "../support/Law.js"

const state = (started: number, running: number): Hedge.State => frozen({ started, running })

describe("hedge", () => {
  it("begins with one copy", () => {
    expect(Hedge.initial).toEqual(state(1, 1))
  })

  it("begins another when the delay has passed, up to its most, and then waits", () => {
    expect(Hedge.elapsed(2, state(1, 1), true)).toEqual(["Start", state(2, 2)])
    expect(Hedge.elapsed(2, state(2, 2), true)).toEqual(["Start", state(3, 3)])
    expect(Hedge.elapsed(2, state(3, 3), true)).toEqual(["Wait", state(3, 3)])
    expect([1, 2, 3].map((started) => Hedge.hasMore(2, state(started, 1)))).toEqual([true, true, false])
  })

  it("waits when it may not be paid for", () => {
    expect(Hedge.elapsed(2, state(1, 1), false)).toEqual(["Wait", state(1, 1)])
  })

  it("begins the next at once when one has failed", () => {
    expect(Hedge.failed(1, state(1, 1), false, true)).toEqual(["Start", state(2, 1)])
  })

  it("fails with the last, also where more might be begun but not paid for", () => {
    expect(Hedge.failed(1, state(2, 2), false, true)).toEqual(["Wait", state(2, 1)])
    expect(Hedge.failed(1, state(2, 1), false, true)).toEqual(["Fail", state(2, 0)])
    expect(Hedge.failed(1, state(1, 1), false, false)).toEqual(["Fail", state(1, 0)])
  })

  it("fails at once with what no copy could do better, though others run", () => {
    expect(Hedge.failed(3, state(2, 2), true, true)).toEqual(["Fail", state(2, 1)])
  })

  it("over any life begins no more copies than it may, and fails exactly when a failure is fatal or none is left", () => {
    const seen = new Set<string>()
    const event = fc.record({ what: fc.constantFrom("elapsed", "failed", "fatal"), mayHedge: fc.boolean() })
    fc.assert(
      fc.property(fc.nat(4), long(event, 20), (maxHedges, events) => {
        let now = Hedge.initial
        for (const { mayHedge, what } of events) {
          const before = now
          const [decision, after] =
            what === "elapsed"
              ? Hedge.elapsed(maxHedges, before, mayHedge)
              : Hedge.failed(maxHedges, before, what === "fatal", mayHedge)
          const left = before.running - (what === "elapsed" ? 0 : 1)
          const starts = what !== "fatal" && mayHedge && before.started < 1 + maxHedges
          assert.equal(after.running, left + (starts ? 1 : 0))
          assert.equal(after.started, before.started + (starts ? 1 : 0))
          assert.equal(decision, starts ? "Start" : what === "fatal" || left === 0 ? "Fail" : "Wait")
          seen.add(`${what}: ${decision}`)
          if (decision === "Fail") return
          now = frozen(after)
        }
      }),
      cases(300)
    )
    expect([...seen].toSorted()).toEqual([
      "elapsed: Start",
      "elapsed: Wait",
      "failed: Fail",
      "failed: Start",
      "failed: Wait",
      "fatal: Fail"
    ])
  })
})
