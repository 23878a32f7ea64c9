/**
 * A dashboard of Grafana over the metrics of policies, as data: print it as JSON, and import or provision it.
 *
 * It is generated from the names in `MetricNames`, so that no panel asks for a metric that there is not. The same options
 * give the same text, so that a repository can hold it. For services of one Prometheus; who reads it chooses the data source
 * and the services at the top.
 */
import { InvalidOptions } from "@effect-resilience/core"
import { type Duration, Either } from "effect"
import type { Dashboard, Datasource, GraphPanel, Mapping, RowPanel, Variable } from "./grafana/Model.js"
import type { Panel, Row } from "./grafana/Panel.js"
import { rows } from "./grafana/Rows.js"
import { metrics } from "./MetricNames.js"
import { span } from "./PromQl.js"

export type {
  Dashboard,
  Datasource,
  GraphPanel,
  GridPosition,
  Mapping,
  RowPanel,
  Target,
  Variable
} from "./grafana/Model.js"

/** What a dashboard is made of. */
export interface Options {
  /** Its title. */
  readonly title: string
  /** What its address ends in: letters, digits, `-` and `_`, at most 40. Default `effect-resilience`. */
  readonly uid?: string | undefined
  /** The service, which is a policy's name, that is chosen at first. Default all. */
  readonly service?: string | undefined
  /** How often it is drawn anew. From 1 second; default 30 seconds. */
  readonly refresh?: Duration.DurationInput | undefined
  /** How much time it shows at first. From 1 minute; default 1 hour. */
  readonly range?: Duration.DurationInput | undefined
}

interface Settings {
  readonly title: string
  readonly uid: string
  readonly service: string | undefined
  readonly refreshMillis: number
  readonly rangeMillis: number
}

/** The model as Grafana 12 has it; later ones bring it up to date when they read it. */
const schemaVersion = 41

const text = (option: string, value: string, pattern: RegExp, allowed: string): InvalidOptions.Checked<string> =>
  pattern.test(value) ? Either.right(value) : Either.left([{ option, value: JSON.stringify(value), allowed }])

const checked = ({ range, refresh, service, title, uid }: Options): Settings =>
  Either.getOrThrowWith(
    InvalidOptions.every<Settings>({
      title: text("title", title, /\S/, "a text that is not empty"),
      uid: text("uid", uid ?? "effect-resilience", /^[\w-]{1,40}$/, "1 to 40 letters, digits, - and _"),
      service:
        service === undefined
          ? InvalidOptions.valid(undefined)
          : text("service", service, /\S/, "a text that is not empty"),
      refreshMillis: InvalidOptions.span("refresh", refresh ?? "30 seconds", 1_000),
      rangeMillis: InvalidOptions.span("range", range ?? "1 hour", 60_000)
    }),
    (problems) => new InvalidOptions.InvalidOptions({ policy: "Grafana", problems })
  )

const datasource: Datasource = { type: "prometheus", uid: "${datasource}" }

const variables = ({ service }: Settings): ReadonlyArray<Variable> => {
  const query = `label_values(${metrics.events.name}, service)`
  return [
    {
      name: "datasource",
      label: "Data source",
      type: "datasource",
      query: "prometheus",
      refresh: 1,
      multi: false,
      includeAll: false,
      current: {}
    },
    {
      name: "service",
      label: "Service",
      type: "query",
      query,
      datasource,
      definition: query,
      refresh: 2,
      multi: true,
      includeAll: true,
      allValue: ".*",
      current: service === undefined ? { text: ["All"], value: ["$__all"] } : { text: [service], value: [service] }
    }
  ]
}

const states: Mapping = {
  type: "value",
  options: {
    0: { text: "closed", color: "green", index: 0 },
    1: { text: "open", color: "red", index: 1 },
    2: { text: "half-open", color: "yellow", index: 2 }
  }
}

const looks: Readonly<Record<Panel["kind"], Pick<GraphPanel, "type" | "options">>> = {
  lines: { type: "timeseries", options: { legend: { displayMode: "list", placement: "bottom" } } },
  stacked: { type: "timeseries", options: { legend: { displayMode: "list", placement: "bottom" } } },
  states: { type: "state-timeline", options: { mergeValues: true, showValue: "never", rowHeight: 0.8 } }
}

const custom: Readonly<Record<Panel["kind"], Readonly<Record<string, unknown>>>> = {
  lines: { lineWidth: 1, fillOpacity: 0 },
  stacked: { lineWidth: 1, fillOpacity: 30, stacking: { mode: "normal", group: "A" } },
  states: { lineWidth: 0, fillOpacity: 80 }
}

const width = 24
const height = 8
const perLine = 3

const refIds = ["A", "B", "C", "D"]

const graph = (panel: Panel, id: number, place: number, of: number, y: number): GraphPanel => {
  const w = width / Math.min(of, perLine)
  return {
    id,
    ...looks[panel.kind],
    title: panel.title,
    description: panel.description,
    datasource,
    gridPos: { h: height, w, x: (place % perLine) * w, y: y + Math.floor(place / perLine) * height },
    targets: panel.queries.map(({ expr, legend }, i) => ({
      refId: refIds[i] ?? `Q${i}`,
      datasource,
      expr,
      legendFormat: legend
    })),
    fieldConfig: {
      defaults: {
        unit: panel.unit,
        custom: custom[panel.kind],
        min: 0,
        ...(panel.unit === "percentunit" ? { max: 1 } : {}),
        mappings: panel.kind === "states" ? [states] : []
      },
      overrides: []
    }
  }
}

const heading = (title: string, id: number, y: number): RowPanel => ({
  id,
  type: "row",
  title,
  collapsed: false,
  gridPos: { h: 1, w: width, x: 0, y },
  panels: []
})

interface Laid {
  readonly panels: ReadonlyArray<RowPanel | GraphPanel>
  readonly y: number
}

/** The row below what is laid out already. */
const lay = ({ panels, y }: Laid, row: Row): Laid => {
  const id = panels.length + 1
  return {
    panels: [
      ...panels,
      heading(row.title, id, y),
      ...row.panels.map((panel, i) => graph(panel, id + 1 + i, i, row.panels.length, y + 1))
    ],
    y: y + 1 + Math.ceil(row.panels.length / perLine) * height
  }
}

/**
 * A dashboard: traffic, latency, circuits with their states over time, bulkheads, retries, limits, shedding, budgets and
 * hedges, fallbacks, deadlines, chaos.
 * Throws `InvalidOptions`.
 *
 * @example
 * ```ts
 * import { Grafana } from "@effect-resilience/observability"
 *
 * const dashboard = Grafana.dashboard({ title: "Shop: calls to others" })
 * console.log(dashboard.panels.filter(({ type }) => type === "row").map(({ title }) => title).join(", "))
 * // Traffic, Latency, Circuit, Bulkhead, Retries, Limits, Shedding, Retry budgets and hedges, Fallbacks, Deadlines, Chaos
 * ```
 */
export const dashboard = (options: Options): Dashboard => {
  const of = checked(options)
  return {
    uid: of.uid,
    title: of.title,
    tags: ["effect-resilience"],
    schemaVersion,
    version: 1,
    editable: true,
    graphTooltip: 1,
    refresh: span(of.refreshMillis),
    time: { from: `now-${span(of.rangeMillis)}`, to: "now" },
    templating: { list: variables(of) },
    panels: rows.reduce(lay, { panels: [], y: 0 }).panels
  }
}
