/**
 * Secrets where they are: in a header, in a query, in what a dependency answers, in an error. None of them is in what is
 * told of the calls: log lines, metrics, spans, the bodies of problems.
 */
import { Backoff, CircuitBreaker, Fallback, Outcome, Policy, PolicyRegistry, Telemetry } from "@effect-resilience/core"
import { HttpErrors, HttpSpans, ResilientHttpClient } from "@effect-resilience/http"
import { Prometheus, ResilienceMetrics } from "@effect-resilience/observability"
import { describe, expect, it } from "@effect/vitest"
import {
  FetchHttpClient,
  HttpApp,
  HttpClient,
  HttpClientRequest,
  HttpRouter,
  HttpServerResponse
} from "@effect/platform"
import { Data, Effect, Layer, Logger, LogLevel, Tracer } from "effect"
import * as Http from "node:http"
import { listening } from "../support/Loopback.js"
import { dependencies, folder, start } from "../support/RunningOrderService.js"

const authorization = "Bearer s3cret-of-the-header"
const card = "4111111111111111"
const token = "t0ken-in-the-query"
const secrets = [authorization, "s3cret-of-the-header", card, token]

const expectNone = (what: string, text: string) => {
  expect(text.length, what).toBeGreaterThan(0)
  for (const secret of secrets) expect(text.includes(secret), `${secret} in ${what}`).toBe(false)
}

class Declined extends Data.TaggedError("Declined")<{ readonly card: string }> {
  get [Outcome.OutcomeTypeId](): Outcome.Outcome {
    return Outcome.failure({ transient: true })
  }
  override get message(): string {
    return `card ${this.card} was declined`
  }
}

/** A tracer that keeps all attributes and events, and the Layers that keep what is logged. */
const recorded = Effect.map(Effect.tracer, (plain) => {
  const lines: Array<string> = []
  const spans: Array<string> = []
  const logger = Logger.make((entry) => lines.push(Logger.jsonLogger.log(entry)))
  const tracer = Tracer.make({
    context: (f, fiber) => plain.context(f, fiber),
    span: (...args) => {
      const span = plain.span(...args)
      spans.push(args[0])
      return Object.assign(span, {
        attribute: (name: string, value: unknown) => void spans.push(`${name}=${String(value)}`),
        event: (name: string, _: bigint, attributes?: Record<string, unknown>) =>
          void spans.push(`${name} ${JSON.stringify(attributes)}`)
      })
    }
  })
  const sinks = Layer.mergeAll(Telemetry.layerLog, Telemetry.layerSpans, ResilienceMetrics.layer())
  const layer = sinks.pipe(
    Layer.provideMerge(PolicyRegistry.layer),
    Layer.provideMerge(Logger.replace(Logger.defaultLogger, logger)),
    Layer.provideMerge(Logger.minimumLogLevel(LogLevel.All)),

    Layer.provideMerge(HttpSpans.layerWithoutQueries),
    Layer.provideMerge(Layer.setTracer(tracer))
  )
  return { layer, lines, spans }
})

const options: Policy.StandardOptions = {
  timeout: "10 seconds",
  retry: { maxRetries: 1, backoff: Backoff.constant(0) },
  circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(3) }
}

/** A server of ours: its handler fails with an error that holds a card, until its circuit refuses. */
const shop = Effect.gen(function* () {
  const policy = (yield* Policy.standard("cards", options)).with({ operation: "charge" })
  const charge = policy
    .protect(Effect.fail(new Declined({ card })))
    .pipe(Effect.catchTag("Declined", () => Effect.succeed(HttpServerResponse.empty({ status: 503 }))))
  const known = policy.protect(Effect.fail(new Declined({ card }))).pipe(
    Fallback.primary,
    Fallback.tier("known", { when: "Declined" }, () => Effect.fail(new Declined({ card }))),
    Fallback.value,
    Effect.catchTag("Declined", () => Effect.succeed(HttpServerResponse.text("none")))
  )
  const app = HttpRouter.empty.pipe(
    HttpRouter.get("/charge", charge),
    HttpRouter.get("/known", known),
    Effect.catchTag("RouteNotFound", () => Effect.succeed(HttpServerResponse.empty({ status: 404 }))),
    HttpErrors.respond({ verbose: true })
  )
  const handler = HttpApp.toWebHandlerRuntime(yield* Effect.runtime<never>())(app)
  const serve = async (request: Http.IncomingMessage, response: Http.ServerResponse) => {
    const { authorization: sent = "" } = request.headers
    const asked = new Request(`http://shop.test${request.url}`, { headers: { authorization: sent } })
    const answer = await handler(asked)
    response.writeHead(answer.status, Object.fromEntries(answer.headers))
    response.end(await answer.text())
  }
  const server = Http.createServer((request, response) => void serve(request, response))
  return yield* listening(server)
})

const asking = (url: string) =>
  Effect.gen(function* () {
    const client = yield* ResilientHttpClient.protect(yield* HttpClient.HttpClient, "shop", options)
    return (path: string) =>
      HttpClientRequest.get(`${url}${path}?token=${token}`).pipe(
        HttpClientRequest.setHeader("authorization", authorization),
        client.execute,
        Effect.flatMap(({ text }) => text),
        Effect.catchAll((error) => Effect.succeed(error._tag)),
        Effect.withSpan("caller")
      )
  }).pipe(Effect.provide(FetchHttpClient.layer))

describe("secrets", { timeout: 120_000 }, () => {
  it.scopedLive("are in nothing that client and server tell of their calls", () =>
    Effect.gen(function* () {
      const { layer, lines, spans } = yield* recorded
      const program = Effect.gen(function* () {
        const ask = yield* asking(yield* shop)
        const bodies = [yield* ask("/charge"), yield* ask("/known"), yield* ask("/known"), yield* ask("/charge")]
        return { bodies, metrics: yield* Prometheus.text }
      })
      const { bodies, metrics } = yield* Effect.provide(Effect.scoped(program), layer)
      expect(bodies.join()).toContain('"error":"CircuitOpen"')
      expect(spans).toContain("url.query=<redacted>")
      expect(spans.join()).toContain("CircuitChanged")
      expect(lines.join()).toContain("Declined")
      expect(metrics).toContain('service="shop"')
      expectNone("a body", bodies.join())
      expectNone("a log line", lines.join("\n"))
      expectNone("a metric", metrics)
      expectNone("a span", spans.join("\n"))
    })
  )

  it.scopedLive("are in nothing that the order service tells", () =>
    Effect.gen(function* () {
      const town = yield* dependencies
      town.says = [500, { error: `card ${card} was refused`, authorization }]
      const service = yield* start(town.url, yield* folder)
      const answers: Array<string> = []
      const ask = (path: string, init: RequestInit = {}) =>
        Effect.promise(async () => {
          const headers = { authorization }
          const response = await fetch(`${service.url}${path}?token=${token}`, { ...init, headers })
          answers.push(`${response.status} ${[...response.headers].join()} ${await response.text()}`)
        })
      const body = JSON.stringify({ productId: "p1", quantity: 1, amountCents: 1010, card })
      yield* Effect.repeatN(ask("/orders", { method: "POST", body }), 8)
      yield* ask("/orders", { method: "POST", body: `{"card":"${card}"}` })
      yield* ask("/products/p1")
      yield* ask("/nothing")
      yield* ask("/metrics")
      expect(town.attempts).toBeGreaterThanOrEqual(5)
      expect(answers.join()).toContain('circuit_breaker_state{service="payment"} 1')
      yield* service.stop("SIGTERM")
      expect(service.printed()).toContain("event=CircuitChanged")
      expectNone("an answer", answers.join("\n"))
      expectNone("the log", service.printed())
    })
  )
})
