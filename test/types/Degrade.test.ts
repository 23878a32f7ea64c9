import { Degrade, Fallback } from "@effect-resilience/core"
import { describe, expectTypeOf, it } from "@effect/vitest"
import { Context, Data, Effect, type Option } from "effect"

class NotFound extends Data.TaggedError("NotFound") {}
class ReviewsDown extends Data.TaggedError("ReviewsDown") {}
class StockDown extends Data.TaggedError("StockDown") {}

class Db extends Context.Tag("test/Db")<Db, { readonly find: Effect.Effect<{ readonly id: string }, NotFound> }>() {}
class Web extends Context.Tag("test/Web")<Web, { readonly reviews: Effect.Effect<readonly string[], ReviewsDown> }>() {}

const product = Effect.flatMap(Db, ({ find }) => find)
const reviews = Effect.flatMap(Web, (web) => web.reviews)
const stock = (): Effect.Effect<number, StockDown> => Effect.succeed(1)

describe("the type of an answer of several parts", () => {
  it("has critical parts as they are and the others as what may be missing; fails as the critical ones do", () => {
    const page = Degrade.all({
      product: Degrade.critical(product),
      reviews: Degrade.optional(reviews),
      stock: Degrade.important(stock())
    })
    interface Page {
      readonly product: { readonly id: string }
      readonly reviews: Option.Option<readonly string[]>
      readonly stock: Option.Option<number>
    }
    type Parts = "product" | "reviews" | "stock"
    expectTypeOf(page).branded.toEqualTypeOf<Effect.Effect<Degrade.Degraded<Page, Parts>, NotFound, Db | Web>>()
  })

  it("cannot fail without a critical part that can", () => {
    const page = Degrade.all({
      reviews: Degrade.optional(reviews),
      product: Degrade.critical(Effect.succeed("a book"))
    })
    expectTypeOf<Effect.Effect.Error<typeof page>>().toEqualTypeOf<never>()
    expectTypeOf<Effect.Effect.Context<typeof page>>().toEqualTypeOf<Web>()
  })

  it("keeps what a chain says of itself", () => {
    const chain = reviews.pipe(
      Fallback.primary,
      Fallback.tier("none", () => Effect.succeed(null))
    )
    const page = Degrade.all({ reviews: Degrade.critical(chain) })
    type Reviews = Effect.Effect.Success<typeof page>["value"]["reviews"]
    expectTypeOf<Reviews>().toEqualTypeOf<Fallback.Served<readonly string[] | null>>()
  })

  it("refuses a part that does not say how much it matters", () => {
    // @ts-expect-error an effect is no part
    void Degrade.all({ product })
  })
})
