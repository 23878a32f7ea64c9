import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"
import { OrderId } from "../../../examples/order-service/src/Domain.js"
import { ask, layer, order } from "./OrderService.js"
import * as ScriptedDependencies from "./ScriptedDependencies.js"

const statusOf = (n: number) => Effect.map(ask("GET", `/orders/order-${n}`), ({ body }) => body)

/** Orders that are placed a millisecond apart. */
const placed = (n: number, change: Readonly<Record<string, unknown>> = {}) =>
  Effect.forEach(Array.from({ length: n }).keys(), (at) => Effect.fork(Effect.delay(order(change), at)))

describe("an order whose payment is out", () => {
  it.effect("is pending, and charged under the same key once payment is back", () => {
    const town = ScriptedDependencies.make()
    // The charge is made and only its answer is lost: a second key would be a second charge.
    town.health.payment = "hangs"
    return Effect.gen(function* () {
      const fiber = yield* Effect.fork(order())
      yield* TestClock.adjust("4600 millis")
      expect(yield* Fiber.join(fiber)).toMatchObject({
        status: 202,
        headers: { location: "/orders/order-1" },
        body: { id: "order-1", status: "pending", inventory: "reserved" }
      })
      expect(yield* statusOf(1)).toMatchObject({ status: "pending" })
      town.health.payment = { answersAfter: 20 }
      yield* TestClock.adjust("10 seconds")
      expect(yield* statusOf(1)).toMatchObject({ status: "confirmed" })
      expect(new Set(town.callsTo("payment").map(({ what }) => what))).toEqual(new Set(["charge charge-order-1"]))
      expect(town.charges.get(OrderId.make("order-1"))).toEqual(new Set(["charge-order-1"]))
      expect(town.notices.map(({ key }) => key)).toEqual(["notice-order-1-confirmed"])
    }).pipe(Effect.provide(layer(town)))
  })

  it.effect("is answered at the end of the route's budget, whatever its dependencies do", () => {
    const town = ScriptedDependencies.make()
    town.health.inventory = "hangs"
    town.health.payment = "hangs"
    return Effect.gen(function* () {
      const fiber = yield* Effect.fork(order())
      yield* TestClock.adjust("4999 millis")
      expect(fiber.unsafePoll()).toBeNull()
      yield* TestClock.adjust("1 millis")
      expect(yield* Fiber.join(fiber)).toMatchObject({
        status: 202,
        body: { status: "pending", inventory: "estimated" }
      })
    }).pipe(Effect.provide(layer(town)))
  })

  it.effect("that is declined later is rejected, and gives its stock back", () => {
    const town = ScriptedDependencies.make()
    town.health.payment = "refuses"
    return Effect.gen(function* () {
      yield* placed(1, { amountCents: ScriptedDependencies.declinedAmount })
      yield* TestClock.adjust("1 second")
      expect(yield* statusOf(1)).toMatchObject({ status: "pending" })
      expect(town.reservations.size).toBe(1)
      town.health.payment = { answersAfter: 20 }
      yield* TestClock.adjust("10 seconds")
      expect(yield* statusOf(1)).toMatchObject({ status: "rejected", reason: "test amount" })
      expect(town.reservations.size).toBe(0)
      expect(town.notices.map(({ key }) => key)).toEqual(["notice-order-1-rejected"])
    }).pipe(Effect.provide(layer(town)))
  })

  it.effect("is refused when the backlog is full, without being charged and with its stock given back", () => {
    const town = ScriptedDependencies.make()
    town.health.payment = "refuses"
    return Effect.gen(function* () {
      const fibers = yield* placed(3)
      yield* TestClock.adjust("500 millis")
      const answers = yield* Effect.forEach(fibers, Fiber.join)
      expect(answers.map(({ status }) => status)).toEqual([202, 202, 503])
      expect(Number(answers[2]?.headers["retry-after"])).toBeGreaterThanOrEqual(1)
      expect(town.callsTo("payment").some(({ what }) => what.includes("order-3"))).toBe(false)
      expect(town.reservations).toEqual(new Set(["order-1", "order-2"]))
      expect(yield* ask("GET", "/orders/order-3")).toMatchObject({ status: 404 })
      town.health.payment = { answersAfter: 20 }
      yield* TestClock.adjust("10 seconds")
      const after = yield* Effect.fork(order())
      yield* TestClock.adjust("1 second")
      expect(yield* Fiber.join(after)).toMatchObject({ status: 201 })
    }).pipe(Effect.provide(layer(town, { settings: { BACKLOG_CAPACITY: "2" } })))
  })

  it.effect("survives its request being interrupted", () => {
    const town = ScriptedDependencies.make()
    town.health.payment = "hangs"
    return Effect.gen(function* () {
      const fiber = yield* Effect.fork(order())
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(fiber)
      expect(yield* statusOf(1)).toMatchObject({ status: "pending" })
      town.health.payment = { answersAfter: 20 }
      yield* TestClock.adjust("10 seconds")
      expect(yield* statusOf(1)).toMatchObject({ status: "confirmed" })
      expect(town.charges.get(OrderId.make("order-1"))?.size).toBe(1)
    }).pipe(Effect.provide(layer(town)))
  })

  it.effect("gives its stock back when its request is interrupted before it was accepted", () => {
    const town = ScriptedDependencies.make()
    return Effect.gen(function* () {
      const fiber = yield* Effect.fork(order())
      yield* TestClock.adjust("10 millis")
      expect(town.reservations.size).toBe(1)
      yield* Fiber.interrupt(fiber)
      yield* TestClock.adjust("1 second")
      expect(town.reservations.size).toBe(0)
      expect(town.callsTo("payment")).toEqual([])
    }).pipe(Effect.provide(layer(town)))
  })

  it.effect("waits in the backlog at a bounded rate, once payment is back", () => {
    const town = ScriptedDependencies.make()
    town.health.payment = "refuses"
    return Effect.gen(function* () {
      yield* placed(30)
      yield* TestClock.adjust("5 seconds")
      town.health.payment = { answersAfter: 20 }
      yield* TestClock.adjust("60 seconds")
      const times = town.calls.filter(({ to, at }) => to === "payment" && at > 5000).map(({ at }) => at)
      expect(times).toHaveLength(30)
      const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0))
      expect(Math.min(...gaps)).toBeGreaterThanOrEqual(100)
      expect([...town.charges.values()].every((keys) => keys.size === 1)).toBe(true)
      expect(town.charges.size).toBe(30)
    }).pipe(Effect.provide(layer(town, { settings: { BACKLOG_RATE: "10" } })))
  })
})
