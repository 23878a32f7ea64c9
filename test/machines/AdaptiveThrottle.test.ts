import { AdaptiveThrottle } from "@effect-resilience/machines"
import * as fc from "fast-check"
import assert from "node:assert/strict"
import { describe, expect, it } from "vitest"
import { cases, frozen, long } from "../support/Law.js"

const config: AdaptiveThrottle.Config = { k: 2, maxRejection: 0.9, windowMillis: 120_000, buckets: 12 }

const told = (
  accepted: number,
  refused: number,
  atMillis = 0,
  from = AdaptiveThrottle.initial(config)
): AdaptiveThrottle.State => {
  const outcomes = [...Array.from({ length: accepted }, () => true), ...Array.from({ length: refused }, () => false)]
  return outcomes.reduce(
    (state, accept) => frozen(AdaptiveThrottle.told(config, state, accept, atMillis)),
    frozen(from)
  )
}

describe("adaptive throttle", () => {
  it("rejects nothing before the first request, nor while one in k is accepted", () => {
    const chances = [told(0, 0), told(100, 0), told(50, 50)].map((state) =>
      AdaptiveThrottle.rejection(config, state, 0)
    )
    expect(chances).toEqual([0, 0, 0])
  })

  it("rejects by the formula beyond that, and never by more than its highest chance", () => {
    expect(AdaptiveThrottle.rejection(config, told(49, 50), 0)).toBe(1 / 100)
    expect(AdaptiveThrottle.rejection(config, told(10, 89), 0)).toBe(79 / 100)
    expect(AdaptiveThrottle.rejection(config, told(0, 8), 0)).toBe(8 / 9)
    expect(AdaptiveThrottle.rejection(config, told(0, 9), 0)).toBe(0.9)
    expect(AdaptiveThrottle.rejection(config, told(0, 1000), 0)).toBe(0.9)
  })

  it("lets a request go out whose draw is not below the chance, and counts one that may not as refused", () => {
    const state = told(10, 89)
    expect(AdaptiveThrottle.acquire(config, state, 0.79, 0)).toEqual([true, state])
    const [admitted, after] = AdaptiveThrottle.acquire(config, state, 0.7899, 0)
    expect(admitted).toBe(false)
    expect(after).toEqual(told(10, 90))
  })

  it("forgets what is older than its window", () => {
    const state = told(0, 100)
    const chances = [0, 119_999, 120_000].map((atMillis) => AdaptiveThrottle.rejection(config, state, atMillis))
    expect(chances).toEqual([0.9, 0.9, 0])
    expect(AdaptiveThrottle.acquire(config, state, 0, 120_000)[0]).toBe(true)
  })

  it("over any life keeps its chance within bounds, higher for a refusal and lower for an acceptance", () => {
    const seen = new Set<string>()
    const configs = fc.record({
      k: fc.constantFrom(1, 1.1, 2, 5),
      maxRejection: fc.constantFrom(0, 0.5, 0.9, 1),
      windowMillis: fc.constantFrom(1000, 120_000),
      buckets: fc.constantFrom(1, 10)
    })
    const event = fc.record({
      pause: fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, fc.constantFrom(1, 100, 20_000, 200_000)),
      accepted: fc.boolean(),
      random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    })
    fc.assert(
      fc.property(configs, long(event, 80), (of, events) => {
        let state = frozen(AdaptiveThrottle.initial(of))
        let nowMillis = 0
        for (const { accepted, pause, random } of events) {
          nowMillis += pause
          const chance = AdaptiveThrottle.rejection(of, state, nowMillis)
          assert.ok(chance >= 0 && chance <= of.maxRejection)
          const [admitted, after] = AdaptiveThrottle.acquire(of, state, random, nowMillis)
          assert.equal(admitted, random >= chance)
          const next = admitted ? AdaptiveThrottle.told(of, after, accepted, nowMillis) : after
          const then = AdaptiveThrottle.rejection(of, next, nowMillis)
          const higher = !admitted || !accepted
          assert.ok(higher ? then >= chance : then <= chance)
          seen.add(!admitted ? "rejected" : accepted ? "accepted" : "refused")
          state = frozen(next)
        }
      }),
      cases(150)
    )
    expect([...seen].toSorted()).toEqual(["accepted", "refused", "rejected"])
  })
})
