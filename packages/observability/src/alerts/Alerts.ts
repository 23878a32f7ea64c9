/**
 * The alerts: when each fires, how grave it is, and what it says.
 */
import { metrics } from "../MetricNames.js"
import { recorded, series, span } from "../PromQl.js"
import { type Settings, tripSeenMillis } from "./Options.js"
import { names } from "./Ratios.js"

/** `critical` wakes somebody, `warning` is for today, `info` for this week. */
export type Severity = "critical" | "warning" | "info"

/** Of what an alert speaks: placeholders in a rule, values in its tests. */
export interface Subject {
  readonly service: string
  readonly instance: string
  readonly value: string
}

/** One alert. */
export interface Alert {
  readonly name: string
  readonly severity: Severity
  readonly expr: string
  readonly forMillis: number
  /** What its value is. */
  readonly value: "count" | "share" | "flag"
  /** Whether it is about each instance, or about the service as a whole. */
  readonly scope: "instance" | "service"
  /** When it fires, for a table. */
  readonly when: string
  readonly summary: (subject: Subject) => string
  readonly description: (subject: Subject) => string
}

/** A share as templates of Prometheus print it. */
export const percent = (ratio: number): string => `${Number((100 * ratio).toPrecision(4))}%`

/** The section of the page that an alert's link leads to. */
export const section = (name: string): string => name.toLowerCase()

const circuits = (settings: Settings) => {
  const { service: only, slowBurn, trips } = settings
  const counter = series(metrics.circuitTrips, { service: only })
  const seen = span(tripSeenMillis(settings))
  // Prometheus extrapolates to the ends of the range: three trips become 3.01.
  const counted = (within: number) => `round(increase(${counter}[${span(within)}]))`
  return {
    open: {
      name: "CircuitBreakerOpen",
      severity: "critical",
      // Half-open is 2: a maximum over instances would hide those that are open. An opening between two scrapes is a trip.
      expr: `${series(metrics.circuitState, { service: only })} == 1 or increase(${counter}[${seen}]) > 0`,
      forMillis: 0,
      value: "flag",
      scope: "instance",
      when: `a circuit is open, or opened within the last ${seen}`,
      summary: ({ service }) => `The circuit of ${service} is open.`,
      description: ({ instance, service }) =>
        `${instance} does not call ${service}: too many of its calls failed or were slow. Callers get CircuitOpen or a fallback.`
    },
    trips: {
      name: "CircuitBreakerFlapping",
      severity: "warning",
      expr: `${counted(trips.withinMillis)} > ${trips.limit}`,
      forMillis: 0,
      value: "count",
      scope: "instance",
      when: `a circuit tripped more than ${trips.limit} times within ${span(trips.withinMillis)}`,
      summary: ({ service }) => `The circuit of ${service} opens again and again.`,
      description: ({ instance, service, value }) =>
        `The circuit of ${service} in ${instance} tripped ${value} times within ${span(trips.withinMillis)}: the dependency recovers and fails again.`
    },
    slowBurn: {
      name: "CircuitBreakerSlowBurn",
      severity: "info",
      expr: `${counted(slowBurn.withinMillis)} > ${slowBurn.limit}`,
      forMillis: 0,
      value: "count",
      scope: "instance",
      when: `a circuit tripped more than ${slowBurn.limit} times within ${span(slowBurn.withinMillis)}`,
      summary: ({ service }) => `The circuit of ${service} opens every few hours.`,
      description: ({ instance, service, value }) =>
        `The circuit of ${service} in ${instance} tripped ${value} times within ${span(slowBurn.withinMillis)}, each time too short for anybody to look.`
    }
  } as const satisfies Record<string, Alert>
}

const calls = ({ retries, retrySuccess, service: only, timeouts }: Settings) =>
  ({
    timeouts: {
      name: "TimeoutRateHigh",
      severity: "warning",
      expr: `${recorded(names.timeouts, { service: only })} > ${timeouts.limit}`,
      forMillis: timeouts.forMillis,
      value: "share",
      scope: "service",
      when: `more than ${percent(timeouts.limit)} of attempts time out`,
      summary: ({ service }) => `Calls of ${service} time out.`,
      description: ({ service, value }) => `${value} of the attempts to call ${service} reached their time limit.`
    },
    retries: {
      name: "RetryRateHigh",
      severity: "warning",
      expr: `${recorded(names.retries, { service: only })} > ${retries.limit}`,
      forMillis: retries.forMillis,
      value: "share",
      scope: "service",
      when: `retries are more than ${percent(retries.limit)} of the calls let through`,
      summary: ({ service }) => `Many calls of ${service} are repeated.`,
      description: ({ service, value }) =>
        `Retries of ${service} are ${value} of its calls: that much load comes on top, on a dependency that is in trouble.`
    },
    retrySuccess: {
      name: "RetriesInVain",
      severity: "warning",
      expr: `${recorded(names.retrySuccess, { service: only })} < ${retrySuccess.limit}`,
      forMillis: retrySuccess.forMillis,
      value: "share",
      scope: "service",
      when: `less than ${percent(retrySuccess.limit)} of retries succeed`,
      summary: ({ service }) => `Retries of ${service} do not help.`,
      description: ({ service, value }) =>
        `${value} of the retries of ${service} succeed: the failures do not pass by themselves, so repeating them only adds load.`
    }
  }) as const satisfies Record<string, Alert>

const answers = ({ bulkhead, fallback, service: only }: Settings) =>
  ({
    bulkhead: {
      name: "BulkheadNearLimit",
      severity: "warning",
      expr: `${recorded(names.bulkhead, { service: only })} > ${bulkhead.limit}`,
      forMillis: bulkhead.forMillis,
      value: "share",
      scope: "instance",
      when: `more than ${percent(bulkhead.limit)} of a bulkhead's permits are in use`,
      summary: ({ service }) => `The bulkhead of ${service} is nearly full.`,
      description: ({ instance, service, value }) =>
        `${value} of the permits for ${service} in ${instance} are in use. At 100% calls wait or are refused.`
    },
    fallback: {
      name: "FallbackActive",
      severity: "warning",
      expr: `${series(metrics.fallbackActive, { service: only })} == 1`,
      forMillis: fallback.forMillis,
      value: "flag",
      scope: "instance",
      when: "degraded answers are given",
      summary: ({ service }) => `Users get degraded answers instead of those of ${service}.`,
      description: ({ instance, service }) =>
        `${instance} has given fallbacks for ${service} all the time: what was meant for minutes has become normal.`
    }
  }) as const satisfies Record<string, Alert>

/** The alerts by the names of their thresholds; an open circuit has none. */
export const alerts = (settings: Settings) => ({ ...circuits(settings), ...calls(settings), ...answers(settings) })

/** The name of a threshold, or `open`. */
export type AlertKey = keyof ReturnType<typeof alerts>
