import { Backoff, CircuitBreaker, Fallback, Keyed, Outcome, Policy, PolicyRegistry } from "@effect-resilience/core"
import { MetricNames, Prometheus, ResilienceMetrics } from "@effect-resilience/observability"
import { describe, expect, it } from "@effect/vitest"
import { Data, Effect, Exit, Layer, TestClock } from "effect"

class Refused extends Data.TaggedError("Refused") {
  get [Outcome.OutcomeTypeId](): Outcome.Outcome {
    return Outcome.failure({ transient: true })
  }
}

const fails = Effect.fail(new Refused())

/** The samples of a service, by name and labels, without those at 0. */
const samples = (text: string, service: string): ReadonlyArray<string> =>
  text
    .split("\n")
    .filter((line) => line.includes(`service="${service}"`) && !line.includes("_bucket") && !line.endsWith(" 0"))
    .map((line) => line.replace(`service="${service}"`, "").replace("{,", "{").replace("{}", ""))
    .toSorted()

const value = (text: string, sample: string): number | undefined => {
  const line = text.split("\n").find((each) => each.startsWith(`${sample} `))
  return line === undefined ? undefined : Number(line.slice(sample.length + 1))
}

const measured = (options: ResilienceMetrics.Options = {}) =>
  Effect.provide(Layer.merge(PolicyRegistry.layer, ResilienceMetrics.layer({ refreshEvery: "1 day", ...options })))

describe("the metrics of policies", () => {
  it.scoped("stand at 0 as soon as a policy is made", () =>
    Effect.gen(function* () {
      yield* Policy.standard("idle")
      const text = yield* Prometheus.text
      const sample = (name: string, labels: string) => value(text, `${name}{service="idle"${labels}}`)
      expect(sample("circuit_breaker_trips_total", "")).toBe(0)
      expect(sample("circuit_breaker_calls_total", ',outcome="not_permitted"')).toBe(0)
      expect(sample("http_client_retries_total", ',attempt="2",result="success"')).toBe(0)
      expect(sample("deadline_exceeded_total", ',where="in-flight"')).toBe(0)
      expect(sample("fallback_invocations_total", ',fallback_type="stale"')).toBe(0)
      expect(sample("bulkhead_rejected_total", "")).toBe(0)
      expect(sample("bulkhead_max_concurrent", "")).toBe(50)
      expect(sample("circuit_breaker_in_state", ',state="closed"')).toBe(1)
    }).pipe(measured())
  )

  it.scoped("count calls and attempts by endpoint and status, and retries by result", () =>
    Effect.gen(function* () {
      let calls = 0
      const policy = yield* Policy.standard("counted", {
        timeout: "1 second",
        retry: { maxRetries: 1, backoff: Backoff.constant(0) }
      })
      const find = policy.with({ operation: "find" })
      const flaky = Effect.suspend(() => (++calls === 1 ? fails : Effect.succeed("found")))
      yield* find.protect(flaky)
      const code = (exit: Exit.Exit<unknown, unknown>) => (Exit.isSuccess(exit) ? "200" : undefined)
      yield* policy.with({ operation: "get", status: code }).protect(Effect.void)
      const slow = yield* Effect.fork(Effect.exit(policy.with({ repeatable: false }).protect(Effect.never)))
      yield* TestClock.adjust("1 second")
      yield* slow
      expect(calls).toBe(2)
      expect(samples(yield* Prometheus.text, "counted").filter((line) => line.startsWith("http"))).toEqual([
        'http_client_attempt_duration_seconds_count{endpoint="all",status="timeout"} 1',
        'http_client_attempt_duration_seconds_count{endpoint="find",status="error"} 1',
        'http_client_attempt_duration_seconds_count{endpoint="find",status="ok"} 1',
        'http_client_attempt_duration_seconds_count{endpoint="get",status="200"} 1',
        'http_client_attempt_duration_seconds_sum{endpoint="all",status="timeout"} 1',
        'http_client_request_duration_seconds_count{endpoint="all",status="timeout"} 1',
        'http_client_request_duration_seconds_count{endpoint="find",status="ok"} 1',
        'http_client_request_duration_seconds_count{endpoint="get",status="200"} 1',
        'http_client_request_duration_seconds_sum{endpoint="all",status="timeout"} 1',
        'http_client_retries_total{attempt="2",result="success"} 1',
        'http_client_timeouts_total{endpoint="all"} 1'
      ])
    }).pipe(measured())
  )

  it.scoped("tell an opening that no scrape has seen, and that an idle circuit is not open for ever", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("short", {
        retry: "none",
        circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(1), openDuration: "5 seconds" }
      })
      const degraded = policy.protect(fails).pipe(
        Fallback.primary,
        Fallback.tier("known", { kind: "stale" }, () => Effect.succeed("known"))
      )
      yield* degraded
      // That one knows no policy: its error is the dependency's own.
      yield* degraded
      yield* TestClock.adjust("3 seconds")
      const open = yield* Prometheus.text
      expect(value(open, 'circuit_breaker_state{service="short"}')).toBe(1)
      expect(value(open, 'circuit_breaker_open_seconds_total{service="short"}')).toBe(3)
      yield* TestClock.adjust("1 hour")
      expect(samples(yield* Prometheus.text, "short").filter((line) => !/^(http|resilience)/.test(line))).toEqual([
        "bulkhead_max_concurrent 50",
        'circuit_breaker_calls_total{outcome="failure"} 1',
        'circuit_breaker_calls_total{outcome="not_permitted"} 1',
        'circuit_breaker_in_state{state="half_open"} 1',
        expect.stringMatching(/^circuit_breaker_open_seconds_total (4\.[5-9]|5\.[0-4])\d*$/),
        "circuit_breaker_state 2",
        'circuit_breaker_transitions_total{from="closed",to="open"} 1',
        "circuit_breaker_trips_total 1",
        'fallback_invocations_total{fallback_type="stale"} 1'
      ])
    }).pipe(measured())
  )

  it.effect("do not leave open what is gone", () =>
    Effect.gen(function* () {
      yield* Effect.scoped(
        Effect.gen(function* () {
          const breaker = yield* CircuitBreaker.make("gone", { tripPolicy: CircuitBreaker.consecutive(1) })
          yield* Effect.exit(breaker.protect(fails))
          expect(value(yield* Prometheus.text, 'circuit_breaker_state{service="gone"}')).toBe(1)
        })
      )
      expect(value(yield* Prometheus.text, 'circuit_breaker_state{service="gone"}')).toBe(0)
    }).pipe(measured())
  )

  it.scoped("have no more endpoints than the cap", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("endpoints")
      yield* Effect.forEach(
        Array.from({ length: 5000 }),
        (_, at) => policy.with({ operation: `${at}` }).protect(Effect.void),
        { discard: true }
      )
      const counts = samples(yield* Prometheus.text, "endpoints").filter((line) =>
        line.startsWith("http_client_request_duration_seconds_count")
      )
      // `all`, which nobody used, is one of the ten.
      expect(counts.length).toBe(10)
      expect(counts).toContain(`http_client_request_duration_seconds_count{endpoint="other",status="ok"} ${5000 - 9}`)
    }).pipe(measured({ maxEndpoints: 10 }))
  )

  const keyed = (name: string) =>
    Effect.gen(function* () {
      const hosts = yield* Keyed.make(name, {
        lookup: (host: string) =>
          Policy.standard(host, {
            retry: "none",
            circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(1) }
          }),
        capacity: 2000,
        idleTimeToLive: "1 hour"
      })
      const failing = (host: string) =>
        hosts
          .protect(host)(fails)
          .pipe(
            Fallback.primary,
            Fallback.tier("none", { kind: "empty" }, () => Effect.void)
          )
      yield* Effect.forEach(
        Array.from({ length: 1000 }, (_, at) => `${name}-${at}`),
        (host) => Effect.zipRight(failing(host), failing(host)),
        { discard: true }
      )
      return yield* Prometheus.text
    })

  it.scoped("count the policies of a Keyed under its name", () =>
    Effect.gen(function* () {
      const text = yield* keyed("hosts")
      expect(text).not.toContain("hosts-1")
      expect(value(text, 'circuit_breaker_trips_total{service="hosts"}')).toBe(1000)
      expect(value(text, 'circuit_breaker_calls_total{service="hosts",outcome="not_permitted"}')).toBe(1000)
      expect(value(text, 'bulkhead_max_concurrent{service="hosts"}')).toBe(50_000)
      expect(value(text, 'circuit_breaker_state{service="hosts"}')).toBe(1)
      // The first answer was degraded because of an error that names no policy.
      expect(value(text, 'fallback_invocations_total{service="hosts",fallback_type="empty"}')).toBe(1000)
    }).pipe(measured())
  )

  it.scoped("count them one by one where that is asked, up to the cap", () =>
    Effect.gen(function* () {
      const text = yield* keyed("tenants")
      const services = new Set(
        [...text.matchAll(/circuit_breaker_trips_total\{service="(tenants-\d+)"\}/g)].map(([, name]) => name)
      )
      expect(services.size).toBeLessThanOrEqual(20)
      expect(services.size).toBeGreaterThan(15)
      expect(value(text, 'circuit_breaker_trips_total{service="other"}')).toBe(1000 - services.size)
    }).pipe(measured({ labelByKey: true, maxServices: 20 }))
  )

  it("are named once each, and counters end in _total", () => {
    const names = MetricNames.all.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    for (const { name, type } of MetricNames.all) expect(name.endsWith("_total")).toBe(type === "counter")
  })
})
