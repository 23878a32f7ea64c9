import { describe, expect, it } from "vitest"
import { capacity, k, throttling } from "../../../bench/load/throttling.js"

describe("an adaptive throttle", () => {
  it("at ten times what the dependency accepts sends k times that, within 2 %", () => {
    for (const seed of [1, 2, 3]) {
      const { goodput, sent } = throttling(10 * capacity, seed)
      expect(Math.abs(sent / (k * capacity) - 1)).toBeLessThan(0.02)
      expect(goodput).toBeGreaterThan(0.99 * capacity)
    }
  })

  it("rejects nothing while the dependency is at its ease", () => {
    expect(throttling(capacity / 2, 1).refused).toBe(0)
  })
})
