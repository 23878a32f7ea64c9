/**
 * What is on the dashboard, row by row.
 */
import { metrics } from "../MetricNames.js"
import { bucketsOf, countOf, series } from "../PromQl.js"
import { rows as loadControl } from "./LoadControlRows.js"
import { quantile, rate, type Row, service } from "./Panel.js"

const requests = countOf(metrics.requestDuration, { service })
const attempts = countOf(metrics.attemptDuration, { service })

const traffic: Row = {
  title: "Traffic",
  panels: [
    {
      title: "Calls by what they ended with",
      description: "open and rejected never reached the dependency.",
      kind: "stacked",
      unit: "reqps",
      queries: [{ expr: rate(requests, "service, status"), legend: "{{service}} {{status}}" }]
    },
    {
      title: "Calls and attempts",
      description: "Attempts above calls are load that retries add.",
      kind: "lines",
      unit: "reqps",
      queries: [
        { expr: rate(requests, "service"), legend: "{{service}} calls" },
        { expr: rate(attempts, "service"), legend: "{{service}} attempts" }
      ]
    },
    {
      title: "Events",
      description: "Everything that policies report.",
      kind: "stacked",
      unit: "ops",
      queries: [{ expr: rate(series(metrics.events, { service }), "event"), legend: "{{event}}" }]
    }
  ]
}

const latency: Row = {
  title: "Latency",
  panels: [
    {
      title: "Calls",
      description: "With waits and retries: what callers wait for.",
      kind: "lines",
      unit: "s",
      queries: [0.5, 0.99].map((q) => ({
        expr: quantile(q, bucketsOf(metrics.requestDuration, { service })),
        legend: `{{service}} p${100 * q}`
      }))
    },
    {
      title: "Attempts",
      description: "What the dependency takes.",
      kind: "lines",
      unit: "s",
      queries: [0.5, 0.99].map((q) => ({
        expr: quantile(q, bucketsOf(metrics.attemptDuration, { service })),
        legend: `{{service}} p${100 * q}`
      }))
    },
    {
      title: "Timeouts",
      description: "The share of attempts that reached their limit.",
      kind: "lines",
      unit: "percentunit",
      queries: [
        {
          expr: `${rate(series(metrics.timeouts, { service }), "service")} / ${rate(attempts, "service")}`,
          legend: "{{service}}"
        }
      ]
    }
  ]
}

const circuit: Row = {
  title: "Circuit",
  panels: [
    {
      title: "State",
      description: "Of each instance, as it was at each scrape; shorter openings show in the trips.",
      kind: "states",
      unit: "short",
      queries: [{ expr: series(metrics.circuitState, { service }), legend: "{{service}} {{instance}}" }]
    },
    {
      title: "Trips and transitions",
      description: "How often a closed circuit opened, and every change of state.",
      kind: "lines",
      unit: "short",
      queries: [
        {
          expr: `sum by (service) (increase(${series(metrics.circuitTrips, { service })}[$__rate_interval]))`,
          legend: "{{service}} trips"
        },
        {
          expr: `sum by (service, from, to) (increase(${series(metrics.circuitTransitions, { service })}[$__rate_interval]))`,
          legend: "{{service}} {{from}} to {{to}}"
        }
      ]
    },
    {
      title: "Calls as the circuit counted them",
      description: "not_permitted were refused.",
      kind: "stacked",
      unit: "reqps",
      queries: [{ expr: rate(series(metrics.circuitCalls, { service }), "outcome"), legend: "{{outcome}}" }]
    },
    {
      title: "Share of the time open",
      description: "The mean of all instances.",
      kind: "lines",
      unit: "percentunit",
      queries: [
        {
          expr: `avg by (service) (rate(${series(metrics.circuitOpenSeconds, { service })}[$__rate_interval]))`,
          legend: "{{service}}"
        }
      ]
    },
    {
      title: "Instances by state",
      description: "One instance that is open among many that are not has a problem of its own.",
      kind: "stacked",
      unit: "short",
      queries: [
        {
          expr: `sum by (service, state) (${series(metrics.circuitInState, { service })})`,
          legend: "{{service}} {{state}}"
        }
      ]
    }
  ]
}

const bulkhead: Row = {
  title: "Bulkhead",
  panels: [
    {
      title: "Permits in use",
      description: "Of each instance, and how many there are.",
      kind: "lines",
      unit: "short",
      queries: [
        { expr: series(metrics.bulkheadActive, { service }), legend: "{{service}} {{instance}}" },
        { expr: `max by (service) (${series(metrics.bulkheadLimit, { service })})`, legend: "{{service}} limit" }
      ]
    },
    {
      title: "Waiting",
      description: "Calls in line for a permit.",
      kind: "lines",
      unit: "short",
      queries: [{ expr: series(metrics.bulkheadQueued, { service }), legend: "{{service}} {{instance}}" }]
    },
    {
      title: "Rejected",
      description: "Calls that got no permit.",
      kind: "lines",
      unit: "reqps",
      queries: [{ expr: rate(series(metrics.bulkheadRejected, { service }), "service"), legend: "{{service}}" }]
    }
  ]
}

const retries: Row = {
  title: "Retries",
  panels: [
    {
      title: "Retries by attempt",
      description: "The second attempt is the first retry.",
      kind: "stacked",
      unit: "reqps",
      queries: [
        { expr: rate(series(metrics.retries, { service }), "service, attempt"), legend: "{{service}} {{attempt}}" }
      ]
    },
    {
      title: "Retries by result",
      description: "Where most fail, repeating only adds load.",
      kind: "stacked",
      unit: "reqps",
      queries: [
        { expr: rate(series(metrics.retries, { service }), "service, result"), legend: "{{service}} {{result}}" }
      ]
    }
  ]
}

const fallbacks: Row = {
  title: "Fallbacks",
  panels: [
    {
      title: "Degraded answers by kind",
      description: "What callers got in place of the answer.",
      kind: "stacked",
      unit: "reqps",
      queries: [
        {
          expr: rate(series(metrics.fallbackInvocations, { service }), "service, fallback_type"),
          legend: "{{service}} {{fallback_type}}"
        }
      ]
    },
    {
      title: "Instances that give them",
      description: "Within the last minute.",
      kind: "lines",
      unit: "short",
      queries: [{ expr: `sum by (service) (${series(metrics.fallbackActive, { service })})`, legend: "{{service}}" }]
    },
    {
      title: "Age of stale answers",
      description: "The slowest percent is the one that users complain of.",
      kind: "lines",
      unit: "s",
      queries: [{ expr: quantile(0.99, bucketsOf(metrics.fallbackAge, { service })), legend: "{{service}} p99" }]
    }
  ]
}

const deadlines: Row = {
  title: "Deadlines",
  panels: [
    {
      title: "Budgets that ended",
      description: "By where the call was.",
      kind: "stacked",
      unit: "reqps",
      queries: [
        { expr: rate(series(metrics.deadlineExceeded, { service }), "service, where"), legend: "{{service}} {{where}}" }
      ]
    }
  ]
}

const chaos: Row = {
  title: "Chaos",
  panels: [
    {
      title: "Faults injected on purpose",
      description: "What is here is no outage.",
      kind: "stacked",
      unit: "reqps",
      queries: [
        { expr: rate(series(metrics.chaosInjections, { service }), "service, kind"), legend: "{{service}} {{kind}}" }
      ]
    }
  ]
}

/** The rows, from the symptom down to what explains it. */
export const rows: ReadonlyArray<Row> = [
  traffic,
  latency,
  circuit,
  bulkhead,
  retries,
  ...loadControl,
  fallbacks,
  deadlines,
  chaos
]
