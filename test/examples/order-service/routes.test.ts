import { CircuitBreaker, PolicyRegistry } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"
import { ask, layer, order } from "./OrderService.js"
import * as ScriptedDependencies from "./ScriptedDependencies.js"

const page = (id: string, within: "1 second" | "100 millis" = "1 second") =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(ask("GET", `/products/${id}`))
    yield* TestClock.adjust(within)
    return yield* Fiber.join(fiber)
  })

describe("a product page", () => {
  it.effect("is put together from all of its parts at once", () => {
    const town = ScriptedDependencies.make()
    return Effect.gen(function* () {
      expect(yield* page("p5", "100 millis")).toMatchObject({
        status: 200,
        body: {
          id: "p5",
          product: { name: "Product p5", description: "good" },
          price: { amountCents: 1050, currency: "EUR" },
          reviews: { rating: 4.5, count: 12 },
          recommendations: ["p7", "p8"],
          stock: { available: true, estimated: false },
          degraded: []
        }
      })
      expect(town.calls.map(({ at }) => at)).toEqual([0, 0, 0, 0, 0])
    }).pipe(Effect.provide(layer(town)))
  })

  it.effect("does without reviews", () => {
    const town = ScriptedDependencies.make()
    town.health.reviews = "refuses"
    return Effect.gen(function* () {
      expect(yield* page("p5")).toMatchObject({ status: 200, body: { reviews: null, degraded: ["reviews"] } })
      expect(town.callsTo("reviews")).toHaveLength(2)
    }).pipe(Effect.provide(layer(town)))
  })

  it.effect("recommends what is popular, and nothing when that is not to be had either", () => {
    const town = ScriptedDependencies.make()
    town.health.recommendations = "refuses"
    return Effect.gen(function* () {
      const popular = { recommendations: ["p1", "p2", "p3"], degraded: ["recommendations"] }
      expect(yield* page("p5")).toMatchObject({ status: 200, body: popular })
      town.health.popular = "refuses"
      const none = { recommendations: [], degraded: ["recommendations"] }
      expect(yield* page("p5")).toMatchObject({ status: 200, body: none })
    }).pipe(Effect.provide(layer(town)))
  })

  it.effect("estimates the stock when inventory is slow, without waiting for it for long", () => {
    const town = ScriptedDependencies.make()
    town.health.inventory = "hangs"
    return Effect.gen(function* () {
      const fiber = yield* Effect.fork(ask("GET", "/products/p5"))
      yield* TestClock.adjust("800 millis")
      const stock = { stock: { available: true, estimated: true }, degraded: ["stock"] }
      expect(yield* Fiber.join(fiber)).toMatchObject({ status: 200, body: stock })
    }).pipe(Effect.provide(layer(town)))
  })

  it.effect("says that there is nothing in stock", () => {
    const town = ScriptedDependencies.make()
    town.stock.set("p5", 0)
    return Effect.gen(function* () {
      expect(yield* page("p5")).toMatchObject({ body: { stock: { available: false, estimated: false }, degraded: [] } })
    }).pipe(Effect.provide(layer(town)))
  })

  it.effect("is not shown without its price or its product", () => {
    const town = ScriptedDependencies.make()
    town.health.product = "hangs"
    return Effect.gen(function* () {
      expect(yield* page("p5")).toMatchObject({ status: 503, body: { error: expect.stringContaining("description") } })
      town.health.product = { answersAfter: 20 }
      town.health.pricing = "refuses"
      const noPrice = yield* page("p5")
      expect(noPrice).toMatchObject({ status: 503, body: { error: expect.stringContaining("price") } })
      expect(Number(noPrice.headers["retry-after"])).toBeGreaterThanOrEqual(1)
    }).pipe(Effect.provide(layer(town)))
  })

  it.effect("of an unknown product is not found", () => {
    const town = ScriptedDependencies.make()
    return Effect.gen(function* () {
      expect(yield* page("p201")).toMatchObject({ status: 404 })
      expect(yield* page("x".repeat(100))).toMatchObject({ status: 404 })
    }).pipe(Effect.provide(layer(town)))
  })

  it.effect("is taken apart by the same failures without policies", () => {
    const town = ScriptedDependencies.make()
    town.health.reviews = "refuses"
    return Effect.gen(function* () {
      expect(yield* page("p5")).toMatchObject({ status: 200, body: { degraded: ["reviews"] } })
      expect(town.callsTo("reviews")).toHaveLength(1)
    }).pipe(Effect.provide(layer(town, { policies: "off" })))
  })
})

describe("a body", () => {
  const bad = (body: unknown) =>
    Effect.map(ask("POST", "/orders", body), (answer) => ({ status: answer.status, body: answer.body }))
  const issues = (...paths: ReadonlyArray<string>) => ({
    status: 400,
    body: { error: expect.any(String), issues: paths.map((path) => ({ path, message: expect.any(String) })) }
  })
  const service = layer(ScriptedDependencies.make())

  it.effect("that is wrong is told which fields are, and why", () =>
    Effect.gen(function* () {
      expect(yield* bad({ productId: "p1", quantity: 0, amountCents: 1010 })).toMatchObject({
        status: 400,
        body: { issues: [{ path: "quantity", message: expect.stringContaining("between 1 and 100") }] }
      })
      expect(yield* bad({ productId: "", quantity: 101, amountCents: -1 })).toMatchObject(
        issues("productId", "quantity", "amountCents")
      )
      expect(yield* bad({ productId: "p1", quantity: 1.5, amountCents: "10" })).toMatchObject(
        issues("quantity", "amountCents")
      )
      expect(yield* bad([])).toMatchObject({ status: 400 })
      expect(yield* bad(null)).toMatchObject({ status: 400 })
    }).pipe(Effect.provide(service))
  )

  it.effect("that is empty or not JSON is told every field that is missing", () =>
    Effect.gen(function* () {
      expect(yield* bad(undefined)).toMatchObject(issues("productId", "quantity", "amountCents"))
      expect(yield* bad("  ")).toMatchObject(issues("productId", "quantity", "amountCents"))
      expect(yield* bad("{quantity")).toMatchObject(issues("productId", "quantity", "amountCents"))
    }).pipe(Effect.provide(service))
  )

  it.effect("over 64 KiB is too large", () =>
    Effect.gen(function* () {
      const fits = JSON.stringify({ productId: "p1", quantity: 0, amountCents: 1 }).padEnd(64 * 1024)
      expect(yield* bad(fits)).toMatchObject({ status: 400 })
      expect(yield* bad(`${fits} `)).toMatchObject({ status: 413 })
    }).pipe(Effect.provide(service))
  )
})

describe("a path", () => {
  it.effect("that is not there is not found, and one that is says what it takes", () =>
    Effect.gen(function* () {
      expect(yield* ask("GET", "/nothing")).toMatchObject({ status: 404 })
      expect(yield* ask("GET", "/orders/nobody")).toMatchObject({ status: 404 })
      expect(yield* ask("GET", "/products/%zz")).toMatchObject({ status: 404 })
      expect(yield* ask("GET", "/orders")).toMatchObject({ status: 405, headers: { allow: "POST" } })
      expect(yield* ask("DELETE", "/orders/order-1")).toMatchObject({ status: 405, headers: { allow: "GET, HEAD" } })
    }).pipe(Effect.provide(layer(ScriptedDependencies.make())))
  )
})

describe("health", () => {
  const circuits = Effect.flatMap(PolicyRegistry.entries, (entries) =>
    Effect.forEach(
      entries.flatMap(({ policy }) => (CircuitBreaker.isCircuitBreaker(policy) ? [policy] : [])),
      ({ state }) => state
    )
  )

  it.effect("names every dependency's circuit", () =>
    Effect.gen(function* () {
      const answer = yield* ask("GET", "/health/dependencies")
      expect(answer.status).toBe(200)
      const names = ["inventory", "payment", "notification", "product", "pricing", "reviews", "recommendations"]
      expect(answer.body).toMatchObject({
        status: "pass",
        health: "HEALTHY",
        checks: Object.fromEntries(names.map((name) => [name, [{ observedValue: "Closed", nextProbeMillis: null }]]))
      })
      expect(yield* circuits).toHaveLength(7)
    }).pipe(Effect.provide(layer(ScriptedDependencies.make())))
  )

  it.effect("is degraded with a circuit open, and the service still live and ready", () => {
    const town = ScriptedDependencies.make()
    town.health.payment = "refuses"
    return Effect.gen(function* () {
      const fibers = yield* Effect.forEach(Array.from({ length: 5 }), () => Effect.fork(order()))
      yield* TestClock.adjust("1 second")
      yield* Effect.forEach(fibers, Fiber.join)
      expect(yield* ask("GET", "/health/dependencies")).toMatchObject({
        status: 200,
        body: {
          status: "warn",
          health: "DEGRADED",
          output: "payment is Open",
          checks: { payment: [{ status: "fail", observedValue: "Open" }] }
        }
      })
      expect(yield* ask("GET", "/health/live")).toMatchObject({ status: 200 })
      expect(yield* ask("GET", "/health/ready")).toMatchObject({ status: 200 })
    }).pipe(Effect.provide(layer(town)))
  })

  it.effect("is bad only when every circuit is open", () =>
    Effect.gen(function* () {
      const entries = yield* PolicyRegistry.entries
      for (const { policy } of entries) if (CircuitBreaker.isCircuitBreaker(policy)) yield* policy.isolate
      expect(yield* ask("GET", "/health/dependencies")).toMatchObject({ status: 200, body: { health: "UNHEALTHY" } })
      expect(yield* ask("GET", "/health/live")).toMatchObject({ status: 200 })
      expect(yield* ask("GET", "/health/ready")).toMatchObject({ status: 200 })
    }).pipe(Effect.provide(layer(ScriptedDependencies.make())))
  )
})
