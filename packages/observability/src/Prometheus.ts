/**
 * Effect's metrics in the text format that Prometheus scrapes, version 0.0.4.
 *
 * All metrics of the process are in it, not only those of policies. Names and labels that Prometheus does not allow are
 * written with `_` in place of what is not allowed; a counter that only rises ends in `_total`, and one that may fall is a
 * gauge. Where two metrics have one name, the first has it.
 */
import { PolicyRegistry } from "@effect-resilience/core"
import { type HttpRouter, HttpLayerRouter, HttpServerResponse } from "@effect/platform"
import { Effect, type Layer, Metric, type MetricPair, MetricState } from "effect"
import { ResilienceMetrics } from "./ResilienceMetrics.js"

type Labels = ReadonlyArray<readonly [name: string, value: string]>
type PrometheusType = "counter" | "gauge" | "histogram" | "summary"

interface Sample {
  readonly suffix: string
  readonly labels: Labels
  readonly value: number | bigint
}

interface Family {
  readonly type: PrometheusType
  readonly help: string
  readonly samples: Map<string, Sample>
}

/** One name that is no name would cost the whole scrape. */
const named = (name: string): string => name.replaceAll(/[^a-zA-Z0-9_:]/g, "_").replace(/^(?=\d|$)/, "_")
const labelNamed = (name: string): string => named(name).replaceAll(":", "_")

const number = (value: number | bigint): string => {
  if (value === Infinity) return "+Inf"
  return value === -Infinity ? "-Inf" : `${value}`
}

const escapedHelp = (help: string): string => help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")
const escapedLabel = (value: string): string => escapedHelp(value).replaceAll('"', '\\"')

const printedLabels = (labels: Labels): string =>
  labels.length === 0 ? "" : `{${labels.map(([name, value]) => `${name}="${escapedLabel(value)}"`).join(",")}}`

/** Labels whose names the format needs for itself. */
const reserved: Readonly<Record<PrometheusType, string | undefined>> = {
  counter: undefined,
  gauge: undefined,
  histogram: "le",
  summary: "quantile"
}

const labelsOf = (pair: MetricPair.MetricPair.Untyped, type: PrometheusType): Labels => {
  const labels = new Map<string, string>()
  for (const { key, value } of pair.metricKey.tags) {
    const name = labelNamed(key)
    labels.set(name === reserved[type] ? `exported_${name}` : name, value)
  }
  return [...labels]
}

interface Described {
  readonly type: PrometheusType
  readonly name: string
  readonly samples: ReadonlyArray<Sample>
}

const single = (type: PrometheusType, name: string, labels: Labels, value: number | bigint): Described => ({
  type,
  name,
  samples: [{ suffix: "", labels, value }]
})

const total = (name: string): string => (name.endsWith("_total") ? name : `${name}_total`)

const describe = (pair: MetricPair.MetricPair.Untyped): Described | undefined => {
  const name = named(pair.metricKey.name)
  const state: unknown = pair.metricState
  if (MetricState.isCounterState(state)) {
    const rises = "incremental" in pair.metricKey.keyType && pair.metricKey.keyType.incremental === true
    return rises
      ? single("counter", total(name), labelsOf(pair, "counter"), state.count)
      : single("gauge", name, labelsOf(pair, "gauge"), state.count)
  }
  if (MetricState.isGaugeState(state)) {
    const labels = labelsOf(pair, "gauge")
    // Gauges of quantiles are what the format knows as a summary, here one without a sum and a count.
    const type = labels.some(([label]) => label === "quantile") ? "summary" : "gauge"
    return single(type, name, labels, state.value)
  }
  if (MetricState.isFrequencyState(state)) {
    const labels = labelsOf(pair, "counter")
    const samples = [...state.occurrences].map(([word, value]) => ({
      suffix: "",
      labels: [...labels.filter(([label]) => label !== "value"), ["value", word] as const],
      value
    }))
    return { type: "counter", name: total(name), samples }
  }
  if (MetricState.isHistogramState(state)) {
    const labels = labelsOf(pair, "histogram")
    const bucket = (bound: number, value: number): Sample => ({
      suffix: "_bucket",
      labels: [...labels, ["le", number(bound)]],
      value
    })
    const finite = state.buckets
      .filter(([bound]) => Number.isFinite(bound))
      .map(([bound, count]) => bucket(bound, count))
    const sums = [bucket(Infinity, state.count), { suffix: "_sum", labels, value: state.sum }]
    return { type: "histogram", name, samples: [...finite, ...sums, { suffix: "_count", labels, value: state.count }] }
  }
  if (MetricState.isSummaryState(state)) {
    const labels = labelsOf(pair, "summary")
    const quantiles = state.quantiles.map(([quantile, value]) => ({
      suffix: "",
      labels: [...labels, ["quantile", number(quantile)] as const],
      value: value._tag === "Some" ? value.value : NaN
    }))
    const sums = [{ suffix: "_sum", labels, value: state.sum }]
    return { type: "summary", name, samples: [...quantiles, ...sums, { suffix: "_count", labels, value: state.count }] }
  }
  return undefined
}

const families = (pairs: Iterable<MetricPair.MetricPair.Untyped>): ReadonlyMap<string, Family> => {
  const all = new Map<string, Family>()
  for (const pair of pairs) {
    const described = describe(pair)
    if (described === undefined) continue
    const { name, samples, type } = described
    const { description } = pair.metricKey
    const help = description._tag === "Some" && description.value !== "" ? description.value : name
    const family: Family = all.get(name) ?? { type, help, samples: new Map() }
    all.set(name, family)
    if (family.type !== type) continue
    for (const sample of samples) {
      const id = `${sample.suffix}${printedLabels(sample.labels)}`
      if (!family.samples.has(id)) family.samples.set(id, sample)
    }
  }
  return all
}

const printed = (name: string, { help, samples, type }: Family): string => {
  const lines = [...samples].map(([id, { value }]) => `${name}${id} ${number(value)}`)
  return [`# HELP ${name} ${escapedHelp(help)}`, `# TYPE ${name} ${type}`, ...lines].join("\n")
}

/**
 * Metrics as text: one block for each name.
 *
 * @example
 * ```ts
 * import { Prometheus } from "@effect-resilience/observability"
 * import { Effect, Metric } from "effect"
 *
 * const orders = Metric.counter("orders_total", { description: "Orders taken.", incremental: true })
 * const program = Effect.zipRight(Metric.increment(orders), Effect.map(Metric.snapshot, Prometheus.format))
 * Effect.runPromise(program).then(console.log)
 * ```
 */
export const format = (pairs: Iterable<MetricPair.MetricPair.Untyped>): string =>
  [...families(pairs)]
    .filter(([, { samples }]) => samples.size > 0)
    .map(([name, family]) => `${printed(name, family)}\n`)
    .join("")

/** All metrics of the process as text, as of now. */
export const text: Effect.Effect<string> = Effect.gen(function* () {
  const metrics = yield* ResilienceMetrics
  yield* metrics.refresh
  return format(yield* Metric.snapshot)
})

/** What a scrape is answered with, for routers that are put together by hand. */
export const response: Effect.Effect<HttpServerResponse.HttpServerResponse> = Effect.map(text, (body) =>
  HttpServerResponse.text(body, { contentType: "text/plain; version=0.0.4; charset=utf-8" })
)

/** Where scrapes are answered. */
export interface HttpOptions {
  /** Default `/metrics`. */
  readonly path?: HttpRouter.PathInput | undefined
}

/**
 * Answers scrapes on the router of the program (`HttpLayerRouter`). Provide `ResilienceMetrics.layer()` to it.
 *
 * @example
 * ```ts
 * import { Prometheus, ResilienceMetrics } from "@effect-resilience/observability"
 * import { HttpLayerRouter } from "@effect/platform"
 * import { Effect, Layer } from "effect"
 *
 * const routes = Prometheus.layerHttp().pipe(Layer.provide(ResilienceMetrics.layer()))
 * const { dispose, handler } = HttpLayerRouter.toWebHandler(routes, { disableLogger: true })
 * const scrape = Effect.promise(() => handler(new Request("http://localhost/metrics")))
 * Effect.runPromise(scrape).then((answer) => (console.log(answer.status), dispose()))
 * ```
 */
export const layerHttp = ({ path = "/metrics" }: HttpOptions = {}): Layer.Layer<
  never,
  never,
  HttpLayerRouter.HttpRouter
> =>
  HttpLayerRouter.use((router) =>
    Effect.flatMap(Effect.zip(ResilienceMetrics, PolicyRegistry.PolicyRegistry), ([metrics, registry]) =>
      router.add(
        "GET",
        path,
        response.pipe(
          Effect.provideService(ResilienceMetrics, metrics),
          Effect.provideService(PolicyRegistry.PolicyRegistry, registry)
        )
      )
    )
  )
