/**
 * Load shedding as clients see it, from each of the platform's three kinds of server, on real sockets; and a client that is
 * told of a quota that is used up.
 */
import { RateLimitMiddleware, type RouteCriticality, SheddingMiddleware } from "@effect-resilience/http"
import { ResilientNodeClient } from "@effect-resilience/http/node"
import {
  HttpApi,
  HttpApiBuilder,
  HttpApiEndpoint,
  HttpApiGroup,
  HttpLayerRouter,
  HttpRouter,
  HttpServer,
  HttpServerResponse
} from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Clock, Deferred, Duration, Effect, Fiber, Layer, Option, Schema } from "effect"
import { serving } from "../support/Loopback.js"
import { answer, serve } from "../support/ScriptedServer.js"

const routes: ReadonlyArray<RouteCriticality.Route> = [
  ["POST /orders", "CRITICAL_PLUS"],
  ["/recommendations", "SHEDDABLE"]
]

/** One at a time and one in line, for as long as a test may take. */
const options: SheddingMiddleware.Options = {
  routes,
  capacity: 1,
  maxWaiting: 1,
  target: "10 minutes",
  interval: "10 minutes"
}

const ask = (url: string, init: RequestInit = {}) =>
  Effect.tryPromise(async (signal) => {
    const { headers, status } = await fetch(url, { ...init, signal })
    return { status, type: headers.get("content-type"), retryAfter: Number(headers.get("retry-after")) }
  })

/** Work that begins to be told, and ends when it may. */
const gated = Effect.gen(function* () {
  const begun: Array<string> = []
  const entered = yield* Deferred.make<void>()
  const gate = yield* Deferred.make<void>()
  const work = (name: string) =>
    Effect.suspend(() => {
      begun.push(name)
      return Effect.zipRight(Deferred.succeed(entered, undefined), Deferred.await(gate))
    })
  return { begun, entered, gate, work }
})
type Gated = Effect.Effect.Success<typeof gated>

/** What every one of these servers does, whatever it is made of. */
const sheds = (url: string, { begun, entered, gate }: Gated) =>
  Effect.gen(function* () {
    const running = yield* Effect.fork(ask(`${url}/page`))
    yield* Deferred.await(entered)
    // Whichever of these two comes second finds the line full: it is the recommendations that must go, because of the order.
    const displaced = yield* Effect.fork(ask(`${url}/recommendations`))
    const order = yield* Effect.fork(ask(`${url}/orders`, { method: "POST", body: "x".repeat(100_000) }))
    const refused = [yield* Fiber.join(displaced)]
    for (let n = 0; n < 3; n++) refused.push(yield* ask(`${url}/recommendations`))
    for (const { retryAfter, status, type } of refused) {
      expect([status, type]).toEqual([503, "application/problem+json"])
      expect(retryAfter).toBeGreaterThanOrEqual(1)
      expect(retryAfter).toBeLessThanOrEqual(5)
    }
    for (const probe of ["/health/live", "/metrics"]) expect((yield* ask(`${url}${probe}`)).status).toBe(200)
    expect(begun).toEqual(["page"])
    yield* Deferred.succeed(gate, undefined)
    expect([(yield* Fiber.join(running)).status, (yield* Fiber.join(order)).status]).toEqual([200, 200])
    expect(begun).toEqual(["page", "orders"])
  })

const text = HttpServerResponse.text("here")

describe("a server that has too much to do sheds what matters least", () => {
  it.live("made of an HttpRouter", () =>
    Effect.gen(function* () {
      const gate = yield* gated
      const router = HttpRouter.empty.pipe(
        HttpRouter.get("/page", Effect.zipRight(gate.work("page"), text)),
        HttpRouter.post("/orders", Effect.zipRight(gate.work("orders"), text)),
        HttpRouter.get("/recommendations", Effect.zipRight(gate.work("recommendations"), text)),
        HttpRouter.get("/health/live", text),
        HttpRouter.get("/metrics", text),
        yield* SheddingMiddleware.make("shop", options)
      )
      yield* sheds(yield* serving(HttpServer.serve(router)), gate)
    }).pipe(Effect.scoped)
  )

  it.live("made of an HttpLayerRouter", () =>
    Effect.gen(function* () {
      const gate = yield* gated
      const all = Layer.mergeAll(
        HttpLayerRouter.add("GET", "/page", Effect.zipRight(gate.work("page"), text)),
        HttpLayerRouter.add("POST", "/orders", Effect.zipRight(gate.work("orders"), text)),
        HttpLayerRouter.add("GET", "/recommendations", Effect.zipRight(gate.work("recommendations"), text)),
        HttpLayerRouter.add("GET", "/health/live", text),
        HttpLayerRouter.add("GET", "/metrics", text),
        SheddingMiddleware.layerRouter("shop", options)
      )
      yield* sheds(yield* serving(HttpLayerRouter.serve(all)), gate)
    }).pipe(Effect.scoped)
  )

  class Shop extends HttpApi.make("shop").add(
    HttpApiGroup.make("all", { topLevel: true })
      .add(HttpApiEndpoint.get("page", "/page").addSuccess(Schema.String))
      .add(HttpApiEndpoint.post("order", "/orders").addSuccess(Schema.String))
      .add(HttpApiEndpoint.get("recommend", "/recommendations").addSuccess(Schema.String))
      .add(HttpApiEndpoint.get("live", "/health/live").addSuccess(Schema.String))
      .add(HttpApiEndpoint.get("metrics", "/metrics").addSuccess(Schema.String))
  ) {}
  const handlers = ({ work }: Gated) =>
    HttpApiBuilder.group(Shop, "all", (of) =>
      of
        .handle("page", () => Effect.as(work("page"), "here"))
        .handle("order", () => Effect.as(work("orders"), "here"))
        .handle("recommend", () => Effect.as(work("recommendations"), "here"))
        .handle("live", () => Effect.succeed("here"))
        .handle("metrics", () => Effect.succeed("here"))
    )

  it.live("made of an HttpApi", () =>
    Effect.gen(function* () {
      const gate = yield* gated
      const api = HttpApiBuilder.api(Shop).pipe(Layer.provide(handlers(gate)))
      const shedding = SheddingMiddleware.layerApi("shop", options)
      const app = HttpApiBuilder.serve().pipe(Layer.provide(shedding), Layer.provide(api))
      yield* sheds(yield* serving(app), gate)
    }).pipe(Effect.scoped)
  )

  it.live("made of an HttpApi in an HttpLayerRouter", () =>
    Effect.gen(function* () {
      const gate = yield* gated
      const api = HttpLayerRouter.addHttpApi(Shop).pipe(
        Layer.provide(handlers(gate)),
        Layer.provide(HttpServer.layerContext)
      )
      const all = Layer.merge(api, SheddingMiddleware.layerRouter("shop", options))
      yield* sheds(yield* serving(HttpLayerRouter.serve(all)), gate)
    }).pipe(Effect.scoped)
  )
})

describe("a client that is told that nothing is left", () => {
  it.live("waits until there is, by the server's own limit, and is never refused", () =>
    Effect.gen(function* () {
      const limited = yield* RateLimitMiddleware.make("api", {
        key: RateLimitMiddleware.byAddress(),
        limit: 1,
        window: "1 second"
      })
      const router = HttpRouter.empty.pipe(HttpRouter.get("/items", text), limited)
      const url = yield* serving(HttpServer.serve(router))
      const patient = { timeout: "20 seconds", deadline: "60 seconds", retry: "none" } as const
      const heeding = yield* ResilientNodeClient.make("heeds", patient)
      for (let n = 0; n < 3; n++) expect((yield* heeding.get(`${url}/items`)).status).toBe(200)
      // Which is the client's doing.
      const deaf = yield* ResilientNodeClient.make("deaf", { ...patient, rateLimitHeaders: "none" })
      const statuses = yield* Effect.replicateEffect(deaf.get(`${url}/items`), 10)
      expect(statuses.map(({ status }) => status)).toContain(429)
    }).pipe(Effect.scoped)
  )

  it.live("sends nothing before the time that the server names, and refuses at once what cannot wait so long", () =>
    Effect.gen(function* () {
      const { scripted, url } = yield* serve
      scripted.become(
        answer(200, { RateLimit: '"api";r=0;t=1' }),
        answer(200, { "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "200" })
      )
      const client = yield* ResilientNodeClient.make("shop", { timeout: "20 seconds", deadline: "60 seconds" })
      const began = yield* Clock.currentTimeMillis
      yield* client.get(url)
      yield* client.get(url)
      // The two clocks may differ by a millisecond, and a timer may be one early.
      expect((yield* Clock.currentTimeMillis) - began).toBeGreaterThanOrEqual(995)
      const refused = yield* Effect.flip(client.get(url))
      expect(refused).toMatchObject({ _tag: "RateLimited", key: url })
      const hint = refused._tag === "RateLimited" ? Option.getOrThrow(refused.retryAfter) : Duration.zero
      expect(Duration.toSeconds(hint)).toBeGreaterThan(100)
      expect(scripted.arrived).toHaveLength(2)
    }).pipe(Effect.scoped)
  )
})
