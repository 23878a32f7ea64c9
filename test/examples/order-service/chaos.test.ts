/** Chaos in the order service: between the bare clients and their policies, off unless asked, and over when it should be. */
import { VirtualTime } from "@effect-resilience/chaos"
import { describe, expect, it } from "@effect/vitest"
import { Clock, ConfigProvider, Context, Effect, Exit, Layer, Predicate } from "effect"
import * as Chaos from "../../../examples/order-service/src/Chaos.js"
import { Catalogue } from "../../../examples/order-service/src/Catalogue.js"
import { Inventory } from "../../../examples/order-service/src/Inventory.js"
import { Notification } from "../../../examples/order-service/src/Notification.js"
import { Payment } from "../../../examples/order-service/src/Payment.js"
import { Pricing } from "../../../examples/order-service/src/Pricing.js"
import { Recommendations } from "../../../examples/order-service/src/Recommendations.js"
import { Reviews } from "../../../examples/order-service/src/Reviews.js"
import { type Answer, ask, layer, order } from "./OrderService.js"
import * as ScriptedDependencies from "./ScriptedDependencies.js"

const environment = (settings: Readonly<Record<string, string>>) =>
  Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(settings))))

const experiment = { CHAOS_ENABLED: "true", CHAOS_FAILURE_RATE: "0.3", CHAOS_LATENCY_MS: "500" }

/** Each of the bare clients, and what is between it and the service. */
const pairs = (settings: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    const bare = yield* Layer.build(ScriptedDependencies.make().layer)
    const over = yield* Layer.build(Layer.provide(Chaos.over(Layer.succeedContext(bare)), environment(settings)))
    const of = <I, S>(tag: Context.Tag<I, S>, from: Context.Context<I>, to: Context.Context<I>) =>
      Context.get(to, tag) === Context.get(from, tag)
    return [
      of(Inventory, bare, over),
      of(Payment, bare, over),
      of(Notification, bare, over),
      of(Catalogue, bare, over),
      of(Pricing, bare, over),
      of(Reviews, bare, over),
      of(Recommendations, bare, over)
    ]
  })

const isDegraded = ({ body }: Answer) => Predicate.hasProperty(body, "degraded") && String(body.degraded) !== ""

describe("chaos in the order service", () => {
  it.scoped("without its flag leaves the very same clients, whatever else is set", () =>
    Effect.gen(function* () {
      const same = Array.from({ length: 7 }, () => true)
      expect(yield* pairs({})).toEqual(same)
      expect(yield* pairs({ CHAOS_FAILURE_RATE: "0.3", CHAOS_LATENCY_MS: "500" })).toEqual(same)
      expect(yield* pairs({ ...experiment, NODE_ENV: "staging" })).toEqual(same.map(() => false))
      const one = yield* pairs({ ...experiment, NODE_ENV: "staging", CHAOS_SERVICES: "reviews" })
      expect(one).toEqual([true, true, true, true, true, false, true])
    })
  )

  it.scoped("keeps a process from starting that does not say it is for tests or staging, by the variable's name", () =>
    Effect.gen(function* () {
      for (const where of [{}, { NODE_ENV: "production" }]) {
        const exit = yield* Effect.exit(pairs({ ...experiment, ...where }))
        expect(Exit.isFailure(exit) && String(exit.cause)).toContain("NODE_ENV")
      }
    })
  )

  it.effect("limited to what a page can do without, leaves a page that says what it is without", () =>
    Effect.gen(function* () {
      const town = ScriptedDependencies.make()
      const settings = { ...experiment, NODE_ENV: "staging", CHAOS_SERVICES: "reviews,recommendations" }
      const clients = Layer.provide(Chaos.over(town.layer), environment(settings))
      const page = VirtualTime.run(
        Effect.provide(ask("GET", "/products/p5"), layer({ ...town, layer: Layer.orDie(clients) }))
      )
      expect(yield* page).toMatchObject({
        status: 200,
        body: { reviews: null, recommendations: ["p1", "p2", "p3"], degraded: ["reviews", "recommendations"] }
      })
      expect([town.callsTo("reviews").length, town.callsTo("popular").length]).toEqual([0, 1])
    })
  )

  it.effect("degrades pages while it lasts, and is over at the time that was set", () =>
    Effect.gen(function* () {
      const town = ScriptedDependencies.make()
      const settings = { ...experiment, NODE_ENV: "staging", CHAOS_UNTIL: "1970-01-01T00:01:00Z" }
      const clients = Layer.provide(Chaos.over(town.layer), environment(settings))
      const pages = (count: number) => Effect.replicateEffect(ask("GET", "/products/p5"), count)
      const played = Effect.gen(function* () {
        const during = yield* pages(30)
        expect(yield* Clock.currentTimeMillis).toBeLessThan(60_000)
        // Half a second is more than a part of a page may take: it is without what can be done without, or there is none.
        expect(during.filter((page) => page.status !== 503 && !isDegraded(page))).toEqual([])
        // Time for the last opening of a circuit to end.
        yield* Effect.sleep("80 seconds")
        const after = yield* pages(30)
        expect(after.filter((page) => page.status !== 200 || isDegraded(page))).toEqual([])
        expect(yield* order()).toMatchObject({ status: 201 })
      })
      yield* VirtualTime.run(Effect.provide(played, layer({ ...town, layer: Layer.orDie(clients) })))
    })
  )
})
