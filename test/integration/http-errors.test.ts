/**
 * The errors of policies as a client sees them, from each of the platform's three kinds of server, on real sockets.
 */
import { HttpApiErrors, HttpErrors, ServerMiddleware } from "@effect-resilience/http"
import {
  FetchHttpClient,
  HttpApi,
  HttpApiBuilder,
  HttpApiClient,
  HttpApiEndpoint,
  HttpApiGroup,
  HttpApiSchema,
  HttpLayerRouter,
  HttpRouter,
  HttpServer,
  HttpServerResponse,
  OpenApi
} from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { serving } from "../support/Loopback.js"
import { exceeded, full, limited, open, timedOut } from "../support/Refusals.js"

const errors = { open, full, timedOut, exceeded, limited }
const own = HttpServerResponse.unsafeJson({ mine: true }, { status: 418 })
const within = ServerMiddleware.deadline({ budget: "50 millis", trusted: ["127.0.0.1"] })

/** Work without an end, and how often it was begun. */
const endless = () => {
  let begun = 0
  const work = Effect.suspend(() => {
    begun += 1
    return Effect.never
  })
  return { work, begun: () => begun }
}

/** The budget is the route's own unless the caller has sent one, and a spent one is refused before any work. */
const keepsBudget = (url: string, { begun }: { readonly begun: () => number }) =>
  Effect.gen(function* () {
    const gatewayTimeout = {
      status: 504,
      contentType: "application/problem+json",
      body: details(504, "Gateway Timeout")
    }
    expect(yield* get(`${url}/slow`)).toMatchObject(gatewayTimeout)
    expect(begun()).toBe(1)
    expect(yield* get(`${url}/slow`, { "grpc-timeout": "0m" })).toMatchObject(gatewayTimeout)
    expect(begun()).toBe(1)
  })

const get = (url: string, headers: Record<string, string> = {}) =>
  Effect.promise(async () => {
    const response = await fetch(url, { headers })
    return {
      status: response.status,
      contentType: response.headers.get("content-type"),
      retryAfter: Number(response.headers.get("retry-after") ?? Number.NaN),
      body: await response.text()
    }
  })

const details = (status: number, title: string) => JSON.stringify({ type: "about:blank", title, status })

/** What every one of these servers answers, whatever it is made of. */
const answersAll = (url: string, names: ReadonlyArray<keyof typeof errors>) =>
  Effect.gen(function* () {
    const rows = {
      open: [503, "Service Unavailable", [30, 33]],
      full: [503, "Service Unavailable", undefined],
      timedOut: [504, "Gateway Timeout", undefined],
      exceeded: [504, "Gateway Timeout", undefined],
      limited: [429, "Too Many Requests", [2, 3]]
    } as const
    for (const name of names) {
      const [status, title, wait] = rows[name]
      const { retryAfter, ...answer } = yield* get(`${url}/${name}`)
      expect(answer, name).toEqual({
        status,
        contentType: "application/problem+json",
        body: details(status, title)
      })
      if (wait === undefined) expect(retryAfter, name).toBeNaN()
      else expect(retryAfter >= wait[0] && retryAfter <= wait[1], `${name}: ${retryAfter}`).toBe(true)
    }
  })

const every = ["open", "full", "timedOut", "exceeded", "limited"] as const

describe("the errors of policies on the wire", () => {
  it.live("from an HttpRouter", () =>
    Effect.gen(function* () {
      const slow = endless()
      const router = HttpRouter.empty.pipe(
        HttpRouter.get("/open", Effect.fail(open)),
        HttpRouter.get("/full", Effect.fail(full)),
        HttpRouter.get("/timedOut", Effect.fail(timedOut)),
        HttpRouter.get("/exceeded", Effect.fail(exceeded)),
        HttpRouter.get("/limited", Effect.fail(limited)),
        HttpRouter.get("/slow", slow.work.pipe(within)),
        HttpRouter.get("/own", Effect.fail(own)),
        HttpRouter.get("/bug", Effect.die(open))
      )
      const url = yield* serving(router.pipe(HttpErrors.respond(), HttpServer.serve()))
      yield* answersAll(url, every)
      yield* keepsBudget(url, slow)
      expect((yield* get(`${url}/own`)).status).toBe(418)
      expect((yield* get(`${url}/bug`)).status).toBe(500)
      expect((yield* get(`${url}/nowhere`)).status).toBe(404)
    }).pipe(Effect.scoped)
  )

  it.live("from an HttpLayerRouter", () =>
    Effect.gen(function* () {
      const slow = endless()
      const routes = Layer.mergeAll(
        HttpLayerRouter.add("GET", "/open", Effect.fail(open)),
        HttpLayerRouter.add("GET", "/full", Effect.fail(full)),
        HttpLayerRouter.add("GET", "/timedOut", Effect.fail(timedOut)),
        HttpLayerRouter.add("GET", "/exceeded", Effect.fail(exceeded)),
        HttpLayerRouter.add("GET", "/limited", Effect.fail(limited)),
        HttpLayerRouter.add("GET", "/own", Effect.fail(own)),
        HttpLayerRouter.add("GET", "/slow", slow.work).pipe(Layer.provide(HttpLayerRouter.middleware(within).layer))
      )
      const url = yield* serving(HttpLayerRouter.serve(Layer.mergeAll(routes, HttpErrors.layerRouter())))
      yield* answersAll(url, every)
      yield* keepsBudget(url, slow)
      expect((yield* get(`${url}/own`)).status).toBe(418)
      expect((yield* get(`${url}/nowhere`)).status).toBe(404)
    }).pipe(Effect.scoped)
  )

  /** The API's own, by the name of one of ours, and one of ours that the API answers its own way at one endpoint. */
  class OwnTimedOut extends Schema.TaggedError<OwnTimedOut>()(
    "TimedOut",
    { order: Schema.String },
    HttpApiSchema.annotations({ status: 418 })
  ) {}
  const OwnFull = Schema.Struct({ _tag: Schema.Literal("BulkheadFull"), limit: Schema.Number }).annotations(
    HttpApiSchema.annotations({ status: 507 })
  )
  class Shop extends HttpApi.make("shop")
    .add(
      HttpApiGroup.make("all", { topLevel: true })
        .add(HttpApiEndpoint.get("open", "/open").addSuccess(Schema.String))
        .add(HttpApiEndpoint.get("timedOut", "/timedOut").addSuccess(Schema.String))
        .add(HttpApiEndpoint.get("exceeded", "/exceeded").addSuccess(Schema.String))
        .add(HttpApiEndpoint.get("mine", "/mine").addSuccess(Schema.String).addError(OwnTimedOut))
        .add(HttpApiEndpoint.get("full", "/full").addSuccess(Schema.String).addError(OwnFull))
        .add(HttpApiEndpoint.get("slow", "/slow").addSuccess(Schema.String))
    )
    .middleware(HttpApiErrors.PolicyErrors) {}
  const handlers = (work: Effect.Effect<never>) =>
    HttpApiBuilder.group(Shop, "all", (of) =>
      of
        .handle("open", () => Effect.fail(open))
        .handle("timedOut", () => Effect.fail(timedOut))
        .handle("exceeded", () => Effect.fail(exceeded))
        .handle("mine", () => Effect.fail(new OwnTimedOut({ order: "7" })))
        .handle("full", () => Effect.fail(full))
        .handle("slow", () => work)
    )

  const answersShop = (url: string, slow: { readonly begun: () => number }) =>
    Effect.gen(function* () {
      yield* answersAll(url, ["open", "timedOut", "exceeded"])
      expect(yield* get(`${url}/mine`)).toMatchObject({ status: 418, body: '{"order":"7","_tag":"TimedOut"}' })
      expect(yield* get(`${url}/full`)).toMatchObject({ status: 507, body: '{"_tag":"BulkheadFull","limit":17}' })
      yield* keepsBudget(url, slow)
    })

  it.live("from an HttpApi, whose own errors go its own way", () =>
    Effect.gen(function* () {
      const slow = endless()
      const api = HttpApiBuilder.api(Shop).pipe(
        Layer.provide(handlers(slow.work)),
        Layer.provide(HttpApiErrors.layer(Shop))
      )
      const url = yield* serving(
        HttpApiBuilder.serve().pipe(Layer.provide(HttpApiBuilder.middleware(within)), Layer.provide(api))
      )
      yield* answersShop(url, slow)
      const client = yield* HttpApiClient.make(Shop, { baseUrl: url }).pipe(Effect.provide(FetchHttpClient.layer))
      const seen = yield* Effect.flip(client.open())
      expect(seen).toMatchObject({ _tag: "ResponseError", response: { status: 503 } })
    }).pipe(Effect.scoped)
  )

  it.live("from an HttpApi in an HttpLayerRouter", () =>
    Effect.gen(function* () {
      const slow = endless()
      const routes = HttpLayerRouter.addHttpApi(Shop).pipe(
        Layer.provide(handlers(slow.work)),
        Layer.provide(HttpApiErrors.layer(Shop)),
        Layer.provide(HttpServer.layerContext)
      )
      const budget = HttpLayerRouter.middleware(within, { global: true })
      const url = yield* serving(HttpLayerRouter.serve(Layer.mergeAll(routes, HttpErrors.layerRouter(), budget)))
      yield* answersShop(url, slow)
    }).pipe(Effect.scoped)
  )

  it("stand in the API's description", () => {
    const responses = OpenApi.fromApi(Shop).paths["/open"]?.get?.responses ?? {}
    expect(Object.keys(responses)).toEqual(expect.arrayContaining(["200", "503", "504"]))
    expect(responses["500"]).toBeUndefined()
  })
})
