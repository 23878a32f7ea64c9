/**
 * The ratios that alerts are about, recorded under names of their own.
 *
 * Those of counters are of a service as a whole, all its instances together: a ratio of one instance among many is noise.
 * Permits belong to an instance, and so does their share.
 */
import { metrics } from "../MetricNames.js"
import { countOf, series, span } from "../PromQl.js"
import type { Settings } from "./Options.js"

/** A recording rule. */
export type Ratio = {
  readonly record: string
  readonly expr: string
}

/** The names under which the ratios are recorded. */
export const names = {
  timeouts: "job_service:http_client_timeouts:ratio",
  retries: "job_service:http_client_retries:ratio",
  retrySuccess: "job_service:http_client_retries_success:ratio",
  bulkhead: "instance_service:bulkhead_active:ratio"
} as const

/** Calls that a policy refused did not reach the dependency; counted in, they would hide what became of those that did. */
const letThrough = { except: "open|rejected" }

/** The ratios, in the order in which they are evaluated. */
export const ratios = ({ service, windowMillis }: Settings): ReadonlyArray<Ratio> => {
  const rate = (selector: string): string => `sum by (job, service) (rate(${selector}[${span(windowMillis)}]))`
  const retries = rate(series(metrics.retries, { service }))
  const succeeded = rate(series(metrics.retries, { service, result: "success" }))
  return [
    {
      record: names.timeouts,
      expr: `${rate(series(metrics.timeouts, { service }))} / ${rate(countOf(metrics.attemptDuration, { service }))}`
    },
    {
      record: names.retries,
      expr: `${retries} / ${rate(countOf(metrics.requestDuration, { service, status: letThrough }))}`
    },
    {
      // Where no retry ever succeeded there may be no series that says 0.
      record: names.retrySuccess,
      expr: `(${succeeded} or 0 * ${retries}) / ${retries}`
    },
    {
      record: names.bulkhead,
      expr: `${series(metrics.bulkheadActive, { service })} / ${series(metrics.bulkheadLimit, { service })}`
    }
  ]
}
