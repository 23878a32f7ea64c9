/**
 * The part of Grafana's dashboard model that is generated here.
 */

/** Where a panel takes its data from: the dashboard's variable. */
export type Datasource = { readonly type: "prometheus"; readonly uid: string }

/** One query of a panel. */
export type Target = {
  readonly refId: string
  readonly datasource: Datasource
  readonly expr: string
  readonly legendFormat: string
}

/** How a value is shown: a text and a colour in its place. */
export type Mapping = {
  readonly type: "value"
  readonly options: Readonly<Record<string, { readonly text: string; readonly color: string; readonly index: number }>>
}

/** The place of a panel, in 24ths of the width. */
export type GridPosition = { readonly h: number; readonly w: number; readonly x: number; readonly y: number }

/** A panel that draws. */
export type GraphPanel = {
  readonly id: number
  readonly type: "timeseries" | "state-timeline"
  readonly title: string
  readonly description: string
  readonly datasource: Datasource
  readonly gridPos: GridPosition
  readonly targets: ReadonlyArray<Target>
  readonly fieldConfig: {
    readonly defaults: {
      readonly unit: string
      readonly min?: number
      readonly max?: number
      readonly custom: Readonly<Record<string, unknown>>
      readonly mappings: ReadonlyArray<Mapping>
    }
    readonly overrides: ReadonlyArray<never>
  }
  readonly options: Readonly<Record<string, unknown>>
}

/** The heading of the panels below it. */
export type RowPanel = {
  readonly id: number
  readonly type: "row"
  readonly title: string
  readonly collapsed: false
  readonly gridPos: GridPosition
  readonly panels: ReadonlyArray<never>
}

/** A variable that the reader of a dashboard chooses. */
export type Variable = {
  readonly name: string
  readonly label: string
  readonly type: "datasource" | "query"
  readonly query: string
  readonly datasource?: Datasource
  readonly definition?: string
  readonly refresh: 1 | 2
  readonly multi: boolean
  readonly includeAll: boolean
  readonly allValue?: string
  readonly current: Readonly<Record<string, unknown>>
}

/** A dashboard, as `POST /api/dashboards/db` and provisioning take it. */
export type Dashboard = {
  readonly uid: string
  readonly title: string
  readonly tags: ReadonlyArray<string>
  readonly schemaVersion: number
  readonly version: number
  readonly editable: boolean
  readonly graphTooltip: 1
  readonly refresh: string
  readonly time: { readonly from: string; readonly to: string }
  readonly templating: { readonly list: ReadonlyArray<Variable> }
  readonly panels: ReadonlyArray<RowPanel | GraphPanel>
}
