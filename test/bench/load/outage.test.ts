import { describe, expect, it } from "vitest"
import { loads, outage } from "../../../bench/load/outage.js"

describe.each(loads.map((load): [string, number] => [`${load * 100} % load`, load]))(
  "a server that stops for five seconds at %s",
  (_, load) => {
    it("stays down for good when its callers make four attempts each", () => {
      const [before, , soon, later] = outage("four attempts", load, 1)
      expect(before?.served).toBeGreaterThan(0.99)
      expect(Math.max(soon?.served ?? 1, later?.served ?? 1)).toBeLessThan(0.01)
    })

    it("is back within ten seconds when they are under the defaults", () => {
      for (const seed of [1, 2]) {
        const [before, , , later] = outage("defaults", load, seed)
        expect(before?.served).toBeGreaterThan(0.99)
        expect(later?.served).toBeGreaterThanOrEqual(0.99)
        expect(later?.p99).toBeLessThan(500)
      }
    })
  }
)
