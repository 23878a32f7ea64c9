/**
 * A product's page, put together from five dependencies at once. Each part degrades by itself, and the page says which
 * did: without reviews or recommendations it is still a page, with a wrong price it would not be.
 */
import { Fallback, type Policy } from "@effect-resilience/core"
import { Data, type Duration, Effect, type Option } from "effect"
import { Catalogue } from "./Catalogue.js"
import { type DependencyFailed, retryAfterOf } from "./Dependency.js"
import type { ProductId, UnknownProduct } from "./Domain.js"
import { StockReads } from "./Inventory.js"
import { Pricing } from "./Pricing.js"
import { Recommendations } from "./Recommendations.js"
import { Reviews } from "./Reviews.js"

export type Degradable = "reviews" | "recommendations" | "stock"

export interface ProductPage {
  readonly id: ProductId
  readonly product: { readonly name: string; readonly description: string }
  readonly price: { readonly amountCents: number; readonly currency: "EUR" }
  readonly reviews: { readonly rating: number; readonly count: number } | null
  readonly recommendations: ReadonlyArray<string>
  readonly stock: { readonly available: boolean; readonly estimated: boolean }
  /** The parts that are not what they should be. */
  readonly degraded: ReadonlyArray<Degradable>
}

/** A part without which there is no page. */
export class PartMissing extends Data.TaggedError("PartMissing")<{
  readonly part: "product" | "price"
  readonly retryAfter: Option.Option<Duration.Duration>
}> {
  override get message() {
    return `the product's ${this.part === "price" ? "price" : "description"} is not available at the moment`
  }
}

const critical = (part: "product" | "price") => (error: UnknownProduct | DependencyFailed | Policy.StandardError) =>
  error._tag === "UnknownProduct" ? error : new PartMissing({ part, retryAfter: retryAfterOf(error) })

const likelyAvailable = { available: true, estimated: true }

/** The page of one product. */
export const find = (id: ProductId) =>
  Effect.gen(function* () {
    const catalogue = yield* Catalogue
    const pricing = yield* Pricing
    const reviews = yield* Reviews
    const recommendations = yield* Recommendations
    const stock = yield* StockReads

    const parts = yield* Effect.all(
      {
        product: Effect.mapError(catalogue.product(id), critical("product")),
        price: Effect.mapError(pricing.price(id), critical("price")),
        reviews: reviews.summary(id).pipe(
          Effect.map(({ count, rating }) => ({ rating, count })),
          Fallback.primary,
          Fallback.tier("none", { kind: "empty" }, () => Effect.succeed(null))
        ),
        recommendations: recommendations.related(id).pipe(
          Fallback.primary,
          Fallback.tier("popular", { kind: "alternate", remote: true }, () => catalogue.popular),
          Fallback.tier("none", { kind: "empty" }, () => Effect.succeed<ReadonlyArray<string>>([]))
        ),
        stock: stock.available(id).pipe(
          Effect.map((available) => ({ available: available > 0, estimated: false })),
          Fallback.primary,
          Fallback.tier("likely", { kind: "static" }, () => Effect.succeed(likelyAvailable))
        )
      },
      { concurrency: "unbounded" }
    )

    const { price, product } = parts
    const degradable: ReadonlyArray<Degradable> = ["reviews", "recommendations", "stock"]
    const page: ProductPage = {
      id,
      product: { name: product.name, description: product.description },
      price: { amountCents: price.amountCents, currency: price.currency },
      reviews: parts.reviews.value,
      recommendations: parts.recommendations.value,
      stock: parts.stock.value,
      degraded: degradable.filter((part) => parts[part].degraded)
    }
    return page
  })
