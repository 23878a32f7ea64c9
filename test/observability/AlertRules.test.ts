/** The rules as data: their options, their thresholds, and that they name what there is. */
import { InvalidOptions } from "@effect-resilience/core"
import { AlertRules, Grafana, MetricNames } from "@effect-resilience/observability"
import { describe, expect, it } from "@effect/vitest"

const all = (options: AlertRules.Options = {}) => AlertRules.rules(options).groups.flatMap(({ rules }) => rules)

const alerts = (options: AlertRules.Options = {}) => all(options).filter((rule) => "alert" in rule)

const recorded = all().flatMap((rule) => ("record" in rule ? [rule.record] : []))

/** What metrics are called where they are scraped. */
const scraped = new Set(
  MetricNames.all.flatMap(({ name, type }) =>
    type === "histogram" ? [`${name}_bucket`, `${name}_count`, `${name}_sum`] : [name]
  )
)

/** The names of series in an expression: what is left of it without texts, labels and functions. */
const namesIn = (expr: string): ReadonlyArray<string> =>
  expr
    .replaceAll(/"(?:[^"\\]|\\.)*"/g, "")
    .replaceAll(/\{[^}]*\}|\b(?:by|without) \([^)]*\)|\[[^\]]*\]/g, "")
    .match(/[a-z][\w:]*(?!\w|\s*\()/g)
    ?.filter((word) => word !== "or") ?? []

describe("AlertRules", () => {
  it("names only metrics that there are, and ratios that it records itself, and so does the dashboard", () => {
    const inRules = all().flatMap(({ expr }) => namesIn(expr))
    const inPanels = Grafana.dashboard({ title: "Calls" }).panels.flatMap((panel) =>
      panel.type === "row" ? [] : panel.targets.flatMap(({ expr }) => namesIn(expr))
    )
    expect(inRules.filter((name) => !scraped.has(name) && !recorded.includes(name))).toEqual([])
    expect(inPanels.filter((name) => !scraped.has(name))).toEqual([])
    expect(recorded.filter((name) => !inRules.includes(name))).toEqual([])
    expect(namesIn(`sum by (a) (rate(x_total{b="c_d"}[5m])) / no_such_metric > 0`)).toEqual([
      "x_total",
      "no_such_metric"
    ])
    const unused = MetricNames.all.filter(({ name }) => !inPanels.some((used) => used.startsWith(name)))
    expect(unused.map(({ name }) => name)).toEqual([])
  })

  it("has the thresholds that are documented", () => {
    const told = AlertRules.describe().map(({ for: length, name, severity, when }) => [name, severity, length, when])
    expect(told).toEqual([
      ["CircuitBreakerOpen", "critical", "at once", "a circuit is open, or opened within the last 1m"],
      ["CircuitBreakerFlapping", "warning", "at once", "a circuit tripped more than 3 times within 1h"],
      ["CircuitBreakerSlowBurn", "info", "at once", "a circuit tripped more than 4 times within 1d"],
      ["TimeoutRateHigh", "warning", "5m", "more than 5% of attempts time out"],
      ["RetryRateHigh", "warning", "5m", "retries are more than 20% of the calls let through"],
      ["RetriesInVain", "warning", "5m", "less than 50% of retries succeed"],
      ["BulkheadNearLimit", "warning", "10m", "more than 80% of a bulkhead's permits are in use"],
      ["FallbackActive", "warning", "5m", "degraded answers are given"]
    ])
  })

  it("gives every alert a severity, a summary, a description and a link to its section", () => {
    const runbook = "https://wiki.example/operating"
    for (const rule of alerts({ runbook })) {
      expect(rule).toMatchObject({
        labels: { severity: expect.stringMatching(/^(critical|warning|info)$/) },
        annotations: {
          summary: expect.stringContaining("{{ $labels.service }}"),
          description: expect.stringContaining("{{ $labels.service }}"),
          runbook_url: `${runbook}#${rule.alert.toLowerCase()}`
        }
      })
    }
    expect(alerts()).toHaveLength(8)
  })

  it("asks of one service only, where one is named", () => {
    const selectors = all({ service: "payment" }).map(
      ({ expr }) => expr.match(/[a-z]\w*[_:][\w:]+(?:\{[^}]*\})?/g) ?? []
    )
    expect(selectors.map((each) => each.length)).not.toContain(0)
    for (const selector of selectors.flat()) expect(selector).toContain(`{service="payment"`)
  })

  it("has scenarios for every alert that fire and that stay silent", () => {
    const tests = AlertRules.tests("r.yml").tests.flatMap(({ alert_rule_test }) => alert_rule_test)
    for (const { alert } of alerts()) {
      const own = tests.filter(({ alertname }) => alertname === alert)
      expect([alert, own.some(({ exp_alerts }) => exp_alerts.length > 0)]).toEqual([alert, true])
      expect([alert, own.some(({ exp_alerts }) => exp_alerts.length === 0)]).toEqual([alert, true])
    }
  })

  it("refuses options that cannot be meant, all at once", () => {
    const bad: AlertRules.Options = {
      service: " ",
      scrapeInterval: "10 millis",
      window: "-1 second",
      runbook: "https://wiki.example/operating#top",
      thresholds: {
        timeouts: { above: 5, for: "-1 second" },
        trips: { above: 1.5, within: "1 second" },
        slowBurn: { above: -1 },
        retries: { above: 0 },
        retrySuccess: { below: 50 },
        bulkhead: { above: 1 },
        fallback: { for: Number.NaN }
      }
    }
    const options = [
      "service",
      "scrapeInterval",
      "window",
      "runbook",
      "thresholds.timeouts.above",
      "thresholds.timeouts.for",
      "thresholds.trips.above",
      "thresholds.trips.within",
      "thresholds.slowBurn.above",
      "thresholds.retries.above",
      "thresholds.retrySuccess.below",
      "thresholds.bulkhead.above",
      "thresholds.fallback.for"
    ]
    for (const make of [AlertRules.rules, AlertRules.describe, (o: AlertRules.Options) => AlertRules.tests("r", o)]) {
      try {
        make(bad)
        expect.unreachable()
      } catch (error) {
        expect(error).toBeInstanceOf(InvalidOptions.InvalidOptions)
        const problems = error instanceof InvalidOptions.InvalidOptions ? error.problems : []
        expect(problems.map(({ option }) => option)).toEqual(options)
      }
    }
  })

  it("refuses times that are too short for the scrapes", () => {
    const make = (options: AlertRules.Options) => () => AlertRules.rules({ scrapeInterval: "1 minute", ...options })
    expect(make({ window: "239 seconds" })).toThrow("window is ")
    expect(make({ thresholds: { trips: { within: "31 minutes" } } })).toThrow("thresholds.trips.within")
    expect(make({ window: "4 minutes", thresholds: { trips: { within: "32 minutes" } } })).not.toThrow()
  })

  it("writes one text for one value", () => {
    const text = AlertRules.format(AlertRules.rules({ service: `it's "a"` }))
    expect(text).toBe(AlertRules.format(AlertRules.rules({ service: `it's "a"` })))
    expect(text).toContain(`  - name: 'resilience it''s "a"'\n    interval: "15s"\n    rules:\n      - record: "`)
    expect(AlertRules.format(AlertRules.rules({ service: "\u0085\u2028" }))).toContain(String.raw`\u0085\u2028`)
    expect(AlertRules.format({ rule_files: ["r"], evaluation_interval: "1s", tests: [] })).toBe(
      `rule_files:\n  - "r"\nevaluation_interval: "1s"\ntests: []\n`
    )
  })
})
