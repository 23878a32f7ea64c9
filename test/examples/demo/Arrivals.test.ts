import { describe, expect, it } from "@effect/vitest"
import * as Arrivals from "../../../examples/order-service/demo/Arrivals.js"
import * as Timeline from "../../../examples/order-service/demo/Timeline.js"
import * as Catalog from "../../../examples/order-service/dependencies/Catalog.js"

const count = (arrivals: ReadonlyArray<Arrivals.Arrival>, tag: Arrivals.Arrival["_tag"]): number =>
  arrivals.filter(({ _tag }) => _tag === tag).length

describe("Arrivals", () => {
  it("are the same for the same seed and others for another", () => {
    const first = Arrivals.schedule(7, Timeline.full)
    expect(Arrivals.schedule(7, Timeline.full)).toEqual(first)
    expect(Arrivals.schedule(8, Timeline.full)).not.toEqual(first)
  })

  it("come in the order of their time, from the warm-up to the end", () => {
    const times = Arrivals.schedule(1, Timeline.full).map(({ at }) => at)
    expect(times).toEqual(times.toSorted((a, b) => a - b))
    expect(Math.min(...times)).toBeGreaterThanOrEqual(-Timeline.full.warmUpMillis)
    expect(Math.max(...times)).toBeLessThan(Timeline.full.endAt)
  })

  it("are as many as the rates say, give or take a few", () => {
    const arrivals = Arrivals.schedule(3, Timeline.full)
    const span = (Timeline.full.warmUpMillis + Timeline.full.endAt) / 1000
    expect(Math.abs(count(arrivals, "Order") / span / Arrivals.rates.ordersPerSecond - 1)).toBeLessThan(0.03)
    expect(Math.abs(count(arrivals, "Page") / span / Arrivals.rates.pagesPerSecond - 1)).toBeLessThan(0.06)
  })

  it("want things that exist, pay the true price and never order what is scarce or always declined", () => {
    for (const arrival of Arrivals.schedule(5, Timeline.full)) {
      const number = Number(arrival.productId.slice(1))
      expect(number).toBeGreaterThanOrEqual(1)
      expect(number).toBeLessThanOrEqual(Catalog.size)
      if (arrival._tag === "Page") expect(arrival.priceCents).toBe(1000 + 10 * number)
      else {
        expect(number).toBeLessThan(Catalog.size)
        expect(arrival.amountCents).toBe(arrival.quantity * (1000 + 10 * number))
        expect(arrival.amountCents).not.toBe(40_200)
      }
    }
  })
})
