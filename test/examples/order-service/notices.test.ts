import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"
import { layer, order } from "./OrderService.js"
import * as ScriptedDependencies from "./ScriptedDependencies.js"

describe("the notice of an order", () => {
  it.effect("does not keep the order waiting", () => {
    const town = ScriptedDependencies.make()
    town.health.notification = "hangs"
    return Effect.gen(function* () {
      const fiber = yield* Effect.fork(order())
      yield* TestClock.adjust("40 millis")
      expect(yield* Fiber.join(fiber)).toMatchObject({ status: 201 })
    }).pipe(Effect.provide(layer(town)))
  })

  it.effect("goes on after its request has ended", () => {
    const town = ScriptedDependencies.make()
    town.health.notification = { answersAfter: 2900 }
    return Effect.gen(function* () {
      const fiber = yield* Effect.fork(order())
      yield* TestClock.adjust("41 millis")
      expect(yield* Fiber.join(fiber)).toMatchObject({ status: 201 })
      expect(town.callsTo("notification")).toMatchObject([{ at: 40, ended: "under way" }])
      yield* TestClock.adjust("10 seconds")
      expect(town.callsTo("notification")).toMatchObject([{ ended: "answered" }])
    }).pipe(Effect.provide(layer(town)))
  })

  it.effect("goes on when its request is interrupted", () => {
    const town = ScriptedDependencies.make()
    town.health.notification = { answersAfter: 2900 }
    return Effect.gen(function* () {
      const fiber = yield* Effect.fork(Effect.zipRight(order(), Effect.never))
      yield* TestClock.adjust("100 millis")
      expect(town.callsTo("notification")).toMatchObject([{ ended: "under way" }])
      yield* Fiber.interrupt(fiber)
      yield* TestClock.adjust("10 seconds")
      expect(town.callsTo("notification")).toMatchObject([{ ended: "answered" }])
    }).pipe(Effect.provide(layer(town)))
  })

  it.effect("is not cut short by the end of the route's budget", () => {
    const town = ScriptedDependencies.make()
    town.health.inventory = { answersAfter: 800 }
    town.health.payment = { answersAfter: 1900 }
    town.health.notification = { answersAfter: 2900 }
    return Effect.gen(function* () {
      const fiber = yield* Effect.fork(order())
      yield* TestClock.adjust("2701 millis")
      expect(yield* Fiber.join(fiber)).toMatchObject({ status: 201 })
      yield* TestClock.adjust("2300 millis")
      expect(town.callsTo("notification")).toMatchObject([{ at: 2700, ended: "under way" }])
      yield* TestClock.adjust("10 seconds")
      expect(town.callsTo("notification")).toMatchObject([{ ended: "answered" }])
    }).pipe(Effect.provide(layer(town)))
  })

  it.effect("is repeated for far longer than the request could last", () => {
    const town = ScriptedDependencies.make()
    town.health.notification = "hangs"
    return Effect.gen(function* () {
      const fiber = yield* Effect.fork(order())
      yield* TestClock.adjust("40 millis")
      expect(yield* Fiber.join(fiber)).toMatchObject({ status: 201 })
      yield* TestClock.adjust("60 seconds")
      const calls = town.callsTo("notification")
      expect(calls).toHaveLength(4)
      // Three whole attempts of three seconds lie before the last one: the budget of five seconds did not reach it.
      expect(calls[3]?.at).toBeGreaterThanOrEqual(40 + 3 * 3000)
    }).pipe(Effect.provide(layer(town)))
  })
})
