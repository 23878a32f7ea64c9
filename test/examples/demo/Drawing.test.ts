import { describe, expect, it } from "@effect/vitest"
import * as Drawing from "../../../examples/order-service/demo/Drawing.js"
import * as HtmlReport from "../../../examples/order-service/demo/HtmlReport.js"
import { element, escape } from "../../../examples/order-service/demo/Markup.js"
import type { Outcome } from "../../../examples/order-service/demo/Messages.js"
import { type Recording, type Report, summarize } from "../../../examples/order-service/demo/Recording.js"
import * as Table from "../../../examples/order-service/demo/Table.js"
import * as Timeline from "../../../examples/order-service/demo/Timeline.js"

/** The names of open elements after reading the markup; throws where it is not well-formed. */
const wellFormed = (markup: string): ReadonlyArray<string> => {
  const open: Array<string> = []
  const rest = markup.replace(
    /<(\/?)([a-zA-Z][\w-]*)((?: [\w:-]+="[^"<]*")*)(\/?)>/g,
    (_, closing: string, name: string, __: string, empty: string) => {
      if (closing === "/" && open.pop() !== name) throw new Error(`</${name}> closes nothing`)
      if (closing === "" && empty === "") open.push(name)
      return ""
    }
  )
  if (/[<>]/.test(rest.replace(/&(amp|lt|gt|quot|#39);/g, "")))
    throw new Error(`stray bracket in ${rest.slice(0, 200)}`)
  if (/&(?!(amp|lt|gt|quot|#39);)/.test(rest)) throw new Error("stray ampersand")
  return open
}

const outcome = (kind: Outcome["kind"], at: number, result: Outcome["result"]): Outcome => ({
  kind,
  at,
  slipMillis: 1,
  latencyMillis: result === "failed" ? 10_000 : 80,
  result,
  confirmed: kind === "order" && result === "answered",
  pending: kind === "order" && result === "degraded",
  wrong: false
})

const recording = (mode: Recording["mode"]): Recording => ({
  mode,
  timeline: Timeline.quick,
  outcomes: Array.from({ length: 160 }, (_, i) => [
    outcome("page", i * 100, i % 3 === 0 ? "failed" : "answered"),
    outcome("order", i * 100, i % 4 === 0 ? "degraded" : "answered")
  ]).flat(),
  circuits: [
    { policy: "payment", to: "Open", at: 3000 },
    { policy: "payment", to: "HalfOpen", at: 9000 },
    { policy: "payment", to: "Closed", at: 9100 },
    { policy: "reviews", to: "Open", at: 4000 }
  ],
  sockets: Array.from({ length: 100 }, (_, i) => ({ at: i * 150, inUse: i % 100, waiting: i * 3, cpuMillis: i * 15 })),
  scrapes: [],
  payment: { callsDuringOutage: 12, maxChargesPerOrder: 1 },
  drained: { confirmed: 39, rejected: 0, unsettled: 1 }
})

const modes = ["off", "timeouts", "on"] as const
const recordings = modes.map(recording)
const [off, timeouts, on] = [recording("off"), recording("timeouts"), recording("on")].map(summarize)

describe("escaping", () => {
  it("leaves nothing in a text or an attribute that a reader could take for markup", () => {
    const nasty = `<script>alert("1")</script> & 'x' \u0000`
    expect(escape(nasty)).toBe("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;x&#39; ")
    const { markup } = element("text", { title: nasty }, nasty)
    expect(wellFormed(markup)).toEqual([])
    expect(markup).not.toContain("<script")
  })
})

describe("the drawing", () => {
  const svg = Drawing.draw(recordings).markup

  it("is well-formed, stands on its own and holds all runs", () => {
    expect(wellFormed(svg)).toEqual([])
    expect(svg.startsWith("<svg")).toBe(true)
    for (const mode of modes) expect(svg).toContain(`>${Table.titles[mode]}</text>`)
    expect(svg.replace("http://www.w3.org/2000/svg", "")).not.toMatch(/https?:|@import|href|src=/)
  })

  it("has no number that is not one, also of runs in which nothing was seen", () => {
    const empty = modes.map((mode) => ({ ...recording(mode), outcomes: [], circuits: [], sockets: [] }))
    for (const markup of [svg, Drawing.draw(empty).markup]) expect(markup).not.toMatch(/NaN|Infinity|undefined/)
    expect(wellFormed(Drawing.draw(empty).markup)).toEqual([])
  })

  it("tells endings apart without colour, and knows light and dark", () => {
    expect(svg).toContain('id="degraded"')
    expect(svg).toContain('id="failed"')
    expect(svg).toContain("prefers-color-scheme:dark")
  })

  it("follows payment's circuit alone, closed to start with, up to the end", () => {
    expect(Drawing.stretches(recording("on"))).toEqual([
      { state: "Closed", from: 0, to: 3000 },
      { state: "Open", from: 3000, to: 9000 },
      { state: "HalfOpen", from: 9000, to: 9100 },
      { state: "Closed", from: 9100, to: Timeline.quick.endAt }
    ])
  })
})

describe("what the server computes for a request before the outage", () => {
  it("is what passed between the first and the last sample, for each arrival in between", () => {
    // A sample each 150 ms tells of 15 ms more, and an order and a page arrive each 100 ms.
    expect(on?.healthyCpuMillis).toBeCloseTo(5, 0)
    expect(summarize({ ...recording("on"), sockets: [] }).healthyCpuMillis).toBe(0)
  })
})

describe("the report", () => {
  if (off === undefined || timeouts === undefined || on === undefined) throw new Error("three runs are summarized")
  const report: Report = { seed: 3, pool: 100, loadSlipP99: 4, runs: { off, timeouts, on } }

  it("is one file that needs nothing from outside and says how to read it", () => {
    const html = HtmlReport.page(report, recordings)
    expect(wellFormed(html.replace("<!doctype html>", ""))).toEqual([])
    expect(html.replaceAll("http://www.w3.org/2000/svg", "")).not.toMatch(/https?:|<script|<link|@import|src=/)
    expect(html).toContain("not the timings")
    expect(html).toContain("circuits: divided by")
  })

  it("has the agreed shape", () => {
    const keys =
      "falseOpens healthy healthyCpuMillis maxChargesPerOrder orders ordersAccepted ordersConfirmed ordersOffered paymentCallsDuringOutage products secondsToRecover wrongAnswers"
    for (const mode of modes) {
      const run = report.runs[mode]
      expect(Object.keys(run).toSorted().join(" ")).toBe(keys)
      for (const route of [run.products, run.orders, run.healthy]) {
        expect(Object.keys(route).toSorted()).toEqual(["answered", "degraded", "failed", "p50", "p99"])
        expect(route.answered + route.degraded + route.failed).toBeCloseTo(1)
      }
    }
  })

  it("counts orders over the whole run and false openings of others than payment", () => {
    expect(on).toMatchObject({ ordersOffered: 160, ordersAccepted: 160, ordersConfirmed: 120 + 39, falseOpens: 1 })
  })

  it("fits all its columns into the table", () => {
    const lines = Table.text(report).split("\n")
    expect(lines[0]).toContain("effect-resilience")
    expect(new Set(lines.map((line) => line.length)).size).toBe(1)
  })
})
