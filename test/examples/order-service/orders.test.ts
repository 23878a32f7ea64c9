import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"
import { OrderId } from "../../../examples/order-service/src/Domain.js"
import { ask, disk, layer, order } from "./OrderService.js"
import * as ScriptedDependencies from "./ScriptedDependencies.js"

/** Lets virtual time pass until the answer is there. */
const answered = <A, E, R>(request: Effect.Effect<A, E, R>, within: "1 second" | "10 seconds" = "1 second") =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(request)
    yield* TestClock.adjust(within)
    return yield* Fiber.join(fiber)
  })

const orderId = (n: number) => OrderId.make(`order-${n}`)

describe("an order", () => {
  it.effect("is confirmed with one charge, its stock reserved and its customer told", () => {
    const town = ScriptedDependencies.make()
    return Effect.gen(function* () {
      const answer = yield* answered(order())
      expect(answer).toMatchObject({
        status: 201,
        headers: { location: "/orders/order-1" },
        body: { id: "order-1", status: "confirmed", inventory: "reserved" }
      })
      expect(town.callsTo("payment").map(({ what }) => what)).toEqual(["charge charge-order-1"])
      expect(town.reservations).toEqual(new Set(["order-1"]))
      expect(town.notices).toMatchObject([{ key: "notice-order-1-confirmed", orderId: "order-1", status: "confirmed" }])
      expect(yield* ask("GET", "/orders/order-1")).toMatchObject({
        status: 200,
        body: { id: "order-1", status: "confirmed", inventory: "reserved" }
      })
    }).pipe(Effect.provide(layer(town)))
  })

  it.effect("whose charge is declined is rejected and gives its stock back", () => {
    const town = ScriptedDependencies.make()
    return Effect.gen(function* () {
      const answer = yield* answered(order({ amountCents: ScriptedDependencies.declinedAmount }))
      expect(answer).toMatchObject({ status: 402, body: { id: "order-1", status: "rejected", reason: "test amount" } })
      expect(town.callsTo("payment")).toHaveLength(1)
      expect(town.reservations).toEqual(new Set())
      expect(yield* ask("GET", "/orders/order-1")).toMatchObject({ status: 200, body: { status: "rejected" } })
    }).pipe(Effect.provide(layer(town)))
  })

  it.effect("for a product that is unknown or out of stock is refused before it is charged", () => {
    const town = ScriptedDependencies.make()
    town.stock.set("p2", 3)
    return Effect.gen(function* () {
      expect(yield* answered(order({ productId: "p999" }))).toMatchObject({ status: 404 })
      expect(yield* answered(order({ productId: "p2", quantity: 4 }))).toMatchObject({ status: 409 })
      expect(town.callsTo("payment")).toEqual([])
      expect(yield* ask("GET", "/orders/order-1")).toMatchObject({ status: 404 })
    }).pipe(Effect.provide(layer(town)))
  })

  it.effect("is accepted on an estimate when inventory is out, and reserved when it is back", () => {
    const town = ScriptedDependencies.make()
    town.health.inventory = "refuses"
    return Effect.gen(function* () {
      expect(yield* answered(order())).toMatchObject({ status: 201, body: { inventory: "estimated" } })
      town.health.inventory = { answersAfter: 20 }
      yield* TestClock.adjust("30 seconds")
      expect(town.reservations).toEqual(new Set(["order-1"]))
      expect(yield* ask("GET", "/orders/order-1")).toMatchObject({ body: { inventory: "reserved" } })
    }).pipe(Effect.provide(layer(town)))
  })

  it.effect("stays estimated when there turns out to be no stock", () => {
    const town = ScriptedDependencies.make()
    town.health.inventory = "refuses"
    town.stock.set("p1", 0)
    return Effect.gen(function* () {
      yield* answered(order())
      town.health.inventory = { answersAfter: 20 }
      yield* TestClock.adjust("60 seconds")
      expect(town.callsTo("inventory").filter(({ what }) => what === "reserve order-1").length).toBeLessThan(10)
      expect(yield* ask("GET", "/orders/order-1")).toMatchObject({
        body: { status: "confirmed", inventory: "estimated" }
      })
    }).pipe(Effect.provide(layer(town)))
  })

  it.effect("is an error without policies when its charge fails, and gives its stock back", () => {
    const town = ScriptedDependencies.make()
    town.health.payment = "refuses"
    return Effect.gen(function* () {
      expect(yield* answered(order())).toMatchObject({ status: 502 })
      expect(town.callsTo("payment")).toHaveLength(1)
      expect(town.reservations).toEqual(new Set())
      expect(yield* ask("GET", "/orders/order-1")).toMatchObject({ body: { status: "rejected" } })
    }).pipe(Effect.provide(layer(town, { policies: "off" })))
  })

  it.effect("with timeouts only is given up after payment's attempt timeout", () => {
    const town = ScriptedDependencies.make()
    town.health.payment = "hangs"
    return Effect.gen(function* () {
      const fiber = yield* Effect.fork(order())
      yield* TestClock.adjust("2019 millis")
      expect(fiber.unsafePoll()).toBeNull()
      yield* TestClock.adjust("1 millis")
      expect(yield* Fiber.join(fiber)).toMatchObject({ status: 504 })
      expect(town.callsTo("payment")).toHaveLength(1)
    }).pipe(Effect.provide(layer(town, { policies: "timeouts" })))
  })
})

describe("the journal of orders", () => {
  it.effect("refuses an order that cannot be written down, before it is charged", () => {
    const town = ScriptedDependencies.make()
    const broken = disk()
    broken.broken = true
    return Effect.gen(function* () {
      expect(yield* answered(order())).toMatchObject({ status: 503, headers: { "retry-after": "1" } })
      expect(town.callsTo("payment")).toEqual([])
      expect(town.reservations).toEqual(new Set())
      expect(yield* ask("GET", "/orders/order-1")).toMatchObject({ status: 404 })
      broken.broken = false
      expect(yield* answered(order())).toMatchObject({ status: 201 })
    }).pipe(Effect.provide(layer(town, { disk: broken })))
  })

  it.effect("keeps an order pending whose charge it could not write down, and confirms it later", () => {
    const town = ScriptedDependencies.make()
    const breaks = disk()
    return Effect.gen(function* () {
      const fiber = yield* Effect.fork(order())
      yield* TestClock.adjust("30 millis")
      breaks.broken = true
      yield* TestClock.adjust("30 millis")
      expect(yield* Fiber.join(fiber)).toMatchObject({ status: 202, body: { status: "pending" } })
      breaks.broken = false
      yield* TestClock.adjust("10 seconds")
      expect(yield* ask("GET", "/orders/order-1")).toMatchObject({ body: { status: "confirmed" } })
      expect(town.charges.get(orderId(1))?.size).toBe(1)
    }).pipe(Effect.provide(layer(town, { disk: breaks })))
  })

  it.effect(
    "brings back what was not finished: pending orders are charged under their key, and stock is given back",
    () => {
      const town = ScriptedDependencies.make()
      const found = disk(
        [
          { _tag: "Placed", id: "a", productId: "p1", quantity: 1, amountCents: 1010, inventory: "reserved" },
          { _tag: "Placed", id: "b", productId: "p1", quantity: 1, amountCents: 1010, inventory: "estimated" },
          { _tag: "Placed", id: "c", productId: "p1", quantity: 1, amountCents: 1010, inventory: "reserved" },
          { _tag: "Confirmed", id: "b", chargeId: "x" },
          { _tag: "Rejected", id: "c", reason: "no money" }
        ]
          .map((entry) => `${JSON.stringify(entry)}\n`)
          .join("")
      )
      return Effect.gen(function* () {
        yield* TestClock.adjust("5 seconds")
        expect(town.callsTo("payment").map(({ what }) => what)).toEqual(["charge charge-a"])
        expect(new Set(town.callsTo("inventory").map(({ what }) => what))).toEqual(new Set(["release c", "reserve b"]))
        expect(town.callsTo("inventory")).toHaveLength(2)
        for (const [id, status] of [
          ["a", "confirmed"],
          ["b", "confirmed"],
          ["c", "rejected"]
        ]) {
          expect(yield* ask("GET", `/orders/${id}`)).toMatchObject({
            status: 200,
            body: { id, status, inventory: "reserved" }
          })
        }
        expect(found.text.trimEnd().split("\n")).toHaveLength(8)
      }).pipe(Effect.provide(layer(town, { disk: found })))
    }
  )

  it.effect("leaves out a line that nobody can read, and keeps the rest", () => {
    const town = ScriptedDependencies.make()
    const found = disk(
      `{"_tag":"Placed","id":"a","prod\n${JSON.stringify({ _tag: "Placed", id: "b", productId: "p1", quantity: 1, amountCents: 5, inventory: "reserved" })}\n`
    )
    return Effect.gen(function* () {
      expect(yield* ask("GET", "/orders/a")).toMatchObject({ status: 404 })
      expect(yield* ask("GET", "/orders/b")).toMatchObject({ status: 200 })
    }).pipe(Effect.provide(layer(town, { disk: found })))
  })

  it.effect("holds all that a process knew when it was gone from one moment to the next", () => {
    const town = ScriptedDependencies.make()
    const left = disk()
    town.health.payment = "hangs"
    return Effect.gen(function* () {
      // What the disk holds while the charge is under way is what a kill leaves.
      const killed = yield* Effect.gen(function* () {
        yield* Effect.fork(order())
        yield* TestClock.adjust("1 second")
        return left.text
      }).pipe(Effect.provide(layer(town, { disk: left })))
      town.health.payment = { answersAfter: 20 }
      yield* Effect.gen(function* () {
        expect(yield* ask("GET", "/orders/order-1")).toMatchObject({ body: { status: "pending" } })
        yield* TestClock.adjust("1 second")
        expect(yield* ask("GET", "/orders/order-1")).toMatchObject({ body: { status: "confirmed" } })
      }).pipe(Effect.provide(layer(town, { disk: disk(killed) })))
      expect(town.callsTo("payment").length).toBeGreaterThan(1)
      expect(town.charges.get(orderId(1))).toEqual(new Set(["charge-order-1"]))
    })
  })
})
