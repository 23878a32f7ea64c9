/**
 * Every metric by name, as data: what it measures, its labels, its buckets. The one place that says so: the metrics
 * themselves, alert rules, dashboards and their tests read it.
 *
 * Names are those that dashboards of HTTP clients are written against; they serve calls of any other kind as well, where
 * `endpoint` is the operation.
 */

/** What kind of time series a metric gives. */
export type Type = "counter" | "gauge" | "histogram" | "summary"

/** One metric. */
export interface Definition {
  readonly name: string
  readonly type: Type
  readonly help: string
  /** The names of its labels. */
  readonly labels: ReadonlyArray<string>
  /** Upper bounds, in seconds; of histograms only. */
  readonly buckets?: ReadonlyArray<number>
}

/** The buckets of every duration, in seconds. */
export const durationBuckets: ReadonlyArray<number> = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10]

/** The buckets of the age of a degraded answer, in seconds. */
export const ageBuckets: ReadonlyArray<number> = [1, 5, 15, 30, 60, 300, 900, 3600, 21_600, 86_400]

const counter = <const N extends string, const L extends ReadonlyArray<string>>(name: N, labels: L, help: string) =>
  ({ name, type: "counter", help, labels }) as const

const gauge = <const N extends string, const L extends ReadonlyArray<string>>(name: N, labels: L, help: string) =>
  ({ name, type: "gauge", help, labels }) as const

/** Quantiles, each a gauge with a label `quantile`: a summary that tells no sum and no count. */
const quantiles = <const N extends string, const L extends ReadonlyArray<string>>(name: N, labels: L, help: string) =>
  ({ name, type: "summary", help, labels: [...labels, "quantile"] }) as const

const histogram = <const N extends string, const L extends ReadonlyArray<string>>(
  name: N,
  labels: L,
  buckets: ReadonlyArray<number>,
  help: string
) => ({ name, type: "histogram", help, labels, buckets }) as const

/** The metrics, each under a name that code can use. */
export const metrics = {
  requestDuration: histogram(
    "http_client_request_duration_seconds",
    ["service", "endpoint", "status"],
    durationBuckets,
    "How long calls took, waits and repetitions included, by what they ended with."
  ),
  attemptDuration: histogram(
    "http_client_attempt_duration_seconds",
    ["service", "endpoint", "status"],
    durationBuckets,
    "How long single attempts took, by what they ended with."
  ),
  timeouts: counter("http_client_timeouts_total", ["service", "endpoint"], "Attempts that reached their limit."),
  retries: counter(
    "http_client_retries_total",
    ["service", "attempt", "result"],
    "Attempts after the first, by their number and whether they succeeded."
  ),
  circuitState: gauge("circuit_breaker_state", ["service"], "The circuit now: 0 closed, 1 open, 2 half-open."),
  circuitInState: gauge("circuit_breaker_in_state", ["service", "state"], "1 for the state that the circuit is in."),
  circuitTrips: counter("circuit_breaker_trips_total", ["service"], "How often a closed circuit opened."),
  circuitOpenSeconds: counter("circuit_breaker_open_seconds_total", ["service"], "How long the circuit was open."),
  circuitTransitions: counter(
    "circuit_breaker_transitions_total",
    ["service", "from", "to"],
    "Transitions of the circuit."
  ),
  circuitCalls: counter(
    "circuit_breaker_calls_total",
    ["service", "outcome"],
    "Calls through the circuit, by how they counted; not_permitted were refused."
  ),
  bulkheadActive: gauge("bulkhead_active_count", ["service"], "Calls that hold a permit."),
  bulkheadLimit: gauge("bulkhead_max_concurrent", ["service"], "Permits that there are."),
  bulkheadQueued: gauge("bulkhead_queue_depth", ["service"], "Calls that wait for a permit."),
  bulkheadRejected: counter("bulkhead_rejected_total", ["service"], "Calls that got no permit."),
  rateLimiterPermits: counter(
    "rate_limiter_permits_total",
    ["service", "result"],
    "Permits of a rate limiter: allowed at once, delayed, or calls that it rejected."
  ),
  rateLimiterAvailable: gauge(
    "rate_limiter_available_permits",
    ["service"],
    "Permits that a call without a key could take now."
  ),
  retryBudgetRemaining: gauge(
    "retry_budget_remaining_ratio",
    ["service"],
    "What is left of the retries that the budget allows, 0 to 1."
  ),
  retryBudgetExhausted: counter(
    "retry_budget_exhausted_total",
    ["service"],
    "Calls that were not repeated because the budget was empty."
  ),
  throttleRejected: counter("throttle_rejected_total", ["service"], "Calls that the throttle did not send."),
  concurrencyLimit: gauge("concurrency_limit", ["service"], "Calls that may run at a time, as far as that is learned."),
  concurrencyInFlight: gauge("concurrency_in_flight", ["service"], "Calls that run under a limit that is learned."),
  loadShedRequests: counter(
    "load_shed_requests_total",
    ["service", "priority", "reason"],
    "Requests that a server short of capacity refused, by how much they mattered and why."
  ),
  eventLoopDelay: quantiles(
    "event_loop_delay_seconds",
    [],
    "How late timers of the event loop were in the last minute."
  ),
  hedgeAttempts: counter(
    "hedge_attempts_total",
    ["service", "result"],
    "Further copies of slow calls: won, lost, failed; suppressed were due, but not made."
  ),
  hedgeDelay: gauge("hedge_delay_seconds", ["service"], "After how long without an answer another copy begins."),
  latencyQuantile: quantiles(
    "latency_quantile_seconds",
    ["service"],
    "How long calls took of late, where a policy learns from that."
  ),
  fallbackInvocations: counter(
    "fallback_invocations_total",
    ["service", "fallback_type"],
    "Degraded answers, by kind."
  ),
  fallbackActive: gauge("fallback_active", ["service"], "1 if a degraded answer was given within the last minute."),
  fallbackAge: histogram("fallback_stale_age_seconds", ["service"], ageBuckets, "How old degraded answers were."),
  deadlineExceeded: counter(
    "deadline_exceeded_total",
    ["service", "where"],
    "Budgets that ended, by where the call was."
  ),
  chaosInjections: counter("chaos_injections_total", ["service", "kind"], "Faults that were injected on purpose."),
  events: counter("resilience_events_total", ["service", "event"], "All events of policies, by kind.")
} as const

/** The metrics as a list. */
export const all: ReadonlyArray<Definition> = Object.values(metrics)

/** The name of a metric. */
export type MetricName = (typeof metrics)[keyof typeof metrics]["name"]
