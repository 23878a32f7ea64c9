/** The page for operators: its tables are the data, and every link of an alert leads to a section that is about it. */
import { AlertRules, MetricNames } from "@effect-resilience/observability"
import { describe, expect, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { root } from "../../scripts/source-files.js"
import { tableOf } from "../support/tables.js"

const page = "docs/operating.md"
const text = readFileSync(join(root, page), "utf8")

const metrics = [
  "| metric | type | labels | what it tells |",
  "|---|---|---|---|",
  ...MetricNames.all.map(({ help, labels, name, type }) => `| \`${name}\` | ${type} | ${labels.join(", ")} | ${help} |`)
]

const alerts = [
  "| alert | severity | when | for |",
  "|---|---|---|---|",
  ...AlertRules.describe().map(
    (alert) => `| [${alert.name}](#${alert.section}) | ${alert.severity} | ${alert.when} | ${alert.for} |`
  )
]

const sections = text.split("\n").flatMap((line) => /^### (\w+)$/.exec(line)?.[1] ?? [])

describe(page, () => {
  it("has the table of MetricNames: put what was expected in the place of what was found", () => {
    expect(tableOf(text, metrics[0] ?? "")).toBe(metrics.join("\n"))
  })

  it("has the table of AlertRules: put what was expected in the place of what was found", () => {
    expect(tableOf(text, alerts[0] ?? "")).toBe(alerts.join("\n"))
  })

  it("has a section for each alert, to which its link leads, and no other", () => {
    const links = AlertRules.rules()
      .groups.flatMap(({ rules }) => rules)
      .flatMap((rule) => ("alert" in rule ? [rule.annotations.runbook_url] : []))
    expect(sections.map((name) => `${page}#${name.toLowerCase()}`)).toEqual(links)
  })
})
