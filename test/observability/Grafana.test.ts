/** The dashboard as data. That its metrics exist, the test of the rules shows. */
import { Grafana } from "@effect-resilience/observability"
import { describe, expect, it } from "@effect/vitest"

const { panels, templating, ...rest } = Grafana.dashboard({ title: "Shop" })

const graphs = panels.filter((panel) => panel.type !== "row")

describe("Grafana.dashboard", () => {
  it("has its rows in order, and variables for the data source and the services", () => {
    expect(panels.filter(({ type }) => type === "row").map(({ title }) => title)).toEqual([
      "Traffic",
      "Latency",
      "Circuit",
      "Bulkhead",
      "Retries",
      "Limits",
      "Shedding",
      "Retry budgets and hedges",
      "Fallbacks",
      "Deadlines",
      "Chaos"
    ])
    expect(templating.list.map(({ name, type }) => [name, type])).toEqual([
      ["datasource", "datasource"],
      ["service", "query"]
    ])
    expect(rest).toMatchObject({
      title: "Shop",
      schemaVersion: 41,
      refresh: "30s",
      time: { from: "now-1h", to: "now" }
    })
  })

  it("gives every panel a number, a place of its own within the width, and queries for the chosen services", () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    const cells = panels.flatMap(({ gridPos: { h, w, x, y } }) =>
      Array.from({ length: h * w }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`)
    )
    expect(new Set(cells).size).toBe(cells.length)
    for (const { gridPos } of panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24)
    for (const { description, targets, title } of graphs) {
      expect([title, description]).not.toContain("")
      expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length)
      for (const { datasource, expr } of targets) {
        expect(datasource.uid).toBe("${datasource}")
        // The event loop is that of the whole process.
        if (!expr.includes("event_loop_delay_seconds")) expect(expr).toContain(`service=~"$service"`)
      }
    }
  })

  it("shows the states of circuits over time, by their names", () => {
    const [timeline, ...others] = graphs.filter(({ type }) => type === "state-timeline")
    expect(others).toEqual([])
    expect(timeline?.targets.map(({ expr }) => expr)).toEqual([`circuit_breaker_state{service=~"$service"}`])
    const [mapping] = timeline?.fieldConfig.defaults.mappings ?? []
    expect(Object.entries(mapping?.options ?? {}).map(([value, { text }]) => [value, text])).toEqual([
      ["0", "closed"],
      ["1", "open"],
      ["2", "half-open"]
    ])
  })

  it("is the same for the same options, and survives JSON", () => {
    const options = {
      title: "Shop",
      uid: "shop-calls",
      service: "payment",
      refresh: "5 seconds",
      range: "90 minutes"
    } as const
    const one = Grafana.dashboard(options)
    expect(JSON.stringify(one)).toBe(JSON.stringify(Grafana.dashboard(options)))
    expect(JSON.parse(JSON.stringify(one))).toEqual(one)
    expect(one).toMatchObject({ uid: "shop-calls", refresh: "5s", time: { from: "now-90m" } })
    expect(one.templating.list[1]?.current).toEqual({ text: ["payment"], value: ["payment"] })
  })

  it("refuses options that cannot be meant, all at once", () => {
    const bad = { title: "", uid: "a/b", service: " ", refresh: 0, range: "1 second" } as const
    for (const option of ["title", "uid", "service", "refresh", "range"]) {
      expect(() => Grafana.dashboard(bad)).toThrow(new RegExp(`\\b${option} is `))
    }
  })
})
