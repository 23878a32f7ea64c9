/**
 * A product's page, put together from five dependencies at once. Each part degrades by itself, and the page says which
 * did: without reviews or recommendations it is still a page, with a wrong price it would not be.
 */
import { Degrade, Fallback, type Policy } from "@effect-resilience/core"
import { Data, type Duration, Effect, Option } from "effect"
import { Catalogue } from "./Catalogue.js"
import { type DependencyFailed, retryAfterOf } from "./Dependency.js"
import type { ProductId, UnknownProduct } from "./Domain.js"
import { StockReads } from "./Inventory.js"
import { Pricing } from "./Pricing.js"
import { Recommendations } from "./Recommendations.js"
import { Reviews } from "./Reviews.js"

export interface ProductPage {
  readonly id: ProductId
  readonly product: { readonly name: string; readonly description: string }
  readonly price: { readonly amountCents: number; readonly currency: "EUR" }
  readonly reviews: { readonly rating: number; readonly count: number } | null
  readonly recommendations: ReadonlyArray<string>
  readonly stock: { readonly available: boolean; readonly estimated: boolean }
  /** The parts that are not what they should be. */
  readonly degraded: ReadonlyArray<string>
}

type Part = "product" | "price" | "recommendations"

const words: Record<Part, string> = {
  product: "description is not available",
  price: "price is not available",
  recommendations: "recommendations are not available"
}

/** A part without which there is no page, or no answer. */
export class PartMissing extends Data.TaggedError("PartMissing")<{
  readonly part: Part
  readonly retryAfter: Option.Option<Duration.Duration>
}> {
  override get message() {
    return `the product's ${words[this.part]} at the moment`
  }
}

const missing = (part: Part) => (error: UnknownProduct | DependencyFailed | Policy.StandardError) =>
  error._tag === "UnknownProduct" ? error : new PartMissing({ part, retryAfter: retryAfterOf(error) })

/** The page of one product. */
export const find = (id: ProductId) =>
  Effect.gen(function* () {
    const catalogue = yield* Catalogue
    const pricing = yield* Pricing
    const reviews = yield* Reviews
    const recommendations = yield* Recommendations
    const stock = yield* StockReads

    const recommended = recommendations.related(id).pipe(
      Fallback.primary,
      Fallback.tier("popular", { kind: "alternate", remote: true, policy: "product" }, () => catalogue.popular)
    )
    const { degraded, value } = yield* Degrade.all({
      product: Degrade.critical(Effect.mapError(catalogue.product(id), missing("product"))),
      price: Degrade.critical(Effect.mapError(pricing.price(id), missing("price"))),
      reviews: Degrade.optional(reviews.summary(id)),
      recommendations: Degrade.optional(recommended),
      stock: Degrade.important(stock.available(id))
    })

    const { price, product } = value
    const page: ProductPage = {
      id,
      product: { name: product.name, description: product.description },
      price: { amountCents: price.amountCents, currency: price.currency },
      reviews: Option.getOrNull(Option.map(value.reviews, ({ count, rating }) => ({ rating, count }))),
      recommendations: Option.match(value.recommendations, { onNone: () => [], onSome: (served) => served.value }),
      // Whoever cannot be told is let order: the reservation finds out.
      stock: Option.match(value.stock, {
        onNone: () => ({ available: true, estimated: true }),
        onSome: (available) => ({ available: available > 0, estimated: false })
      }),
      degraded
    }
    return page
  })

/**
 * What goes with a product, by itself. Without a substitute, unlike on a page: who asks for this alone can do without, and
 * what is popular would be one more call while there may be too many.
 */
export const recommended = (id: ProductId) =>
  Effect.gen(function* () {
    const { related } = yield* Recommendations
    return { id, recommendations: yield* Effect.mapError(related(id), missing("recommendations")) }
  })
