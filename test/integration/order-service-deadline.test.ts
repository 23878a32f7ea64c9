/**
 * How long its caller waits, from the request to the order service on to every dependency, over real sockets.
 */
import { HttpClient, HttpClientRequest, HttpServer } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { describe, expect, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer } from "effect"
import * as Http from "node:http"
import * as JsonServer from "../../examples/order-service/dependencies/JsonServer.js"
import * as App from "../../examples/order-service/src/App.js"
import * as OutboundPool from "../../examples/order-service/src/OutboundPool.js"

/** What every dependency answers when all is well, by the first part of the path. */
const answers: Record<string, (id: string, body: Record<string, unknown>) => unknown> = {
  reservations: (_, { orderId }) => ({ orderId, reserved: true }),
  charges: (_, { amountCents, orderId }) => ({ chargeId: "c1", orderId, amountCents }),
  notifications: () => ({}),
  stock: (productId) => ({ productId, available: 7 }),
  products: (id) => ({ id, name: "Product", description: "A product" }),
  prices: (id) => ({ id, amountCents: 1070, currency: "EUR" }),
  reviews: (id) => ({ id, rating: 4, count: 2 }),
  recommendations: () => ({ items: ["p1"] })
}

const names = ["INVENTORY", "PAYMENT", "NOTIFICATION", "PRODUCT", "PRICING", "REVIEWS", "RECOMMENDATIONS"]

const isRecord = (u: unknown): u is Record<string, unknown> => typeof u === "object" && u !== null

/** The service, and what its dependencies were told of the time that is left, by path. */
const started = (settings: Readonly<Record<string, string>>, hang: (path: string) => boolean = () => false) =>
  Effect.gen(function* () {
    const told = new Map<string, number | undefined>()
    const { url } = yield* JsonServer.make(0, ({ body, header, path: [path = "", id = ""] }) => {
      const millis = header("x-request-timeout-ms")
      told.set(path, millis === undefined ? undefined : Number(millis))
      const answer = answers[path]?.(id, isRecord(body) ? body : {})
      return hang(path) ? Effect.never : Effect.succeed({ status: answer === undefined ? 404 : 200, body: answer })
    })
    const config = new Map([...names.map((name) => [`${name}_URL`, url] as const), ...Object.entries(settings)])
    const service = App.over(NodeHttpServer.layer(() => Http.createServer(), { host: "127.0.0.1", port: 0 })).pipe(
      Layer.provide(OutboundPool.layer),
      Layer.provideMerge(Layer.setConfigProvider(ConfigProvider.fromMap(config)))
    )
    const context = yield* Layer.build(service)
    const client = yield* Effect.provide(HttpClient.HttpClient, NodeHttpClient.layer)
    const at = yield* Effect.provide(HttpServer.addressFormattedWith(Effect.succeed), context)
    const send = (request: HttpClientRequest.HttpClientRequest, millis: number) =>
      Effect.scoped(
        Effect.flatMap(
          client.execute(
            request.pipe(
              HttpClientRequest.prependUrl(at),
              HttpClientRequest.setHeader("x-request-timeout-ms", String(millis))
            )
          ),
          (response) => Effect.map(response.json, (body) => ({ status: response.status, body }))
        )
      )
    return { told, send }
  })

const order = HttpClientRequest.post("/orders").pipe(
  HttpClientRequest.bodyUnsafeJson({ productId: "p7", quantity: 1, amountCents: 1070 })
)
const page = HttpClientRequest.get("/products/p7")

describe("the deadline of the order service's caller", () => {
  it.scopedLive("reaches every dependency: none is told more than the caller waits", () =>
    Effect.gen(function* () {
      const { send, told } = yield* started({ TRUSTED_CALLERS: "127.0.0.1" })
      // The first of each runs code that nothing has run before, which takes its time.
      yield* send(order, 10_000)
      yield* send(page, 10_000)
      told.clear()
      expect((yield* send(order, 800)).status).toBe(201)
      expect((yield* send(page, 300)).status).toBe(200)
      for (const path of ["reservations", "charges"]) expect(told.get(path)).toBeLessThanOrEqual(750)
      for (const path of ["stock", "products", "prices", "reviews", "recommendations"]) {
        expect(told.get(path)).toBeLessThanOrEqual(300)
      }
    })
  )

  it.scopedLive("is nobody's who is not named: dependencies are told of the limits of their own policies", () =>
    Effect.gen(function* () {
      const { send, told } = yield* started({})
      expect((yield* send(order, 1)).status).toBe(201)
      expect((yield* send(page, 1)).status).toBe(200)
      expect(told.get("charges")).toBe(1995)
      expect(told.get("reservations")).toBe(895)
    })
  )

  it.scopedLive("ends a wait in time to tell the caller of its order", () =>
    Effect.gen(function* () {
      const { send } = yield* started({ TRUSTED_CALLERS: "127.0.0.1" }, (path) => path === "charges")
      expect(yield* send(order, 300)).toMatchObject({ status: 202, body: { status: "pending" } })
    })
  )

  it.scopedLive("is not read without policies, and dependencies are told nothing", () =>
    Effect.gen(function* () {
      const { send, told } = yield* started({ POLICIES: "off", TRUSTED_CALLERS: "127.0.0.1" })
      expect((yield* send(order, 1)).status).toBe(201)
      expect([...told.values()].every((millis) => millis === undefined)).toBe(true)
    })
  )
})
