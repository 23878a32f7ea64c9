/**
 * Three ways to run the same handlers over the same clients, chosen by `POLICIES`. They differ in Layers alone: the
 * same Tags come out of each.
 *
 * - `on`: every dependency under its policy, pending orders in the backlog, a budget for the route, limits for who is let in.
 * - `timeouts`: each call is given up after the policy's attempt timeout, by plain `Effect.timeoutFail`; nothing else.
 * - `off`: the bare clients, which wait as long as it takes.
 *
 * Without policies there is no backlog either: an order whose charge fails is an error.
 */
import { Policy, Timeout } from "@effect-resilience/core"
import { Duration, Effect, Layer, Option } from "effect"
import type { DurationInput } from "effect/Duration"
import * as Admission from "./Admission.js"
import { Catalogue } from "./Catalogue.js"
import { status } from "./Dependency.js"
import { Inventory, StockReads } from "./Inventory.js"
import { Notification } from "./Notification.js"
import * as OrderBudget from "./OrderBudget.js"
import { Payment } from "./Payment.js"
import * as Policies from "./Policies.js"
import { Pricing } from "./Pricing.js"
import { Recommendations } from "./Recommendations.js"
import * as RequestBudget from "./RequestBudget.js"
import { Reviews } from "./Reviews.js"

/** The clients of all dependencies. */
export type Clients = Inventory | Payment | Notification | Catalogue | Pricing | Reviews | Recommendations

const protectedClients = Layer.mergeAll(
  Policy.protectService(Inventory, Policies.InventoryPolicy, {
    status,
    repeatable: ["reserve", "release", "available"]
  }),
  Policy.protectService(Payment, Policies.PaymentPolicy, { status, repeatable: ["charge"] }),
  Policy.protectService(Notification, Policies.NotificationPolicy, { status, repeatable: ["send"] }),
  Policy.protectService(Catalogue, Policies.CataloguePolicy, { status, repeatable: ["product", "popular"] }),
  Policy.protectService(Pricing, Policies.PricingPolicy, { status, repeatable: ["price"] }),
  Policy.protectService(Reviews, Policies.ReviewsPolicy, { status, repeatable: ["summary"] }),
  Policy.protectService(Recommendations, Policies.RecommendationsPolicy, { status, repeatable: ["related"] })
)

const within =
  (policy: string, limit: DurationInput) =>
  <A, E, R>(self: Effect.Effect<A, E, R>) =>
    Effect.timeoutFail(self, {
      duration: limit,
      onTimeout: () => new Timeout.TimedOut({ policy, limit: Duration.decode(limit), retryAfter: Option.none() })
    })

const { inventory, notification, payment, pricing, product, recommendations, reviews } = Policies.options(1)

const timedClients = Layer.mergeAll(
  Layer.effect(
    Inventory,
    Effect.map(Inventory, ({ available, release, reserve }) => {
      const timed = within("inventory", inventory.timeout)
      return {
        available: (id) => timed(available(id)),
        release: (id) => timed(release(id)),
        reserve: (reservation) => timed(reserve(reservation))
      }
    })
  ),
  Layer.effect(
    Payment,
    Effect.map(Payment, ({ charge }) => ({ charge: (order) => within("payment", payment.timeout)(charge(order)) }))
  ),
  Layer.effect(
    Notification,
    Effect.map(Notification, ({ send }) => ({
      send: (notice) => within("notification", notification.timeout)(send(notice))
    }))
  ),
  Layer.effect(
    Catalogue,
    Effect.map(Catalogue, (catalogue) => {
      const timed = within("product", product.timeout)
      return { product: (id) => timed(catalogue.product(id)), popular: timed(catalogue.popular) }
    })
  ),
  Layer.effect(
    Pricing,
    Effect.map(Pricing, ({ price }) => ({ price: (id) => within("pricing", pricing.timeout)(price(id)) }))
  ),
  Layer.effect(
    Reviews,
    Effect.map(Reviews, ({ summary }) => ({ summary: (id) => within("reviews", reviews.timeout)(summary(id)) }))
  ),
  Layer.effect(
    Recommendations,
    Effect.map(Recommendations, ({ related }) => ({
      related: (id) => within("recommendations", recommendations.timeout)(related(id))
    }))
  )
)

const stockReadsBare = Layer.effect(
  StockReads,
  Effect.map(Inventory, ({ available }) => ({ available }))
)

/** Every dependency under its policy. */
export const on = Layer.mergeAll(
  Admission.layer,
  Policies.layerStockReads,
  OrderBudget.layer,
  RequestBudget.layer,
  Policies.layerAttemptLimits
).pipe(Layer.provideMerge(protectedClients), Layer.provideMerge(Policies.layer))

const bareRest = Layer.mergeAll(Admission.layerNone, stockReadsBare, OrderBudget.layerNone, RequestBudget.layerNone)

/** Every call given up after a while. */
export const timeouts = bareRest.pipe(Layer.provideMerge(timedClients))

/** The clients as they are. */
export const off = Layer.merge(bareRest, Layer.context<Clients>())
