/**
 * Expressions of Prometheus over the metrics of `MetricNames`: a metric or a label that does not exist does not compile.
 */
import type { metrics } from "./MetricNames.js"

type Metrics = typeof metrics

/** One of the metrics. */
export type Metric = Metrics[keyof Metrics]

type Histogram = Extract<Metric, { readonly type: "histogram" }>

/** What the values of a label are: this one, those that match, or those that do not. */
export type Matcher = string | { readonly matches: string } | { readonly except: string }

/** What Prometheus adds to every series that it scrapes. */
type TargetLabel = "job" | "instance"

/** What is asked of the labels of a metric. */
export type Matchers<M extends Metric> = { readonly [L in M["labels"][number] | TargetLabel]?: Matcher | undefined }

/** A text as PromQL and JSON quote it. */
const quoted = (text: string): string => JSON.stringify(text)

const matching = (label: string, matcher: Matcher): string => {
  if (typeof matcher === "string") return `${label}=${quoted(matcher)}`
  return "matches" in matcher ? `${label}=~${quoted(matcher.matches)}` : `${label}!~${quoted(matcher.except)}`
}

const selector = (name: string, matchers: Readonly<Record<string, Matcher | undefined>>): string => {
  const texts = Object.entries(matchers).flatMap(([label, matcher]) =>
    matcher === undefined ? [] : [matching(label, matcher)]
  )
  return texts.length === 0 ? name : `${name}{${texts.join(",")}}`
}

/** The series of a counter or a gauge. */
export const series = <M extends Exclude<Metric, Histogram>>(metric: M, matchers: Matchers<M>): string =>
  selector(metric.name, matchers)

/** How many values a histogram has seen. */
export const countOf = <M extends Histogram>(metric: M, matchers: Matchers<M>): string =>
  selector(`${metric.name}_count`, matchers)

/** The buckets of a histogram. */
export const bucketsOf = <M extends Histogram>(metric: M, matchers: Matchers<M>): string =>
  selector(`${metric.name}_bucket`, matchers)

/** The series that a rule records, under a name that is no metric's. */
export const recorded = (name: string, matchers: { readonly service?: Matcher | undefined }): string =>
  selector(name, matchers)

const units: ReadonlyArray<readonly [millis: number, unit: string]> = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "m"],
  [1_000, "s"]
]

/** A span of time as Prometheus writes it, in the greatest unit that leaves no rest: `90s`, not `1m30s`. */
export const span = (millis: number): string => {
  const [size, unit] = units.find(([each]) => millis > 0 && millis % each === 0) ?? [1, "ms"]
  return millis === 0 ? "0s" : `${millis / size}${unit}`
}
