import { Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Fiber, TestClock } from "effect"
import * as Policies from "../../../examples/order-service/src/Policies.js"
import { ask, layer, order } from "./OrderService.js"
import * as ScriptedDependencies from "./ScriptedDependencies.js"

/** The sockets of the outbound pool. */
const sockets = 100

describe.each([{ hedgeReviews: false }, { hedgeReviews: true }])(
  "the policies, with reviews hedged: $hedgeReviews",
  (hedging) => {
    const options = Policies.options(1, hedging)

    it("together take no more sockets than there are, and pages no more of inventory than a third", () => {
      const { payment, ...others } = options
      const copies = ({ hedge = "none" }: (typeof others)["reviews"]) =>
        hedge === "none" ? 1 : 1 + (hedge.maxHedges ?? 1)
      const permits = Object.values(others).map((each) => each.bulkhead.maxConcurrent * copies(each))
      expect(permits.reduce((sum, each) => sum + each, payment.concurrency.max)).toBe(sockets)
      expect(Policies.stockReads.bulkhead.maxConcurrent * 3).toBeLessThanOrEqual(
        options.inventory.bulkhead.maxConcurrent
      )
    })

    it("are free of traps", () => {
      for (const [name, each] of Object.entries(options)) {
        expect(Policy.explain(name, each).traps, name).toEqual([])
      }
    })

    it("divide the openings of circuits by the scale, and nothing else", () => {
      const tenth = Policies.options(10, hedging)
      expect(Duration.toMillis(tenth.payment.circuitBreaker.openDuration)).toBe(3000)
      expect({ ...tenth.payment, circuitBreaker: 0, retry: 0 }).toEqual({
        ...options.payment,
        circuitBreaker: 0,
        retry: 0
      })
    })
  }
)

describe("a limit", () => {
  it.effect("lets no more than 20 orders at payment, and the others are pending at once", () => {
    const town = ScriptedDependencies.make()
    town.health.payment = "hangs"
    return Effect.gen(function* () {
      const fibers = yield* Effect.forEach(Array.from({ length: 25 }), () => Effect.fork(order()))
      yield* TestClock.adjust("100 millis")
      expect(town.callsTo("payment")).toHaveLength(20)
      const answered = fibers.filter((fiber) => fiber.unsafePoll() !== null)
      expect(answered).toHaveLength(5)
      expect(yield* Effect.forEach(answered, Fiber.join)).toMatchObject(answered.map(() => ({ status: 202 })))
    }).pipe(Effect.provide(layer(town)))
  })

  it.effect("keeps pages from taking all of inventory: orders are reserved while many pages hang", () => {
    const town = ScriptedDependencies.make()
    town.health.inventory = { answersAfter: 700 }
    return Effect.gen(function* () {
      yield* Effect.forEach(Array.from({ length: 60 }), () => Effect.fork(ask("GET", "/products/p1")))
      yield* TestClock.adjust("10 millis")
      expect(town.callsTo("inventory")).toHaveLength(10)
      const fiber = yield* Effect.fork(order())
      yield* TestClock.adjust("1 second")
      expect(yield* Fiber.join(fiber)).toMatchObject({ status: 201, body: { inventory: "reserved" } })
    }).pipe(Effect.provide(layer(town)))
  })
})
