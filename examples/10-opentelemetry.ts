import { CircuitBreaker, Policy } from "@effect-resilience/core"
import { MetricNames, ResilienceMetrics } from "@effect-resilience/observability"
import { layer as layerMetrics } from "@effect/opentelemetry/Metrics"
import { layer as layerResource } from "@effect/opentelemetry/Resource"
import { MetricReader } from "@opentelemetry/sdk-metrics"
import { Console, Data, Effect, Layer } from "effect"

/** In a program of one's own this is a `PeriodicExportingMetricReader` with an exporter, which sends every minute or so. */
class OnDemand extends MetricReader {
  protected onForceFlush = async () => {}
  protected onShutdown = async () => {}
}
const reader = new OnDemand()

class StockDown extends Data.TaggedError("StockDown")<{}> {}

const program = Effect.gen(function* () {
  const policy = yield* Policy.standard("stock", {
    retry: "none",
    circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(2) }
  })
  const stock = policy.with({ operation: "available" })
  yield* stock.protect(Effect.succeed(3))
  for (let call = 0; call < 4; call++) yield* Effect.exit(stock.protect(Effect.fail(new StockDown())))
  // Gauges are what policies say of themselves when asked; the Layer asks every ten seconds by itself.
  yield* Effect.flatMap(ResilienceMetrics.ResilienceMetrics, ({ refresh }) => refresh)
  return yield* Effect.promise(() => reader.collect())
})

const live = Layer.merge(
  ResilienceMetrics.layer(),
  Layer.provide(
    layerMetrics(() => reader),
    layerResource({ serviceName: "shop" })
  )
)
const { resourceMetrics } = await Effect.runPromise(Effect.scoped(program).pipe(Effect.provide(live)))
const { circuitCalls, circuitState, circuitTrips, requestDuration } = MetricNames.metrics
const shown: ReadonlyArray<string> = [circuitCalls, circuitState, circuitTrips, requestDuration].map(({ name }) => name)

for (const { dataPoints, descriptor } of resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics)) {
  if (!shown.includes(descriptor.name)) continue
  for (const { attributes, value } of dataPoints) {
    const count = typeof value === "number" ? value : value.count
    if (count > 0)
      await Effect.runPromise(Console.log(`${descriptor.name} ${Object.values(attributes).join(" ")}: ${count}`))
  }
}
// http_client_request_duration_seconds stock available ok: 1
// http_client_request_duration_seconds stock available error: 2
// http_client_request_duration_seconds stock available open: 2
// circuit_breaker_calls_total stock success: 1
// circuit_breaker_calls_total stock failure: 2
// circuit_breaker_calls_total stock not_permitted: 2
// circuit_breaker_trips_total stock: 1
// circuit_breaker_state stock: 1
