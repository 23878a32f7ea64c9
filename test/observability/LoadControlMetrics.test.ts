/** The metrics of rate limiters, budgets for retries, throttles, hedges, limits that are learned, and of latency. */
import {
  AdaptiveThrottle,
  Backoff,
  Criticality,
  EventLoopDelay,
  Hedge,
  Keyed,
  LoadShedder,
  Policy,
  PolicyRegistry,
  RateLimiter,
  Timeout
} from "@effect-resilience/core"
import { Prometheus, ResilienceMetrics } from "@effect-resilience/observability"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Random, TestClock } from "effect"
import { Dependency } from "../support/Dependency.js"
import { begin, during } from "../support/Passing.js"

const value = (text: string, sample: string): number | undefined => {
  const line = text.split("\n").find((each) => each.startsWith(`${sample} `))
  return line === undefined ? undefined : Number(line.slice(sample.length + 1))
}

const measured = Effect.provide(Layer.merge(PolicyRegistry.layer, ResilienceMetrics.layer({ refreshEvery: "1 day" })))

describe("the metrics of load control", () => {
  it.scoped("count permits that were there, waited for and refused, and show what is left", () =>
    Effect.gen(function* () {
      const limiter = yield* RateLimiter.make("quota", { limit: 10, window: "1 second" })
      yield* limiter.take({ cost: 8 })
      yield* begin(limiter.take({ cost: 5, onExceeded: "wait" }))
      yield* TestClock.adjust("300 millis")
      yield* Effect.exit(limiter.take())
      yield* TestClock.adjust("200 millis")
      const text = yield* Prometheus.text
      const permits = (result: string) => value(text, `rate_limiter_permits_total{service="quota",result="${result}"}`)
      expect(["allowed", "delayed", "rejected"].map(permits)).toEqual([8, 5, 1])
      expect(value(text, 'rate_limiter_available_permits{service="quota"}')).toBe(2)
    }).pipe(measured)
  )

  it.scoped("show what is left of a budget for retries, and count who found it empty", () =>
    Effect.gen(function* () {
      const dependency = new Dependency()
      const policy = yield* Policy.standard("repeated", {
        circuitBreaker: "none",
        retry: { maxRetries: 4, backoff: Backoff.constant(0) },
        retryBudget: { ratio: 0, minPerSecond: 1, ttl: "10 seconds" }
      })
      yield* Effect.exit(policy.protect(dependency.fails()))
      expect(value(yield* Prometheus.text, 'retry_budget_remaining_ratio{service="repeated"}')).toBe(0.6)
      yield* Effect.replicateEffect(Effect.exit(policy.protect(dependency.fails())), 3)
      const text = yield* Prometheus.text
      expect(value(text, 'retry_budget_remaining_ratio{service="repeated"}')).toBe(0)
      expect(value(text, 'retry_budget_exhausted_total{service="repeated"}')).toBe(2)
    }).pipe(measured)
  )

  it.scoped("count what a throttle did not send, from 0 on", () =>
    Effect.gen(function* () {
      const throttle = yield* AdaptiveThrottle.make("flooded", { maxRejection: 1 })
      const sample = 'throttle_rejected_total{service="flooded"}'
      expect(value(yield* Prometheus.text, sample)).toBe(0)
      const call = throttle.protect(new Dependency().fails())
      yield* Effect.replicateEffect(call.pipe(Effect.withRandom(Random.fixed([0.999])), Effect.exit), 10)
      yield* call.pipe(Effect.withRandom(Random.fixed([0])), Effect.exit)
      expect(value(yield* Prometheus.text, sample)).toBe(1)
    }).pipe(measured)
  )

  it.scoped("show the limit that is learned and what runs under it, also inside a standard policy", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("learned", { concurrency: { initial: 3 } })
      yield* Effect.replicateEffect(begin(policy.protect(Effect.never)), 2)
      const sample = (name: string) => `${name}{service="learned"}`
      const before = yield* Prometheus.text
      expect(value(before, sample("concurrency_limit"))).toBe(3)
      expect(value(before, sample("concurrency_in_flight"))).toBe(2)
      expect(value(before, sample("bulkhead_rejected_total"))).toBe(0)
      yield* Effect.replicateEffect(begin(Effect.exit(policy.protect(Effect.never))), 3)
      const after = yield* Prometheus.text
      expect(value(after, sample("concurrency_in_flight"))).toBe(3)
      expect(value(after, sample("bulkhead_rejected_total"))).toBe(2)
      expect(value(after, sample("bulkhead_active_count"))).toBeUndefined()
    }).pipe(measured)
  )

  it.scoped("count who was shed and why, from 0 on", () =>
    Effect.gen(function* () {
      const shedder = yield* LoadShedder.make("shedding", { capacity: 1, maxWaiting: 0 })
      const sample = (priority: string, reason: string) =>
        `load_shed_requests_total{service="shedding",priority="${priority}",reason="${reason}"}`
      expect(value(yield* Prometheus.text, sample("sheddable_plus", "event_loop"))).toBe(0)
      yield* begin(shedder.protect(Effect.never))
      const refused = Effect.exit(shedder.protect(Effect.void))
      yield* Effect.replicateEffect(Criticality.withClass(refused, "CRITICAL_PLUS"), 2)
      yield* refused
      const text = yield* Prometheus.text
      expect(value(text, sample("critical_plus", "full"))).toBe(2)
      expect(value(text, sample("critical", "full"))).toBe(1)
      expect(value(text, 'concurrency_limit{service="shedding"}')).toBe(1)
      expect(value(text, 'concurrency_in_flight{service="shedding"}')).toBe(1)
    }).pipe(measured)
  )

  it.scoped("show how late the event loop is, where that is measured", () =>
    Effect.gen(function* () {
      const sample = 'event_loop_delay_seconds{quantile="0.99"}'
      const monitor = { lateMillis: () => 0, quantileMillis: (q: number) => (q === 0.99 ? 250 : 1) }
      yield* Prometheus.text.pipe(Effect.provideService(EventLoopDelay.EventLoopDelay, monitor))
      expect(value(yield* Prometheus.text, sample)).toBe(0.25)
    }).pipe(measured)
  )

  it.scoped("count what became of hedges, from 0 on, and show after how long they begin", () =>
    Effect.gen(function* () {
      const hedge = yield* Hedge.make("slow", {
        delay: "100 millis",
        idempotent: true,
        budget: { ratio: 0, minPerSecond: 0.3 }
      })
      const results = (text: string) =>
        ["won", "lost", "failed", "suppressed"].map((result) =>
          value(text, `hedge_attempts_total{service="slow",result="${result}"}`)
        )
      const before = yield* Prometheus.text
      expect(results(before)).toEqual([0, 0, 0, 0])
      expect(value(before, 'hedge_delay_seconds{service="slow"}')).toBe(0.1)
      let made = 0
      const slowAtFirst = Effect.suspend(() => (made++ === 0 ? Effect.never : Effect.void))
      yield* during(100, hedge.protect(slowAtFirst))
      yield* during(150, hedge.protect(Effect.sleep(150)))
      yield* during(180, Effect.exit(hedge.protect(Effect.zipRight(Effect.sleep(90), new Dependency().fails()))))
      yield* during(150, hedge.protect(Effect.sleep(150)))
      expect(results(yield* Prometheus.text)).toEqual([1, 1, 1, 1])
    }).pipe(measured)
  )

  it.scoped("show how long calls took, where a policy learns from that, the slowest of all keys of a Keyed", () =>
    Effect.gen(function* () {
      const delay = { quantile: 0.95, initial: "1 second", minimumCalls: 2 } as const
      const hosts = yield* Keyed.make("hosts", {
        lookup: (host: string) => Hedge.make(host, { delay, idempotent: true }),
        capacity: 10,
        idleTimeToLive: "1 hour"
      })
      const timeout = yield* Timeout.adaptive("stock", { max: "2 seconds" })
      for (const [host, millis] of [
        ["a", 200],
        ["b", 50]
      ] as const) {
        yield* during(millis, hosts.protect(host)(Effect.sleep(millis)))
        yield* during(millis, hosts.protect(host)(Effect.sleep(millis)))
      }
      yield* during(400, timeout.protect(Effect.sleep(400)))
      const text = yield* Prometheus.text
      const quantile = (service: string, q: number) =>
        value(text, `latency_quantile_seconds{service="${service}",quantile="${q}"}`) ?? Number.NaN
      for (const q of [0.5, 0.9, 0.95, 0.99]) expect(Math.abs(quantile("hosts", q) / 0.2 - 1)).toBeLessThan(0.01)
      for (const q of [0.5, 0.9, 0.99]) expect(Math.abs(quantile("stock", q) / 0.4 - 1)).toBeLessThan(0.01)
      expect(Math.abs((value(text, 'hedge_delay_seconds{service="hosts"}') ?? 0) / 0.2 - 1)).toBeLessThan(0.015)
    }).pipe(measured)
  )
})
