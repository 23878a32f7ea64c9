import { describe, expect, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import {
  admits,
  type Event,
  initial,
  type Phase,
  type State,
  step
} from "../../packages/observability/src/DrainState.js"

const phases: ReadonlyArray<Phase> = ["Running", "Draining", "Closing", "Closed"]
const event = fc.constantFrom<Event>("Began", "StoppedTaking", "Ended", "Arrived", "Arrived", "Left", "Left")
const moves: Partial<Record<Event, string>> = {
  Began: "Running Draining",
  StoppedTaking: "Draining Closing",
  Ended: "Closing Closed"
}

describe("the steps of a drain", () => {
  it("go forward one by one, let requests in only before they are closing, and count them right", () => {
    const seen = new Set<string>()
    fc.assert(
      fc.property(fc.array(event, { size: "max", maxLength: 40 }), (events) => {
        let state: State = initial
        let inside = 0
        for (const each of events) {
          const [done, next] = step(state, each)
          const moved = next.phase !== state.phase
          if (moved) {
            seen.add(`${state.phase} ${next.phase}`)
            expect(phases.indexOf(next.phase)).toBe(phases.indexOf(state.phase) + 1)
            expect(moves[each]).toBe(`${state.phase} ${next.phase}`)
          }
          expect(moved).toBe(done && moves[each] !== undefined)
          if (each === "Arrived") {
            expect(done).toBe(state.phase === "Running" || state.phase === "Draining")
            expect(done).toBe(admits(state))
            seen.add(`${state.phase} arrived`)
          }
          if (each === "Left") expect(done).toBe(inside > 0)
          inside += each === "Arrived" && done ? 1 : each === "Left" && done ? -1 : 0
          expect(next.inFlight).toBe(inside)
          if (!done) expect(next).toBe(state)
          state = next
        }
      }),
      { numRuns: 200 }
    )
    expect([...seen].toSorted((a, b) => (a < b ? -1 : 1))).toEqual([
      "Closed arrived",
      "Closing Closed",
      "Closing arrived",
      "Draining Closing",
      "Draining arrived",
      "Running Draining",
      "Running arrived"
    ])
  })
})
