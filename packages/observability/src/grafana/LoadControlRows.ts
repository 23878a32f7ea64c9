/**
 * What is on the dashboard of limits, budgets, shedding and hedges.
 */
import { metrics } from "../MetricNames.js"
import { series } from "../PromQl.js"
import { rate, type Row, service } from "./Panel.js"

const limits: Row = {
  title: "Limits",
  panels: [
    {
      title: "Permits of rate limiters",
      description: "delayed waited for one; rejected got none.",
      kind: "stacked",
      unit: "reqps",
      queries: [
        {
          expr: rate(series(metrics.rateLimiterPermits, { service }), "service, result"),
          legend: "{{service}} {{result}}"
        }
      ]
    },
    {
      title: "Permits that are left",
      description: "Of each instance, for calls without a key.",
      kind: "lines",
      unit: "short",
      queries: [{ expr: series(metrics.rateLimiterAvailable, { service }), legend: "{{service}} {{instance}}" }]
    },
    {
      title: "Concurrency",
      description: "What runs, and the limit that was learned. Far above what runs, the limit says nothing.",
      kind: "lines",
      unit: "short",
      queries: [
        { expr: `max by (service) (${series(metrics.concurrencyLimit, { service })})`, legend: "{{service}} limit" },
        { expr: series(metrics.concurrencyInFlight, { service }), legend: "{{service}} {{instance}}" }
      ]
    },
    {
      title: "Held back by the throttle",
      description: "Calls that were not sent because the dependency refuses too many.",
      kind: "lines",
      unit: "reqps",
      queries: [{ expr: rate(series(metrics.throttleRejected, { service }), "service"), legend: "{{service}}" }]
    }
  ]
}

const shedding: Row = {
  title: "Shedding",
  panels: [
    {
      title: "Requests that were shed",
      description: "The lowest class goes first; critical_plus here means that there is too little of everything.",
      kind: "stacked",
      unit: "reqps",
      queries: [
        {
          expr: rate(series(metrics.loadShedRequests, { service }), "service, priority, reason"),
          legend: "{{service}} {{priority}} {{reason}}"
        }
      ]
    },
    {
      title: "Delay of the event loop",
      description: "How late timers are: while they are, nothing else runs either.",
      kind: "lines",
      unit: "s",
      queries: [
        {
          expr: `max by (quantile) (${series(metrics.eventLoopDelay, {})})`,
          legend: "{{quantile}}"
        }
      ]
    }
  ]
}

const budgets: Row = {
  title: "Retry budgets and hedges",
  panels: [
    {
      title: "What is left of the budget",
      description: "Of the instance that has least. At 0 nothing is repeated any more.",
      kind: "lines",
      unit: "percentunit",
      queries: [
        { expr: `min by (service) (${series(metrics.retryBudgetRemaining, { service })})`, legend: "{{service}}" }
      ]
    },
    {
      title: "Not repeated for want of budget",
      description: "Calls that failed with their first error in place of a retry.",
      kind: "lines",
      unit: "reqps",
      queries: [{ expr: rate(series(metrics.retryBudgetExhausted, { service }), "service"), legend: "{{service}}" }]
    },
    {
      title: "Hedges by what became of them",
      description: "won answered first; suppressed were due, but not made.",
      kind: "stacked",
      unit: "reqps",
      queries: [
        { expr: rate(series(metrics.hedgeAttempts, { service }), "service, result"), legend: "{{service}} {{result}}" }
      ]
    },
    {
      title: "Latency as it is learned",
      description: "Quantiles of late, and after how long a hedge begins.",
      kind: "lines",
      unit: "s",
      queries: [
        {
          expr: `max by (service, quantile) (${series(metrics.latencyQuantile, { service })})`,
          legend: "{{service}} {{quantile}}"
        },
        { expr: `max by (service) (${series(metrics.hedgeDelay, { service })})`, legend: "{{service}} hedge" }
      ]
    }
  ]
}

/** The rows. */
export const rows: ReadonlyArray<Row> = [limits, shedding, budgets]
