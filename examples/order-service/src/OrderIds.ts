/** Names new orders. A service, so that tests know the names. */
import { Context, Effect, Layer } from "effect"
import { OrderId } from "./Domain.js"

export class OrderIds extends Context.Tag("order-service/OrderIds")<
  OrderIds,
  { readonly next: Effect.Effect<OrderId> }
>() {}

/** Random ones. Nothing else of an order is random: the keys of its side effects follow from its id. */
export const layer = Layer.succeed(OrderIds, {
  next: Effect.sync(() => OrderId.make(crypto.randomUUID()))
})
