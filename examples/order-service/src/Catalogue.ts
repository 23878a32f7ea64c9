/** The product dependency: what a product is, and which ones are popular. */
import type { Policy } from "@effect-resilience/core"
import { HttpClientRequest } from "@effect/platform"
import { Config, Context, Effect, Layer, Option, Schema } from "effect"
import * as Dependency from "./Dependency.js"
import { type ProductId, UnknownProduct } from "./Domain.js"

const Product = Schema.parseJson(Schema.Struct({ id: Schema.String, name: Schema.String, description: Schema.String }))
export type Product = typeof Product.Type

const Popular = Schema.parseJson(Schema.Struct({ items: Schema.Array(Schema.String) }))

type Failed = Dependency.DependencyFailed | Policy.StandardError

export class Catalogue extends Context.Tag("order-service/Catalogue")<
  Catalogue,
  {
    readonly product: (id: ProductId) => Effect.Effect<Product, UnknownProduct | Failed>
    readonly popular: Effect.Effect<ReadonlyArray<string>, Failed>
  }
>() {}

/** The real client. */
export const layerHttp = Layer.effect(
  Catalogue,
  Effect.map(Dependency.make("product", Config.string("PRODUCT_URL")), ({ ask }) => ({
    product: (productId: ProductId) =>
      ask(HttpClientRequest.get(`/products/${encodeURIComponent(productId)}`), Product, (status) =>
        status === 404 ? Option.some(new UnknownProduct({ productId })) : Option.none()
      ),
    popular: Effect.map(ask(HttpClientRequest.get("/popular"), Popular), ({ items }) => items)
  }))
)
