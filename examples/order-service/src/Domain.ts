/**
 * What an order is, what the service's own API takes, and the keys under which an order's side effects happen once.
 */
import { Outcome } from "@effect-resilience/core"
import { Data, Schema } from "effect"

/** A product's name in the catalogue. Its length is bounded, because it comes from outside and travels on in URLs. */
export const ProductId = Schema.NonEmptyString.pipe(Schema.maxLength(64), Schema.brand("ProductId"))
export type ProductId = typeof ProductId.Type

export const OrderId = Schema.NonEmptyString.pipe(Schema.maxLength(64), Schema.brand("OrderId"))
export type OrderId = typeof OrderId.Type

/** The body of `POST /orders`. */
export const OrderRequest = Schema.Struct({
  productId: ProductId,
  quantity: Schema.Int.pipe(Schema.between(1, 100)),
  amountCents: Schema.Int.pipe(Schema.positive())
})
export type OrderRequest = typeof OrderRequest.Type

/** `estimated`: inventory could not be asked, the order was accepted on the assumption that there is stock. */
export const InventoryState = Schema.Literal("reserved", "estimated")
export type InventoryState = typeof InventoryState.Type

export type OrderStatus = "pending" | "confirmed" | "rejected"

/** An order as the service knows it. `released`: the stock of a rejected order has been given back. */
export interface Order extends OrderRequest {
  readonly id: OrderId
  readonly status: OrderStatus
  readonly inventory: InventoryState
  readonly reason?: string
  readonly released: boolean
}

/**
 * The key of an order's charge: a function of the order's id and of nothing else, so that the first attempt, a retry,
 * the backlog and a restarted process all ask for the same charge.
 */
export const chargeKey = (id: OrderId): string => `charge-${id}`

/** The key of the notice that an order reached a status. */
export const noticeKey = (id: OrderId, status: OrderStatus): string => `notice-${id}-${status}`

/** The product does not exist. An answer, not a failure of the dependency that gave it. */
export class UnknownProduct extends Data.TaggedError("UnknownProduct")<{ readonly productId: ProductId }> {
  readonly [Outcome.OutcomeTypeId] = Outcome.success
  override get message() {
    return `there is no product ${this.productId}`
  }
}

/** There is not enough stock. An answer, not a failure of inventory. */
export class OutOfStock extends Data.TaggedError("OutOfStock")<{ readonly productId: ProductId }> {
  readonly [Outcome.OutcomeTypeId] = Outcome.success
  override get message() {
    return `product ${this.productId} is out of stock`
  }
}

/** The payment was refused for good: repeating it gives the same answer. */
export class PaymentDeclined extends Data.TaggedError("PaymentDeclined")<{ readonly reason: string }> {
  readonly [Outcome.OutcomeTypeId] = Outcome.success
  override get message() {
    return `the payment was declined: ${this.reason}`
  }
}
