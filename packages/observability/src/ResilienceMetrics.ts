/**
 * What policies do as metrics of Effect's own `Metric`: its DevTools, `@effect/opentelemetry` and `Prometheus` all see
 * them. `MetricNames` says which there are.
 *
 * Counters and histograms follow events; of every policy that is registered they stand at 0 from the first refresh on.
 * Gauges are what each policy says of itself when they are refreshed: by `Prometheus` at each scrape, and by the Layer
 * every ten seconds for whoever else reads.
 *
 * Labels are bounded. `service` is a policy's name; the policies of a `Keyed` count under its name, or with `labelByKey`
 * each under its own, and what is beyond the cap under `other`; so do endpoints. A series that was there once stays, at
 * what it was; gauges of policies that are gone fall to 0.
 *
 * The Layer refreshes from the `PolicyRegistry` that it is built in: a program with one of its own provides it to the Layer.
 *
 * Calls are measured by standard policies and by breakers. Provide the Layer once: two count everything twice.
 */
import { InvalidOptions, Telemetry } from "@effect-resilience/core"
import { Clock, Context, type Duration, Effect, Layer, Ref, Schedule } from "effect"
import { refresh } from "./metrics/Gauges.js"
import { Recorder } from "./metrics/Recorder.js"

/** The options of the metrics. */
export interface Options {
  /** Whether each policy of a `Keyed` is a service by itself. Default false. */
  readonly labelByKey?: boolean | undefined
  /** How many services have series of their own, those of policies that are registered by name besides. From 1; default 200. */
  readonly maxServices?: number | undefined
  /** How many endpoints of a service have series of their own. From 1; default 100. */
  readonly maxEndpoints?: number | undefined
  /** How often gauges are refreshed for readers other than `Prometheus`. From 1 ms; default 10 seconds. */
  readonly refreshEvery?: Duration.DurationInput | undefined
}

/** The metrics of the running program, where there are any: `refresh` sets the gauges to what is there now. */
export class ResilienceMetrics extends Context.Reference<ResilienceMetrics>()(
  "@effect-resilience/observability/ResilienceMetrics",
  { defaultValue: (): { readonly refresh: Effect.Effect<void> } => ({ refresh: Effect.void }) }
) {}

const settings = (options: Options) =>
  InvalidOptions.every({
    maxServices: InvalidOptions.integer("maxServices", options.maxServices ?? 200, 1, 100_000),
    maxEndpoints: InvalidOptions.integer("maxEndpoints", options.maxEndpoints ?? 100, 1, 100_000),
    everyMillis: InvalidOptions.span("refreshEvery", options.refreshEvery ?? "10 seconds")
  })

/**
 * Measures the program that it is provided to. Dies with `InvalidOptions` if an option is out of range.
 *
 * @example
 * ```ts
 * import { Policy } from "@effect-resilience/core"
 * import { Prometheus, ResilienceMetrics } from "@effect-resilience/observability"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const policy = yield* Policy.standard("search")
 *   yield* policy.protect(Effect.succeed("found"))
 *   return yield* Prometheus.text
 * })
 * Effect.runPromise(program.pipe(Effect.provide(ResilienceMetrics.layer()), Effect.scoped)).then(console.log)
 * ```
 */
export const layer = (options: Options = {}): Layer.Layer<never> =>
  Layer.unwrapEffect(
    Effect.map(InvalidOptions.orDie("metrics", settings(options)), ({ everyMillis, maxEndpoints, maxServices }) => {
      const recorder = new Recorder({ labelByKey: options.labelByKey ?? false, maxEndpoints, maxServices })
      const refreshed = Layer.scopedContext(
        Effect.gen(function* () {
          const seen = yield* Ref.make<Effect.Effect.Success<ReturnType<typeof refresh>>>(new Map())
          const lock = yield* Effect.makeSemaphore(1)
          const once = Effect.gen(function* () {
            const now = Number((yield* Clock.currentTimeNanos) / 1_000_000n)
            yield* Ref.set(seen, yield* refresh(recorder, yield* Ref.get(seen), now))
          })
          const safely = lock.withPermits(1)(once)
          yield* Effect.forkScoped(Effect.repeat(safely, Schedule.spaced(everyMillis)))
          return Context.make(ResilienceMetrics, { refresh: safely })
        })
      )
      return Layer.merge(refreshed, Telemetry.layerSink(Effect.succeed({ publish: recorder.publish, calls: true })))
    })
  )
