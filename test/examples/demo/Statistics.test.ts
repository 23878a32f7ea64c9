import { describe, expect, it } from "@effect/vitest"
import type { Outcome } from "../../../examples/order-service/demo/Messages.js"
import * as Statistics from "../../../examples/order-service/demo/Statistics.js"

const page = (at: number, result: Outcome["result"] = "answered", latencyMillis = 100): Outcome => ({
  kind: "page",
  at,
  slipMillis: 0,
  latencyMillis: result === "failed" ? Statistics.clientLimitMillis : latencyMillis,
  result,
  confirmed: false,
  pending: false,
  wrong: false
})

const order = (at: number, confirmed = true): Outcome => ({
  ...page(at, confirmed ? "answered" : "degraded"),
  kind: "order",
  confirmed,
  pending: !confirmed
})

/** A hundred pages and a hundred orders in every second from `from` to `to`. */
const traffic = (from: number, to: number): ReadonlyArray<Outcome> =>
  Array.from({ length: (to - from) * 100 }, (_, i) => [page(from * 1000 + i * 10), order(from * 1000 + i * 10)]).flat()

describe("quantile", () => {
  it("is the smallest value that the share does not exceed", () => {
    const hundred = Array.from({ length: 100 }, (_, i) => 100 - i)
    expect(Statistics.quantile(hundred, 0.5)).toBe(50)
    expect(Statistics.quantile(hundred, 0.99)).toBe(99)
    expect(Statistics.quantile(hundred, 1)).toBe(100)
    expect(Statistics.quantile([7], 0.01)).toBe(7)
    expect(Statistics.quantile([], 0.5)).toBe(0)
  })
})

describe("route", () => {
  it("gives shares that add up and counts a failure as the client's limit", () => {
    const route = Statistics.route([page(0), page(1, "degraded", 300), page(2, "failed"), page(3)])
    expect(route).toEqual({ answered: 0.5, degraded: 0.25, failed: 0.25, p50: 100, p99: 10_000 })
  })

  it("of nothing is nothing", () => {
    expect(Statistics.route([])).toEqual({ answered: 0, degraded: 0, failed: 0, p50: 0, p99: 0 })
  })
})

describe("perSecond", () => {
  it("counts by the intended second and leaves the warm-up out", () => {
    const seconds = Statistics.perSecond([page(-1), page(0), page(999, "failed"), page(1000), page(2500)], 2000)
    expect(seconds).toEqual([
      { answered: 1, degraded: 0, failed: 1 },
      { answered: 1, degraded: 0, failed: 0 }
    ])
  })
})

describe("secondsToRecover", () => {
  it("is zero when all is well at once", () => {
    expect(Statistics.secondsToRecover(traffic(0, 10), 2000, 10_000)).toBe(0)
  })

  it("begins after the last bad second that is followed by five good ones", () => {
    const bad = [...traffic(0, 12), page(4500, "failed"), page(4600, "failed")]
    expect(Statistics.secondsToRecover(bad, 2000, 12_000)).toBe(3)
  })

  it("allows one in a hundred, not two", () => {
    const one = traffic(2, 12).map((o) => (o.kind === "page" && o.at === 2500 ? page(2500, "degraded") : o))
    expect(Statistics.secondsToRecover(one, 2000, 12_000)).toBe(0)
    const two = one.map((o) => (o.kind === "page" && o.at === 2600 ? page(2600, "degraded") : o))
    expect(Statistics.secondsToRecover(two, 2000, 12_000)).toBe(1)
  })

  it("does not take an order that is pending for one that is confirmed", () => {
    const later = traffic(2, 12).map((o) => (o.kind === "order" && o.at < 4000 ? order(o.at, false) : o))
    expect(Statistics.secondsToRecover(later, 2000, 12_000)).toBe(2)
  })

  it("is null when there were no five good seconds before the end, and an empty second is not good", () => {
    expect(
      Statistics.secondsToRecover(
        traffic(2, 12).filter(({ at }) => at % 2000 < 1000),
        2000,
        12_000
      )
    ).toBeNull()
    expect(Statistics.secondsToRecover(traffic(2, 6), 2000, 6000)).toBeNull()
    expect(Statistics.secondsToRecover([], 2000, 12_000)).toBeNull()
  })
})
