import { describe, expect, it } from "vitest"
import { policies, shedding } from "../../../bench/load/shedding.js"

describe.each(policies.map((policy): [string, typeof policy] => [policy, policy]))(
  "%s, at twice the capacity",
  (_, policy) => {
    it("serves the critical and all that the server can do, and sheds the lowest class first", () => {
      for (const seed of [1, 2]) {
        const [all, critical, plus, sheddable] = shedding(policy, seed)
        expect(all?.goodput).toBeGreaterThanOrEqual(0.98 * 1000)
        expect(critical?.refused).toBeLessThanOrEqual(0.006)
        expect(plus?.refused).toBeLessThan(0.02)
        expect(sheddable?.refused).toBeGreaterThan(0.8)
        expect(sheddable?.goodput).toBeGreaterThan(100)
        expect(all?.p99).toBeLessThan(5.5 * 50 + 20)
      }
    })
  }
)
