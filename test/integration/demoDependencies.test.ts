import { describe, expect, it } from "@effect/vitest"
import { Data, Effect, Fiber } from "effect"
import * as Dependencies from "../../examples/order-service/dependencies/Dependencies.js"

interface Reply {
  readonly status: number
  readonly body: unknown
}

class Refused extends Data.TaggedError("Refused")<{ readonly message: string }> {}

const ask = (url: string, init: RequestInit = {}): Effect.Effect<Reply, Refused> =>
  Effect.tryPromise({
    try: async (signal) => {
      const response = await fetch(url, { ...init, signal, headers: { connection: "close", ...init.headers } })
      const text = await response.text()
      return { status: response.status, body: text === "" ? undefined : JSON.parse(text) }
    },
    catch: (error) => new Refused({ message: String(error) })
  })

const post = (url: string, body: unknown, key?: string) =>
  ask(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...(key === undefined ? {} : { "idempotency-key": key }) },
    body: JSON.stringify(body)
  })

/** One request in 200 fails by design: ask again, as a client would. */
const surely = <E>(reply: Effect.Effect<Reply, E>): Effect.Effect<Reply, E> =>
  Effect.repeat(reply, { until: ({ status }) => status !== 500 && status !== 503, times: 5 })

const started = Dependencies.make({ seed: 1, firstPort: 0, slowMillis: 300 })

const charge = (urls: Dependencies.Dependencies["urls"], key: string, amountCents = 2500, orderId = "o1") =>
  surely(post(`${urls.PAYMENT_URL}/charges`, { orderId, amountCents }, key))

describe("the dependencies, on real sockets", () => {
  it.live("answer as agreed", () =>
    Effect.gen(function* () {
      const { urls } = yield* started
      const get = (url: string) => surely(ask(url))
      expect(yield* get(`${urls.PRODUCT_URL}/products/p7`)).toMatchObject({ status: 200, body: { id: "p7" } })
      expect(yield* get(`${urls.PRODUCT_URL}/products/p201`)).toMatchObject({ status: 404 })
      expect(yield* get(`${urls.PRODUCT_URL}/popular`)).toMatchObject({ status: 200 })
      expect(yield* get(`${urls.PRICING_URL}/prices/p7`)).toEqual({
        status: 200,
        body: { id: "p7", amountCents: 1070, currency: "EUR" }
      })
      expect(yield* get(`${urls.REVIEWS_URL}/reviews/p7`)).toMatchObject({ status: 200, body: { id: "p7" } })
      expect(yield* get(`${urls.RECOMMENDATIONS_URL}/recommendations/p199`)).toEqual({
        status: 200,
        body: { items: ["p200", "p1", "p2"] }
      })
      const notify = (key?: string) =>
        surely(post(`${urls.NOTIFICATION_URL}/notifications`, { orderId: "o1", status: "confirmed" }, key))
      expect(yield* notify("n1")).toMatchObject({ status: 202 })
      expect(yield* notify()).toMatchObject({ status: 400 })
    }).pipe(Effect.scoped)
  )

  it.live("reserve stock once for an order, and give it back", () =>
    Effect.gen(function* () {
      const { urls } = yield* started
      const reserve = (orderId: string, productId: string, quantity: number) =>
        surely(post(`${urls.INVENTORY_URL}/reservations`, { orderId, productId, quantity }))
      const available = Effect.map(surely(ask(`${urls.INVENTORY_URL}/stock/p200`)), ({ body }) => body)
      expect(yield* reserve("o1", "p200", 4)).toEqual({ status: 201, body: { orderId: "o1", reserved: true } })
      expect(yield* reserve("o1", "p200", 4)).toMatchObject({ status: 201 })
      expect(yield* available).toEqual({ productId: "p200", available: 1 })
      expect(yield* reserve("o2", "p200", 2)).toEqual({ status: 409, body: { reason: "out-of-stock" } })
      expect(yield* reserve("o3", "p999", 1)).toMatchObject({ status: 404 })
      const release = surely(ask(`${urls.INVENTORY_URL}/reservations/o1`, { method: "DELETE" }))
      expect(yield* release).toMatchObject({ status: 204 })
      expect(yield* release).toMatchObject({ status: 204 })
      expect(yield* available).toEqual({ productId: "p200", available: 5 })
    }).pipe(Effect.scoped)
  )

  it.live("charge once for a key, also when its requests run at the same time", () =>
    Effect.gen(function* () {
      const { report, urls } = yield* started
      const replies = yield* Effect.all(
        Array.from({ length: 20 }, () => charge(urls, "k1")),
        { concurrency: "unbounded" }
      )
      expect(new Set(replies.map((reply) => JSON.stringify(reply))).size).toBe(1)
      expect(replies[0]).toEqual({ status: 201, body: { chargeId: "ch_1", orderId: "o1", amountCents: 2500 } })
      expect(yield* charge(urls, "k1")).toEqual(replies[0])
      expect(yield* report).toMatchObject({ charges: 1, maxChargesPerOrder: 1 })
      expect(yield* charge(urls, "k1", 9900)).toMatchObject({ status: 422 })
      yield* charge(urls, "another key for the same order")
      expect(yield* report).toMatchObject({ charges: 2, maxChargesPerOrder: 2 })
    }).pipe(Effect.scoped)
  )

  it.live("decline the documented amount every time, and book nothing for it", () =>
    Effect.gen(function* () {
      const { report, urls } = yield* started
      expect(yield* charge(urls, "k1", 40_200)).toMatchObject({ status: 402, body: { reason: "declined" } })
      expect(yield* charge(urls, "k1", 40_200)).toMatchObject({ status: 402 })
      expect(yield* post(`${urls.PAYMENT_URL}/charges`, { orderId: "o1" }, "k2").pipe(surely)).toMatchObject({
        status: 400
      })
      expect(yield* report).toMatchObject({ charges: 0 })
    }).pipe(Effect.scoped)
  )

  it.live("refuse connections, cut the ones there are, and come back on the same port with their books", () =>
    Effect.gen(function* () {
      const { report, setPhase, urls } = yield* started
      yield* charge(urls, "k1")
      yield* setPhase("slow")
      const hanging = yield* Effect.fork(Effect.either(charge(urls, "k2", 100, "o2")))
      yield* Effect.repeat(Effect.zipLeft(report, Effect.sleep("5 millis")), {
        until: ({ callsDuringOutage }) => callsDuringOutage > 0
      })
      yield* setPhase("refusing")
      expect((yield* Fiber.join(hanging))._tag).toBe("Left")
      expect((yield* Effect.either(charge(urls, "k3")))._tag).toBe("Left")
      expect(yield* report).toMatchObject({ callsDuringOutage: 1 })
      yield* setPhase("normal")
      const again = yield* charge(urls, "k1")
      expect(again).toMatchObject({ status: 201, body: { chargeId: "ch_1" } })
      // The one that was cut off was charged all the same, or will be now: once.
      yield* charge(urls, "k2", 100, "o2")
      expect(yield* report).toMatchObject({ charges: 2, maxChargesPerOrder: 1, callsDuringOutage: 1 })
    }).pipe(Effect.scoped)
  )
})
