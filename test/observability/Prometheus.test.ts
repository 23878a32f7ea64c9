import { Policy, PolicyRegistry } from "@effect-resilience/core"
import { Prometheus, ResilienceMetrics } from "@effect-resilience/observability"
import { HttpLayerRouter } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Metric, MetricBoundaries, MetricKey, MetricPair, MetricState } from "effect"

const pair = MetricPair.unsafeMake

describe("the text for Prometheus", () => {
  it("has cumulative buckets, +Inf, sum and count, in one block for each name", () => {
    const key = MetricKey.histogram("h_seconds", MetricBoundaries.fromIterable([0.1, 1]), "how long")
    const state = MetricState.histogram({
      buckets: [
        [0.1, 2],
        [1, 3],
        [Infinity, 4]
      ],
      count: 4,
      min: 0,
      max: 9,
      sum: 9.5
    })
    const counter = MetricKey.counter("c_total", { description: "how often", incremental: true })
    const text = Prometheus.format([
      pair(MetricKey.tagged(counter, "of", "a"), MetricState.counter(1)),
      pair(key, state),
      pair(MetricKey.tagged(counter, "of", "b"), MetricState.counter(2))
    ])
    expect(text.trimEnd().split("\n")).toEqual([
      "# HELP c_total how often",
      "# TYPE c_total counter",
      'c_total{of="a"} 1',
      'c_total{of="b"} 2',
      "# HELP h_seconds how long",
      "# TYPE h_seconds histogram",
      'h_seconds_bucket{le="0.1"} 2',
      'h_seconds_bucket{le="1"} 3',
      'h_seconds_bucket{le="+Inf"} 4',
      "h_seconds_sum 9.5",
      "h_seconds_count 4"
    ])
  })

  it("escapes what would break a line, and names what Prometheus does not allow", () => {
    const key = MetricKey.tagged(MetricKey.gauge("9 lives.left", { description: "a\\b\nc" }), "the-cat", 'a "b"\\\n')
    expect(Prometheus.format([pair(key, MetricState.gauge(Infinity))])).toBe(
      '# HELP _9_lives_left a\\\\b\\nc\n# TYPE _9_lives_left gauge\n_9_lives_left{the_cat="a \\"b\\"\\\\\\n"} +Inf\n'
    )
  })

  it("has a name for what has none", () => {
    const key = MetricKey.tagged(MetricKey.gauge(""), "", "x")
    expect(Prometheus.format([pair(key, MetricState.gauge(1))])).toBe('# HELP _ _\n# TYPE _ gauge\n_{_="x"} 1\n')
    const quantile = MetricKey.gauge("late_seconds").pipe(MetricKey.tagged("quantile", "0.9"))
    expect(Prometheus.format([pair(quantile, MetricState.gauge(1))])).toBe(
      '# HELP late_seconds late_seconds\n# TYPE late_seconds summary\nlate_seconds{quantile="0.9"} 1\n'
    )
  })

  it("has each series once, and one type for a name", () => {
    const text = Prometheus.format([
      pair(MetricKey.gauge("twice", { description: "one" }), MetricState.gauge(1)),
      pair(MetricKey.gauge("twice", { description: "two" }), MetricState.gauge(2)),
      pair(
        MetricKey.histogram("twice", MetricBoundaries.fromIterable([1])),
        MetricState.histogram({ buckets: [], count: 1, min: 0, max: 0, sum: 0 })
      )
    ])
    expect(text).toBe("# HELP twice one\n# TYPE twice gauge\ntwice 1\n")
  })

  it("calls what may fall a gauge, and gives a counter that rises its ending", () => {
    const text = Prometheus.format([
      pair(MetricKey.counter("level"), MetricState.counter(3)),
      pair(MetricKey.counter("seen", { incremental: true }), MetricState.counter(4)),
      pair(MetricKey.frequency("word"), MetricState.frequency(new Map([["a", 5]])))
    ])
    expect(text.split("\n").filter((line) => !line.startsWith("# HELP"))).toEqual([
      "# TYPE level gauge",
      "level 3",
      "# TYPE seen_total counter",
      "seen_total 4",
      "# TYPE word_total counter",
      'word_total{value="a"} 5',
      ""
    ])
  })

  it.scoped("is what a scrape is answered with", () =>
    Effect.gen(function* () {
      const made = Layer.scopedDiscard(Policy.standard("scraped"))
      const routes = Layer.merge(Prometheus.layerHttp(), made).pipe(
        Layer.provide(Layer.merge(PolicyRegistry.layer, ResilienceMetrics.layer({ refreshEvery: "1 day" })))
      )
      const { handler } = yield* Effect.acquireRelease(
        Effect.sync(() => HttpLayerRouter.toWebHandler(routes, { disableLogger: true })),
        ({ dispose }) => Effect.promise(dispose)
      )
      const answer = yield* Effect.promise(() => handler(new Request("http://localhost/metrics")))
      expect(answer.status).toBe(200)
      expect(answer.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8")
      const body = yield* Effect.promise(() => answer.text())
      expect(body).toContain('circuit_breaker_state{service="scraped"} 0')
      expect((yield* Metric.snapshot).length).toBeGreaterThan(0)
    })
  )
})
