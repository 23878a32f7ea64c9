/**
 * The series of one service: all those that its policies may need stand at 0 from the beginning, because an alert on a
 * ratio never fires on a counter that is not there.
 */
import {
  type CircuitBreaker,
  Criticality,
  type Fallback,
  type LoadShedder,
  type Telemetry
} from "@effect-resilience/core"
import { metrics } from "../MetricNames.js"
import { Bounded, series, type Series } from "./Series.js"

/** The states of a circuit as labels. */
export const stateLabels: Readonly<Record<CircuitBreaker.State, string>> = {
  Closed: "closed",
  Open: "open",
  HalfOpen: "half_open",
  Isolated: "isolated",
  Disabled: "disabled"
}

const usual: ReadonlyArray<readonly [CircuitBreaker.State, CircuitBreaker.State]> = [
  ["Closed", "Open"],
  ["Open", "HalfOpen"],
  ["HalfOpen", "Open"],
  ["HalfOpen", "Closed"]
]
const events: ReadonlyArray<Telemetry.Event["_tag"]> = [
  "RetryScheduled",
  "RetriesExhausted",
  "CallTimedOut",
  "DeadlineMissed",
  "CircuitChanged",
  "CallRejected",
  "FallbackServed",
  "FallbackFailed",
  "PartDegraded"
]
const wheres: ReadonlyArray<Telemetry.DeadlineMissed["where"]> = ["before-start", "in-flight", "waiting"]
/** The kinds of degraded answers; `omitted`: a part was left out of one. */
type Kind = Fallback.Kind | "omitted"
const faults: ReadonlyArray<Telemetry.FaultInjected["fault"]> = [
  "fault",
  "defect",
  "latency",
  "outcome",
  "hang",
  "interrupt",
  "lostReply"
]
const kinds: ReadonlyArray<Kind> = ["stale", "alternate", "static", "empty", "queued", "omitted"]

/** The number of an attempt as a label. */
export const attemptLabel = (attempt: number): string => (attempt >= 5 ? "5+" : `${attempt}`)

/** Made and filled with these names at once. */
const filled = <A>(most: number, names: ReadonlyArray<string>, make: (name: string) => A): Bounded<A> => {
  const bounded = new Bounded(most, make)
  for (const name of names) bounded.get(name)
  return bounded
}

/** No label has more values than this but for services and endpoints. */
const mostValues = 100

/** What a circuit's series are. */
export const circuitSeries = (service: string) => ({
  calls: filled(10, ["success", "failure", "slow", "ignored", "not_permitted"], (outcome) =>
    series(metrics.circuitCalls, service, outcome)
  ),
  trips: series(metrics.circuitTrips, service),
  openSeconds: series(metrics.circuitOpenSeconds, service),
  transitions: filled(
    25,
    usual.map(([from, to]) => `${from} ${to}`),
    (change) => {
      const [from = "", to = ""] = change
        .split(" ")
        .map((state) => Object.entries(stateLabels).find(([name]) => name === state)?.[1])
      return series(metrics.circuitTransitions, service, from, to)
    }
  ),
  state: series(metrics.circuitState, service),
  inState: Object.values(stateLabels).map((label) => [label, series(metrics.circuitInState, service, label)] as const)
})

/** What a bulkhead's series are. */
export const bulkheadSeries = (service: string) => ({
  active: series(metrics.bulkheadActive, service),
  limit: series(metrics.bulkheadLimit, service),
  queued: series(metrics.bulkheadQueued, service)
})

/** What a rate limiter's series are. */
export const rateLimiterSeries = (service: string) => ({
  permits: filled(3, ["allowed", "delayed", "rejected"], (result) =>
    series(metrics.rateLimiterPermits, service, result)
  ),
  available: series(metrics.rateLimiterAvailable, service)
})

/** What a retry budget's series are. */
export const retryBudgetSeries = (service: string) => ({
  remaining: series(metrics.retryBudgetRemaining, service),
  exhausted: series(metrics.retryBudgetExhausted, service)
})

/** What the series of a limit that is learned are. */
export const concurrencySeries = (service: string) => ({
  limit: series(metrics.concurrencyLimit, service),
  inFlight: series(metrics.concurrencyInFlight, service)
})

const reasonLabels: Readonly<Record<LoadShedder.Reason, string>> = {
  Full: "full",
  Displaced: "displaced",
  Waited: "waited",
  Deadline: "deadline",
  EventLoop: "event_loop"
}

/** Who is shed and why, as labels. */
export const shedLabels = (priority: Criticality.Criticality, reason: LoadShedder.Reason): string =>
  `${priority.toLowerCase()} ${reasonLabels[reason]}`

/** What a load shedder's series are. */
export const loadShedSeries = (service: string) =>
  filled(
    mostValues,
    Criticality.classes.flatMap((of) => Object.values(reasonLabels).map((why) => `${of.toLowerCase()} ${why}`)),
    (labels) => series(metrics.loadShedRequests, service, ...labels.split(" "))
  )

/** What a throttle's series are. */
export const throttleSeries = (service: string) => ({ rejected: series(metrics.throttleRejected, service) })

/** What a hedge's series are. */
export const hedgeSeries = (service: string) => ({
  attempts: filled(4, ["won", "lost", "failed", "suppressed"], (result) =>
    series(metrics.hedgeAttempts, service, result)
  ),
  delay: series(metrics.hedgeDelay, service)
})

const endpointSeries = (service: string, endpoint: string) => ({
  timeouts: series(metrics.timeouts, service, endpoint),
  byStatus: new Bounded(mostValues, (status) => ({
    request: series(metrics.requestDuration, service, endpoint, status),
    attempt: series(metrics.attemptDuration, service, endpoint, status)
  }))
})

/** The series of a service; those of a circuit and a bulkhead are made for what has one. */
export class Service {
  private circuitOf: ReturnType<typeof circuitSeries> | undefined
  private bulkheadOf: ReturnType<typeof bulkheadSeries> | undefined
  private retryBudgetOf: ReturnType<typeof retryBudgetSeries> | undefined
  private throttleOf: ReturnType<typeof throttleSeries> | undefined
  private bulkheadRejectedOf: Series | undefined
  private concurrencyOf: ReturnType<typeof concurrencySeries> | undefined
  private loadShedOf: ReturnType<typeof loadShedSeries> | undefined
  private rateLimiterOf: ReturnType<typeof rateLimiterSeries> | undefined
  private hedgeOf: ReturnType<typeof hedgeSeries> | undefined
  /** By quantile, as a label. */
  readonly latency: Bounded<Series>
  private readonly byEndpoint: Bounded<ReturnType<typeof endpointSeries>>
  readonly retries: Bounded<Series>
  readonly fallbacks: Bounded<Series>
  readonly fallbackActive: Series
  readonly fallbackAge: Series
  readonly deadlines: Bounded<Series>
  readonly faults: Bounded<Series>
  readonly events: Bounded<Series>
  /** When a degraded answer was last given, in monotonic milliseconds. */
  lastFallback = -Infinity

  constructor(
    readonly name: string,
    mostEndpoints: number
  ) {
    this.byEndpoint = filled(mostEndpoints, [noOperation], (endpoint) => endpointSeries(name, endpoint))
    const retried = ["2", "3", "4", "5+"].flatMap((attempt) => [`${attempt} success`, `${attempt} failure`])
    this.retries = filled(8, retried, (retry) => series(metrics.retries, name, ...retry.split(" ")))
    this.fallbacks = filled(mostValues, kinds, (kind) => series(metrics.fallbackInvocations, name, kind))
    this.fallbackActive = series(metrics.fallbackActive, name)
    this.fallbackAge = series(metrics.fallbackAge, name)
    this.deadlines = filled(3, wheres, (where) => series(metrics.deadlineExceeded, name, where))
    this.faults = filled(mostValues, faults, (kind) => series(metrics.chaosInjections, name, kind))
    this.latency = new Bounded(mostValues, (quantile) => series(metrics.latencyQuantile, name, quantile))
    this.events = filled(50, events, (event) => series(metrics.events, name, event))
  }

  get circuit() {
    return (this.circuitOf ??= circuitSeries(this.name))
  }

  get bulkhead() {
    return (this.bulkheadOf ??= bulkheadSeries(this.name))
  }

  /** What got no permit, of a bulkhead or of a limit that is learned. */
  get bulkheadRejected() {
    return (this.bulkheadRejectedOf ??= series(metrics.bulkheadRejected, this.name))
  }

  get concurrency() {
    return (this.concurrencyOf ??= concurrencySeries(this.name))
  }

  get loadShed() {
    return (this.loadShedOf ??= loadShedSeries(this.name))
  }

  /** A degraded answer was given, at monotonic milliseconds. */
  degraded(kind: string, at: number): void {
    this.fallbacks.get(kind)(1)
    this.lastFallback = at
  }

  get rateLimiter() {
    return (this.rateLimiterOf ??= rateLimiterSeries(this.name))
  }

  get retryBudget() {
    return (this.retryBudgetOf ??= retryBudgetSeries(this.name))
  }

  get throttle() {
    return (this.throttleOf ??= throttleSeries(this.name))
  }

  get hedge() {
    return (this.hedgeOf ??= hedgeSeries(this.name))
  }

  endpoint(operation: string | undefined) {
    return this.byEndpoint.get(operation ?? noOperation)
  }
}

/** The endpoint of calls whose policy was not told what they are for. */
const noOperation = "all"
