/**
 * The policy of each dependency, a Layer of its own. The bulkheads together take no more than the 100 sockets of the
 * outbound pool, so that no dependency, however slow, can keep another from getting one:
 *
 *     inventory 30 + payment 20 + notification 10 + product 10 + pricing 10 + reviews 10 + recommendations 10 = 100
 *
 * Product pages ask inventory too, but through a bulkhead of 10 of their own inside inventory's 30: pages can never
 * take all of what orders need, and no socket is counted twice.
 *
 * Payment's 20 are the most of a limit that is learned from how long charges take.
 */
import { type AdaptiveLimiter, Backoff, Bulkhead, CircuitBreaker, Deadline, Policy } from "@effect-resilience/core"
import { Config, Context, Duration, Effect, Layer } from "effect"
import { AttemptLimits } from "./Dependency.js"
import type { ProductId } from "./Domain.js"
import { Inventory, StockReads } from "./Inventory.js"

export class InventoryPolicy extends Context.Tag("order-service/InventoryPolicy")<InventoryPolicy, Policy.Standard>() {}
export class PaymentPolicy extends Context.Tag("order-service/PaymentPolicy")<PaymentPolicy, Policy.Standard>() {}
export class NotificationPolicy extends Context.Tag("order-service/NotificationPolicy")<
  NotificationPolicy,
  Policy.Standard
>() {}
export class CataloguePolicy extends Context.Tag("order-service/CataloguePolicy")<CataloguePolicy, Policy.Standard>() {}
export class PricingPolicy extends Context.Tag("order-service/PricingPolicy")<PricingPolicy, Policy.Standard>() {}
export class ReviewsPolicy extends Context.Tag("order-service/ReviewsPolicy")<ReviewsPolicy, Policy.Standard>() {}
export class RecommendationsPolicy extends Context.Tag("order-service/RecommendationsPolicy")<
  RecommendationsPolicy,
  Policy.Standard
>() {}

const pool = { name: "outbound", size: 100 }

/** What each policy here says for itself. */
interface Options extends Policy.StandardOptions {
  readonly timeout: Duration.DurationInput
  readonly circuitBreaker: CircuitBreaker.Options & { readonly openDuration: Duration.Duration }
}

interface Fixed extends Options {
  readonly bulkhead: Bulkhead.Options
}

interface Learned extends Options {
  readonly concurrency: AdaptiveLimiter.Options & { readonly max: number }
}

type Name = "inventory" | "notification" | "product" | "pricing" | "reviews" | "recommendations"

/** A page's part is worth one quick repetition and no more: the customer sees the page when its slowest part is there. */
const pagePart = (openDuration: Duration.Duration): Fixed => ({
  deadline: "900 millis",
  timeout: "400 millis",
  retry: { maxRetries: 1, backoff: Backoff.fullJitter({ base: "20 millis", cap: "20 millis" }) },
  // One call in two hundred fails on a good day, and a busy machine is late at times: only a rate well above both,
  // over enough calls, tells an outage from that. A dependency that is gone fails every call.
  circuitBreaker: {
    tripPolicy: CircuitBreaker.rate({ threshold: 0.7, window: CircuitBreaker.time("10 seconds"), minimumCalls: 40 }),
    openDuration
  },
  // A short line for the moments in which many pages come at once.
  bulkhead: { maxConcurrent: 10, maxQueue: 20, maxWait: "200 millis" },
  pool
})

/** The slowest part at times: in the place of a repetition a second copy, each with a socket of its own. */
const hedged = (part: Fixed): Fixed => ({
  ...part,
  retry: "none",
  // Of what takes longer than nearly all do, or has failed.
  hedge: { delay: { quantile: 0.95, initial: "200 millis", min: "50 millis" }, idempotent: true },
  bulkhead: { ...part.bulkhead, maxConcurrent: part.bulkhead.maxConcurrent / 2 }
})

/** The options of every policy; the openings are divided by `scale`, and calls for reviews may be hedged. */
export const options = (
  scale: number,
  { hedgeReviews = false } = {}
): Record<Name, Fixed> & { readonly payment: Learned } => {
  const open = (duration: Duration.DurationInput) => Duration.times(duration, 1 / scale)
  return {
    inventory: {
      deadline: "2 seconds",
      timeout: "900 millis",
      retry: { maxRetries: 1, backoff: Backoff.fullJitter({ base: "100 millis", cap: "1 second" }) },
      circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(10), openDuration: open("15 seconds") },
      bulkhead: { maxConcurrent: 30 },
      pool
    },
    payment: {
      deadline: "4500 millis",
      timeout: "2 seconds",
      retry: { maxRetries: 1, backoff: Backoff.fullJitter({ base: "200 millis", cap: "2 seconds" }) },
      circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(5), openDuration: open("30 seconds") },
      // Orders and backlog together: when payment is slow or fails, repetitions are a tenth more for it to do, not twice as much.
      retryBudget: { ratio: 0.1, minPerSecond: 1, ttl: "10 seconds" },
      // Half of it is always there: the backlog begins only while less than half is taken.
      concurrency: { min: 10, max: 20, initial: 20 },
      pool
    },
    notification: {
      deadline: "30 seconds",
      timeout: "3 seconds",
      retry: { maxRetries: 3, backoff: Backoff.fullJitter({ base: "2 seconds", cap: "8 seconds" }) },
      circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(5), openDuration: open("60 seconds") },
      bulkhead: { maxConcurrent: 10 },
      pool
    },
    product: pagePart(open("15 seconds")),
    // Asked by other shops too: what it would refuse anyway is not even sent, before the circuit opens.
    pricing: { ...pagePart(open("15 seconds")), throttle: { window: "10 seconds" } },
    reviews: hedgeReviews ? hedged(pagePart(open("15 seconds"))) : pagePart(open("15 seconds")),
    recommendations: pagePart(open("15 seconds"))
  }
}

/** How the openings of all circuits are divided: the demo plays eight minutes in thirty seconds. */
const openingScale = Config.number("OPENING_SCALE").pipe(
  Config.withDefault(1),
  Config.validate({ message: "expected a number above 0", validation: (scale) => scale > 0 })
)

/** A second copy of each slow call is work that reviews must be able to bear, and costs this process some as well. */
const hedgeReviews = Config.boolean("HEDGE_REVIEWS").pipe(Config.withDefault(false))

/** Every dependency's policy. */
export const layer = Layer.unwrapEffect(
  Effect.map(Config.all([openingScale, hedgeReviews]), ([scale, hedges]) => {
    const of = options(scale, { hedgeReviews: hedges })
    const { inventory, notification, payment, pricing, product, recommendations, reviews } = of
    return Layer.mergeAll(
      Policy.layer(InventoryPolicy, "inventory", inventory),
      Policy.layer(PaymentPolicy, "payment", payment),
      Policy.layer(NotificationPolicy, "notification", notification),
      Policy.layer(CataloguePolicy, "product", product),
      Policy.layer(PricingPolicy, "pricing", pricing),
      Policy.layer(ReviewsPolicy, "reviews", reviews),
      Policy.layer(RecommendationsPolicy, "recommendations", recommendations)
    )
  })
)

/** What calls carry on the wire of their attempts' limits. */
export const layerAttemptLimits = Layer.sync(AttemptLimits, () => {
  const limits = Object.entries(options(1)).map(([name, { timeout }]) => [name, Duration.toMillis(timeout)] as const)
  return new Map(limits)
})

/** How much of inventory's 30 pages may use at a time, and for how long. */
export const stockReads = {
  bulkhead: { maxConcurrent: 10, maxQueue: 20, maxWait: "200 millis" },
  budget: "800 millis"
} as const

/** Product pages' reads of stock: their own bulkhead and budget outside inventory's policy. */
export const layerStockReads = Layer.scoped(
  StockReads,
  Effect.gen(function* () {
    const inventory = yield* Inventory
    const bulkhead = yield* Bulkhead.make("stock-reads", stockReads.bulkhead)
    const budget = yield* Deadline.make("stock-reads", stockReads.budget)
    return {
      available: (id: ProductId) => inventory.available(id).pipe(bulkhead.protect, budget.protect)
    }
  })
)
