import { describe, expect, it } from "@effect/vitest"
import { drawMetrics } from "../../../examples/order-service/demo/MetricsDrawing.js"
import * as Scrape from "../../../examples/order-service/demo/Scrape.js"
import * as Timeline from "../../../examples/order-service/demo/Timeline.js"

/** A scrape as a server answers it, with so many calls up to each bound, in two endpoints of the same numbers. */
const text = (state: number, counts: ReadonlyArray<number>) => {
  const bounds = ["0.1", "1", "+Inf"]
  const histogram = (service: string) =>
    ["charge", "all"].flatMap((endpoint) =>
      bounds.map(
        (le, at) =>
          `http_client_request_duration_seconds_bucket{service="${service}",endpoint="${endpoint}",status="ok",le="${le}"} ${(counts[at] ?? 0) / 2}`
      )
    )
  return [
    "# HELP circuit_breaker_state The circuit now.",
    "# TYPE circuit_breaker_state gauge",
    `circuit_breaker_state{service="stock"} 0`,
    `circuit_breaker_state{service="payment"} ${state}`,
    ...histogram("stock"),
    ...histogram("payment"),
    ""
  ].join("\n")
}

const scrape = (at: number, state: number, counts: ReadonlyArray<number>): Scrape.Scrape => {
  const seen = Scrape.read(text(state, counts), "payment", at)
  if (seen === undefined) throw new Error("the service is in the text")
  return seen
}

describe("a scrape", () => {
  it("is what is said of one service, all its endpoints together", () => {
    expect(scrape(500, 2, [10, 30, 40])).toEqual({
      at: 500,
      state: 2,
      buckets: [
        [0.1, 10],
        [1, 30],
        [Infinity, 40]
      ]
    })
    expect(Scrape.read(text(0, []), "nobody", 0)).toBeUndefined()
  })

  it("tells with the one before how long the calls between them took, in proportion inside a bucket", () => {
    const [before, after] = [scrape(0, 0, [100, 100, 100]), scrape(1000, 0, [150, 200, 200])]
    expect(Scrape.quantile(before, after, 0.5)).toBeCloseTo(0.1)
    expect(Scrape.quantile(before, after, 0.25)).toBeCloseTo(0.05)
    expect(Scrape.quantile(before, after, 0.75)).toBeCloseTo(0.55)
    expect(Scrape.quantile(after, scrape(2000, 0, [150, 200, 210]), 0.99)).toBe(1)
    expect(Scrape.quantile(after, after, 0.5)).toBeUndefined()
  })
})

describe("the drawing of the metrics", () => {
  const scrapes = [
    scrape(0, 0, [0, 0, 0]),
    scrape(1000, 0, [9, 10, 10]),
    scrape(2000, 1, [9, 10, 10]),
    scrape(3000, 2, [9, 20, 20])
  ]
  const draw = (seen: ReadonlyArray<Scrape.Scrape>) =>
    drawMetrics({
      mode: "on",
      timeline: Timeline.quick,
      outcomes: [],
      circuits: [],
      sockets: [],
      scrapes: seen,
      payment: { callsDuringOutage: 0, maxChargesPerOrder: 0 },
      drained: { confirmed: 0, rejected: 0, unsettled: 0 }
    }).markup

  it("has a line for each latency with a gap where nobody called, and the states that were not closed", () => {
    const markup = draw(scrapes)
    const paths = [...markup.matchAll(/class="(p50|p99)"[^>]* d="([^"]*)"/g)].map(([, name, d]) => [
      name,
      d?.replaceAll(/[^ML]/g, "")
    ])
    expect(paths).toEqual([
      ["p50", "MM"],
      ["p99", "MM"]
    ])
    expect(markup.match(/class="(open|halfopen)"/g)).toEqual(['class="open"', 'class="halfopen"'])
    expect(markup).not.toMatch(/NaN|Infinity|undefined/)
  })

  it("is one also of a run in which nothing was seen", () => {
    expect(draw([])).not.toMatch(/NaN|Infinity|undefined/)
  })
})
