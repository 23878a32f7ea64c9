/**
 * Spans without the queries of URLs. Those that `@effect/platform` makes of requests, in clients and servers, have the whole
 * URL as an attribute, and a query may hold a token. Headers that hold credentials it redacts by itself.
 *
 * Provide the Layer inside that of the tracer. It does not look into paths, nor into attributes of other names or what an
 * exporter makes of an error that a span has ended with.
 */
import { Effect, Layer, Tracer } from "effect"

const whole = "url.full"
const query = "url.query"

const redacted = "<redacted>"

const withoutQuery = (url: string): string => {
  const at = url.search(/[?#]/)
  return at < 0 ? url : `${url.slice(0, at)}?${redacted}`
}

/** What an attribute is told as. */
const told = (name: string, value: unknown): unknown => {
  if (name === query) return redacted
  return name === whole && typeof value === "string" ? withoutQuery(value) : value
}

const around = (tracer: Tracer.Tracer): Tracer.Tracer =>
  Tracer.make({
    context: (f, fiber) => tracer.context(f, fiber),
    span: (...args) => {
      const span = tracer.span(...args)
      const attribute = span.attribute.bind(span)
      return Object.assign(span, { attribute: (name: string, value: unknown) => attribute(name, told(name, value)) })
    }
  })

/**
 * Keeps the queries of URLs out of the spans of the tracer that is there.
 *
 * @example
 * ```ts
 * import { HttpSpans } from "@effect-resilience/http"
 * import { FetchHttpClient, HttpClient } from "@effect/platform"
 * import { Effect, Layer } from "effect"
 *
 * const call = HttpClient.get("http://127.0.0.1:1/?token=secret").pipe(Effect.ignore)
 * const live = Layer.merge(FetchHttpClient.layer, HttpSpans.layerWithoutQueries)
 * Effect.runPromise(Effect.provide(call, live)).then(() => console.log("asked"))
 * // asked
 * ```
 */
export const layerWithoutQueries: Layer.Layer<never> = Layer.unwrapEffect(
  Effect.map(Effect.tracer, (tracer) => Layer.setTracer(around(tracer)))
)
