/** The inventory dependency: reserves stock for orders and tells what there is. */
import type { Policy } from "@effect-resilience/core"
import { HttpClientRequest } from "@effect/platform"
import { Config, Context, Effect, Layer, Option, Schema } from "effect"
import * as Dependency from "./Dependency.js"
import { type OrderId, OutOfStock, type ProductId, UnknownProduct } from "./Domain.js"

export interface Reservation {
  readonly orderId: OrderId
  readonly productId: ProductId
  readonly quantity: number
}

type Failed = Dependency.DependencyFailed | Policy.StandardError

/** Reserving and releasing are idempotent by the order's id, so every method may be repeated. */
export class Inventory extends Context.Tag("order-service/Inventory")<
  Inventory,
  {
    readonly reserve: (reservation: Reservation) => Effect.Effect<void, UnknownProduct | OutOfStock | Failed>
    readonly release: (id: OrderId) => Effect.Effect<void, Failed>
    readonly available: (id: ProductId) => Effect.Effect<number, UnknownProduct | Failed>
  }
>() {}

/** The same reads of stock, for product pages: a policy of their own keeps pages from taking all of inventory. */
export class StockReads extends Context.Tag("order-service/StockReads")<
  StockReads,
  { readonly available: (id: ProductId) => Effect.Effect<number, UnknownProduct | Failed> }
>() {}

const Reserved = Schema.parseJson(Schema.Struct({ orderId: Schema.String, reserved: Schema.Literal(true) }))
const Stock = Schema.parseJson(Schema.Struct({ productId: Schema.String, available: Schema.NonNegativeInt }))

/** The real client. */
export const layerHttp = Layer.effect(
  Inventory,
  Effect.map(Dependency.make("inventory", Config.string("INVENTORY_URL")), ({ ask, tell }) => ({
    reserve: (reservation: Reservation) =>
      ask(
        HttpClientRequest.post("/reservations").pipe(HttpClientRequest.bodyUnsafeJson(reservation)),
        Reserved,
        (status): Option.Option<UnknownProduct | OutOfStock> => {
          if (status === 404) return Option.some(new UnknownProduct({ productId: reservation.productId }))
          if (status === 409) return Option.some(new OutOfStock({ productId: reservation.productId }))
          return Option.none()
        }
      ).pipe(Effect.asVoid),
    release: (id: OrderId) => tell(HttpClientRequest.del(`/reservations/${encodeURIComponent(id)}`)),
    available: (productId: ProductId) =>
      ask(HttpClientRequest.get(`/stock/${encodeURIComponent(productId)}`), Stock, (status) =>
        status === 404 ? Option.some(new UnknownProduct({ productId })) : Option.none()
      ).pipe(Effect.map((stock) => stock.available))
  }))
)
