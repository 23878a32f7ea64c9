/**
 * Rate limits as a client sees them, from each of the platform's three kinds of server, on real sockets.
 */
import { RateLimitMiddleware } from "@effect-resilience/http"
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
import { Effect, Layer, Schema } from "effect"
import { serving } from "../support/Loopback.js"

/** So slow that nothing comes back while a test runs. */
const options: RateLimitMiddleware.Options = {
  key: RateLimitMiddleware.firstOf(RateLimitMiddleware.byHeader("x-api-key"), RateLimitMiddleware.byAddress()),
  limit: (key) => (key === "k-gold" ? 3 : 2),
  window: "20 days",
  xRateLimit: "seconds"
}

const get = (url: string, init: RequestInit = {}) =>
  Effect.promise(async () => {
    const { headers, status } = await fetch(url, init)
    const value = (name: string) => headers.get(name) ?? ""
    const [, name, left, reset] = /^"(.*)";r=(\d+);t=(\d+)$/.exec(value("ratelimit")) ?? []
    return {
      status,
      type: value("content-type"),
      policy: value("ratelimit-policy"),
      quota: name === undefined ? undefined : { name, left: Number(left), reset: Number(reset) },
      older: ["limit", "remaining", "reset"].map((each) => value(`x-ratelimit-${each}`)),
      retryAfter: Number(headers.get("retry-after") ?? Number.NaN)
    }
  })

/** What every one of these servers does, whatever it is made of. */
const limits = (url: string) =>
  Effect.gen(function* () {
    for (const [apiKey, limit] of [
      ["k-gold", 3],
      ["k-17", 2]
    ] as const) {
      const init = { headers: { "x-api-key": apiKey } }
      for (let left = limit - 1; left >= 0; left--) {
        const served = yield* get(`${url}/items`, init)
        expect([served.status, served.policy, served.quota?.name, served.quota?.left]).toEqual([
          200,
          `"api";q=${limit};w=1728000`,
          "api",
          left
        ])
        expect(served.retryAfter).toBeNaN()
      }
      const refused = yield* get(`${url}/items`, { ...init, method: "POST", body: "x".repeat(100_000) })
      expect(refused).toMatchObject({ status: 429, type: "application/problem+json", quota: { left: 0 } })
      expect(refused.retryAfter).toBeGreaterThanOrEqual(refused.quota?.reset ?? Infinity)
      expect(refused.older).toEqual([`${limit}`, "0", `${refused.quota?.reset}`])
    }
    // By the address of the socket; what is not there counts as well.
    expect(yield* get(`${url}/nowhere`)).toMatchObject({ status: 404, quota: { left: 1 } })
    expect(yield* get(`${url}/items`)).toMatchObject({ status: 200, quota: { left: 0 } })
    expect((yield* get(`${url}/items`)).status).toBe(429)
    for (const probe of ["/health/live", "/metrics", "/health/live", "/metrics"])
      expect(yield* get(`${url}${probe}`)).toMatchObject({ status: 200, policy: "", quota: undefined })
  })

const text = HttpServerResponse.text("here")

describe("a limit of callers is told and kept", () => {
  it.live("by an HttpRouter", () =>
    Effect.gen(function* () {
      const limited = yield* RateLimitMiddleware.make("api", options)
      const router = HttpRouter.empty.pipe(
        HttpRouter.all("/items", limited(text)),
        HttpRouter.get("/health/live", text),
        HttpRouter.get("/metrics", text),
        // Around the route as well: counted once.
        limited
      )
      yield* limits(yield* serving(HttpServer.serve(router)))
    }).pipe(Effect.scoped)
  )

  it.live("by an HttpLayerRouter", () =>
    Effect.gen(function* () {
      const routes = Layer.mergeAll(
        HttpLayerRouter.add("*", "/items", text),
        HttpLayerRouter.add("GET", "/health/live", text),
        HttpLayerRouter.add("GET", "/metrics", text)
      )
      const all = Layer.merge(routes, RateLimitMiddleware.layerRouter("api", options))
      yield* limits(yield* serving(HttpLayerRouter.serve(all)))
    }).pipe(Effect.scoped)
  )

  class Shop extends HttpApi.make("shop").add(
    HttpApiGroup.make("all", { topLevel: true })
      .add(HttpApiEndpoint.get("items", "/items").addSuccess(Schema.String))
      .add(HttpApiEndpoint.post("add", "/items").addSuccess(Schema.String))
      .add(HttpApiEndpoint.get("live", "/health/live").addSuccess(Schema.String))
      .add(HttpApiEndpoint.get("metrics", "/metrics").addSuccess(Schema.String))
  ) {}
  const here = () => Effect.succeed("here")
  const handlers = HttpApiBuilder.group(Shop, "all", (of) =>
    of.handle("items", here).handle("add", here).handle("live", here).handle("metrics", here)
  )

  it.live("by an HttpApi", () =>
    Effect.gen(function* () {
      const api = HttpApiBuilder.api(Shop).pipe(Layer.provide(handlers))
      const app = HttpApiBuilder.serve().pipe(
        Layer.provide(RateLimitMiddleware.layerApi("api", options)),
        Layer.provide(api)
      )
      yield* limits(yield* serving(app))
    }).pipe(Effect.scoped)
  )

  it.live("by an HttpApi in an HttpLayerRouter", () =>
    Effect.gen(function* () {
      const routes = HttpLayerRouter.addHttpApi(Shop).pipe(
        Layer.provide(handlers),
        Layer.provide(HttpServer.layerContext)
      )
      const all = Layer.merge(routes, RateLimitMiddleware.layerRouter("api", options))
      yield* limits(yield* serving(HttpLayerRouter.serve(all)))
    }).pipe(Effect.scoped)
  )
})
