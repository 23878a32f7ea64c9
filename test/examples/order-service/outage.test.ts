/**
 * The whole outage in virtual time: eight minutes of orders and pages, through the application's own Layers. Payment is
 * well for a minute, slow for three, gone for two, and back. Every time below follows from the policies' numbers.
 */
import type { Telemetry } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Random, TestClock } from "effect"
import { ask, layer, order } from "./OrderService.js"
import * as ScriptedDependencies from "./ScriptedDependencies.js"

const seconds = 1000

const orderEvery = 10 * seconds
const end = 480 * seconds
const orders = Array.from({ length: end / orderEvery }, (_, n) => n * orderEvery)

describe("the outage of payment", () => {
  it.effect(
    "opens, probes and closes one circuit at the expected milliseconds, and every order is charged once",
    () => {
      const town = ScriptedDependencies.make()
      const changes: Array<readonly [at: number, policy: string, from: string, to: string]> = []
      const publish = (event: Telemetry.Event) => {
        if (event._tag === "CircuitChanged") changes.push([event.at, event.policy, event.from, event.to])
      }

      const weather = Effect.gen(function* () {
        town.health.payment = { answersAfter: 50 }
        yield* Effect.sleep(60 * seconds)
        town.health.payment = { answersAfter: 5 * seconds }
        yield* Effect.sleep(180 * seconds)
        town.health.payment = "refuses"
        yield* Effect.sleep(120 * seconds)
        town.health.payment = { answersAfter: 50 }
      })

      const timed = <A, E, R>(request: Effect.Effect<A, E, R>, at: number) =>
        Effect.gen(function* () {
          yield* Effect.sleep(at)
          const answer = yield* request
          return { answer, took: (yield* Clock.currentTimeMillis) - at }
        })

      return Effect.gen(function* () {
        yield* Effect.fork(weather)
        const placing = yield* Effect.fork(
          Effect.forEach(orders, (at) => timed(order(), at), { concurrency: "unbounded" })
        )
        // Off the beat of the orders.
        const reading = yield* Effect.fork(
          Effect.forEach(orders, (at) => timed(ask("GET", "/products/p5"), at + 5 * seconds), {
            concurrency: "unbounded"
          })
        )
        yield* TestClock.adjust(end + 10 * seconds)
        const placed = yield* Fiber.join(placing)
        const pages = yield* Fiber.join(reading)

        // Slow from 60.000 on. The order of 60.020 fails after two attempts of 2 s and a wait of 100 ms, at 64.120. The
        // backlog tries it twice more and the order of 70.020 fails as well, before the backlog's third try is the
        // fifth failure in a row. Each opening lasts 30 s; a slow probe fails after 2 s, a refused one at once.
        const probes = [108420, 140420, 172420, 204420, 236420, 268420, 298420, 328420, 358420, 388420]
        const probeTook = (at: number) => (at < 240 * seconds ? 2000 : at < 360 * seconds ? 0 : 50)
        expect(changes).toEqual([
          [78420, "payment", "Closed", "Open"],
          ...probes.flatMap((at) => [
            [at, "payment", "Open", "HalfOpen"],
            [at + probeTook(at), "payment", "HalfOpen", at < 360 * seconds ? "Open" : "Closed"]
          ])
        ])

        // While the circuit was not closed only probes reached payment.
        const calls = town.callsTo("payment")
        expect(calls.filter(({ at }) => at > 78420 && at < 388470).map(({ at }) => at)).toEqual(probes)
        // Six orders before the outage, ten attempts until the circuit opened, ten probes, the 32 orders that then were
        // still pending, and the nine that came after.
        expect(calls).toHaveLength(6 + 10 + 10 + 32 + 9)

        // Nobody was kept waiting longer than two attempts take, and with the circuit open not at all.
        expect(placed.map(({ answer }) => answer.status)).toEqual(
          orders.map((at) => (at < 60 * seconds || at >= 390 * seconds ? 201 : 202))
        )
        expect(placed.map(({ took }) => took)).toEqual(
          orders.map((at) => {
            if (at < 60 * seconds || at >= 390 * seconds) return 20 + 50
            return at < 78420 ? 20 + 2000 + 100 + 2000 : 20
          })
        )

        // Everybody was charged in the end, once.
        for (const n of orders.keys()) {
          expect(yield* ask("GET", `/orders/order-${n + 1}`)).toMatchObject({ body: { status: "confirmed" } })
        }
        expect(town.charges.size).toBe(orders.length)
        expect([...town.charges.values()].every((keys) => keys.size === 1)).toBe(true)

        // Pages never noticed.
        expect(pages.every(({ answer, took }) => answer.status === 200 && took === 20)).toBe(true)
        expect(pages.every(({ answer }) => JSON.stringify(answer.body).endsWith('"degraded":[]}'))).toBe(true)
      }).pipe(Effect.provide(layer(town, { publish })), Effect.withRandom(Random.fixed([0.5])))
    }
  )
})
