/**
 * What rows of a dashboard are made of.
 */

/** One line of a panel, or several: one for each value of the labels that the legend names. */
export interface Query {
  readonly expr: string
  readonly legend: string
}

/** One panel. */
export interface Panel {
  readonly title: string
  readonly description: string
  readonly kind: "lines" | "stacked" | "states"
  /** Grafana's name of a unit. */
  readonly unit: "reqps" | "s" | "short" | "percentunit" | "ops"
  readonly queries: ReadonlyArray<Query>
}

/** Panels under a heading. */
export interface Row {
  readonly title: string
  readonly panels: ReadonlyArray<Panel>
}

/** Those that are chosen at the top. */
export const service = { matches: "$service" }

/** How often a second. */
export const rate = (selector: string, by: string): string => `sum by (${by}) (rate(${selector}[$__rate_interval]))`

/** A quantile of a histogram. */
export const quantile = (of: number, buckets: string): string =>
  `histogram_quantile(${of}, ${rate(buckets, "service, le")})`
