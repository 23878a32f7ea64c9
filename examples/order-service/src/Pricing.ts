/** The pricing dependency. */
import type { Policy } from "@effect-resilience/core"
import { HttpClientRequest } from "@effect/platform"
import { Config, Context, Effect, Layer, Option, Schema } from "effect"
import * as Dependency from "./Dependency.js"
import { type ProductId, UnknownProduct } from "./Domain.js"

const Price = Schema.parseJson(
  Schema.Struct({
    id: Schema.String,
    amountCents: Schema.Int.pipe(Schema.positive()),
    currency: Schema.Literal("EUR")
  })
)
export type Price = typeof Price.Type

export class Pricing extends Context.Tag("order-service/Pricing")<
  Pricing,
  {
    readonly price: (
      id: ProductId
    ) => Effect.Effect<Price, UnknownProduct | Dependency.DependencyFailed | Policy.StandardError>
  }
>() {}

/** The real client. The price of another product than the one asked for is no price. */
export const layerHttp = Layer.effect(
  Pricing,
  Effect.map(Dependency.make("pricing", Config.string("PRICING_URL")), ({ ask, unreadable }) => ({
    price: (productId: ProductId) =>
      ask(HttpClientRequest.get(`/prices/${encodeURIComponent(productId)}`), Price, (status) =>
        status === 404 ? Option.some(new UnknownProduct({ productId })) : Option.none()
      ).pipe(Effect.filterOrFail((price) => price.id === productId, unreadable))
  }))
)
