/**
 * Gauges, from what each live policy says of itself now. They are never set by transitions: an open circuit that nobody
 * calls any more takes none, and would look open for ever.
 */
import {
  AdaptiveLimiter,
  AdaptiveThrottle,
  Bulkhead,
  CircuitBreaker,
  EventLoopDelay,
  Hedge,
  Keyed,
  LoadShedder,
  Policy,
  PolicyRegistry,
  RateLimiter,
  RetryBudget,
  Timeout
} from "@effect-resilience/core"
import { Duration, Effect, Option } from "effect"
import { metrics } from "../MetricNames.js"
import type { Recorder } from "./Recorder.js"
import { series } from "./Series.js"
import { type Service, shedLabels, stateLabels } from "./Service.js"

/** What is seen of the policies that count under one name. Filled in place: a Keyed may have very many. */
interface Seen {
  readonly circuits: Set<CircuitBreaker.State>
  bulkhead: Bulkhead.Snapshot | undefined
  permits: number | undefined
  /** The least that is left of a budget for retries. */
  budget: number | undefined
  throttles: boolean
  sheds: boolean
  concurrency: { readonly limit: number; readonly inFlight: number } | undefined
  /** The longest delay of a hedge, in milliseconds. */
  hedgeDelay: number | undefined
  /** The longest latency by quantile, in milliseconds. */
  readonly latency: Map<number, number>
}

const nothing = (): Seen => ({
  circuits: new Set(),
  bulkhead: undefined,
  permits: undefined,
  budget: undefined,
  throttles: false,
  sheds: false,
  concurrency: undefined,
  hedgeDelay: undefined,
  latency: new Map()
})

const learned = (seen: Seen, { quantiles }: Timeout.AdaptiveSnapshot["latency"]): void => {
  for (const { latency, quantile } of quantiles) {
    seen.latency.set(quantile, Math.max(seen.latency.get(quantile) ?? 0, Duration.toMillis(latency)))
  }
}

const together = (some: Bulkhead.Snapshot | undefined, one: Bulkhead.Snapshot): Bulkhead.Snapshot =>
  some === undefined
    ? one
    : { active: some.active + one.active, queued: some.queued + one.queued, limit: some.limit + one.limit }

/** As its callers meet it: a circuit that only observes refuses nobody. */
const stateOf = (breaker: CircuitBreaker.CircuitBreaker): Effect.Effect<CircuitBreaker.State> =>
  Effect.map(breaker.snapshot, ({ observed, state }) => (Option.isSome(observed) ? "Closed" : state))

const parts = (policy: Policy.Policy<unknown>): ReadonlyArray<Policy.Policy<unknown>> => {
  const inside = Policy.partsOf(policy)
  return inside.length === 0 ? [policy] : inside.flatMap(parts)
}

const look = (policy: unknown, seen: Seen): Effect.Effect<void> => {
  if (CircuitBreaker.isCircuitBreaker(policy)) {
    return Effect.map(stateOf(policy), (state) => {
      seen.circuits.add(state)
    })
  }
  if (RateLimiter.isRateLimiter(policy)) {
    return Effect.map(policy.snapshot, ({ available }) => {
      if (available !== undefined) seen.permits = (seen.permits ?? 0) + available
    })
  }
  if (RetryBudget.isRetryBudget(policy)) {
    return Effect.map(policy.snapshot, ({ remaining }) => {
      seen.budget = Math.min(seen.budget ?? 1, remaining)
    })
  }
  if (AdaptiveLimiter.isAdaptiveLimiter(policy) || LoadShedder.isLoadShedder(policy)) {
    seen.sheds ||= LoadShedder.isLoadShedder(policy)
    return Effect.map(policy.snapshot, ({ inFlight, limit }) => {
      const { concurrency = { limit: 0, inFlight: 0 } } = seen
      seen.concurrency = { limit: concurrency.limit + limit, inFlight: concurrency.inFlight + inFlight }
    })
  }
  if (Hedge.isHedge(policy)) {
    return Effect.map(policy.snapshot, ({ delay, latency }) => {
      seen.hedgeDelay = Math.max(seen.hedgeDelay ?? 0, Duration.toMillis(delay))
      if (Option.isSome(latency)) learned(seen, latency.value)
    })
  }
  if (Timeout.isAdaptiveTimeout(policy)) return Effect.map(policy.snapshot, ({ latency }) => learned(seen, latency))
  seen.throttles ||= AdaptiveThrottle.isAdaptiveThrottle(policy)
  if (!Bulkhead.isBulkhead(policy)) return Effect.void
  return Effect.map(policy.snapshot, (each) => {
    seen.bulkhead = together(seen.bulkhead, each)
  })
}

/** The worst first: what most deserves to be seen of several circuits under one name. */
const worst: ReadonlyArray<CircuitBreaker.State> = ["Isolated", "Open", "HalfOpen", "Closed", "Disabled"]

const numbers: Readonly<Record<CircuitBreaker.State, number>> = {
  Closed: 0,
  Disabled: 0,
  Open: 1,
  Isolated: 1,
  HalfOpen: 2
}

const show = (service: Service, seen: Seen): void => {
  const { budget, bulkhead, circuits, concurrency, hedgeDelay, latency, permits, sheds, throttles } = seen
  if (hedgeDelay !== undefined) service.hedge.delay(hedgeDelay / 1000)
  for (const [quantile, millis] of latency) service.latency.get(`${quantile}`)(millis / 1000)
  if (permits !== undefined) service.rateLimiter.available(permits)
  if (budget !== undefined) service.retryBudget.remaining(budget)
  // Made here, so that it stands at 0 before anything is refused.
  if (throttles) service.throttle.rejected(0)
  if (sheds) service.loadShed.get(shedLabels("CRITICAL", "Full"))(0)
  if (circuits.size > 0) {
    const state = worst.find((each) => circuits.has(each)) ?? "Closed"
    service.circuit.state(numbers[state])
    for (const [label, set] of service.circuit.inState) set(label === stateLabels[state] ? 1 : 0)
  }
  if (concurrency !== undefined) {
    service.concurrency.limit(concurrency.limit)
    service.concurrency.inFlight(concurrency.inFlight)
    if (!sheds) service.bulkheadRejected(0)
  }
  if (bulkhead === undefined) return
  service.bulkheadRejected(0)
  service.bulkhead.active(bulkhead.active)
  service.bulkhead.limit(bulkhead.limit)
  service.bulkhead.queued(bulkhead.queued)
}

/** What a service looks like whose policies are gone. */
const gone = ({ budget, bulkhead, circuits, concurrency, hedgeDelay, latency, permits }: Seen): Seen => ({
  hedgeDelay: hedgeDelay && 0,
  latency: new Map([...latency.keys()].map((quantile) => [quantile, 0])),
  permits: permits && 0,
  budget: budget && 0,
  throttles: false,
  sheds: false,
  concurrency: concurrency && { limit: 0, inFlight: 0 },
  circuits: new Set(circuits.size > 0 ? ["Closed"] : []),
  bulkhead: bulkhead && { active: 0, limit: 0, queued: 0 }
})

/** How long after a degraded answer its fallback counts as active. */
const activeMillis = 60_000

const loopQuantiles = [0.5, 0.9, 0.99, 1]

/** How late the event loop is, where somebody measures that. */
const showLoop = Effect.map(EventLoopDelay.EventLoopDelay, ({ quantileMillis }) => {
  for (const q of loopQuantiles) {
    const millis = quantileMillis(q)
    if (millis !== undefined) series(metrics.eventLoopDelay, `${q}`)(millis / 1000)
  }
})

/** Sets all gauges to what is there now; `before` is what was seen the last time. */
export const refresh = (
  recorder: Recorder,
  before: ReadonlyMap<Service, Seen>,
  now: number
): Effect.Effect<ReadonlyMap<Service, Seen>> =>
  Effect.gen(function* () {
    const seen = new Map<Service, Seen>()
    const add = (service: Service, policy: unknown) => {
      const known = seen.get(service) ?? nothing()
      seen.set(service, known)
      return look(policy, known)
    }
    yield* showLoop
    const entries = yield* PolicyRegistry.entries
    for (const { name, policy } of entries) {
      const service = recorder.services.admit(name)
      if (!Keyed.isKeyed(policy)) yield* add(service, policy)
      else {
        for (const [, instance] of yield* policy.entries) {
          const label = recorder.labelOf({ policy: instance.name, keyed: name })
          for (const part of parts(instance)) yield* add(recorder.services.get(label), part)
        }
      }
    }
    recorder.countOpenings(now, new Set(entries.map(({ name }) => name)))
    for (const [service, was] of before) if (!seen.has(service)) show(service, gone(was))
    for (const [service, is] of seen) show(service, is)
    for (const [, service] of recorder.services.entries) {
      service.fallbackActive(now - service.lastFallback <= activeMillis ? 1 : 0)
    }
    return seen
  })
