import { describe, expect, it } from "vitest"
import { budgetRatio, hedging } from "../../../bench/load/hedging.js"

describe("hedged calls in a fan-out of 100", () => {
  it("end more than ten times as early at p99.9, for about 2 % more calls", () => {
    const alone = hedging("none", false, 25, 1)
    const hedged = hedging("hedge under a budget", false, 25, 1)
    expect(alone.p999 / hedged.p999).toBeGreaterThan(10)
    expect(hedged.more).toBeGreaterThan(0.015)
    expect(hedged.more).toBeLessThan(0.03)
  })

  it("are never more than their budget, also when everything becomes slow", () => {
    expect(hedging("hedge", true, 10, 1).more).toBeGreaterThan(2 * budgetRatio)
    expect(hedging("hedge under a budget", true, 10, 1).more).toBeLessThanOrEqual(budgetRatio)
  })
})
