/**
 * Charges a placed order and writes down what came of it. The same for the request that placed it and for the backlog:
 * the same key, so that however often it is done there is one charge.
 *
 * It fails when the outcome of the charge is not known. Then the order is still pending and must be settled again.
 */
import type { Policy } from "@effect-resilience/core"
import { Context, Effect, Layer } from "effect"
import type { DependencyFailed } from "./Dependency.js"
import { chargeKey, type Order, type PaymentDeclined } from "./Domain.js"
import type { JournalFailed } from "./JournalFile.js"
import { Notices } from "./Notices.js"
import { OrderBook } from "./OrderBook.js"
import { Payment, type Receipt } from "./Payment.js"
import { Reservations } from "./Reservations.js"

/** Why the outcome of an order's charge is not known, or not written down. */
export type Unsettled = DependencyFailed | Policy.StandardError | JournalFailed

export class Settlement extends Context.Tag("order-service/Settlement")<
  Settlement,
  {
    /** The order, confirmed or rejected. */
    readonly settle: (order: Order) => Effect.Effect<Order, Unsettled>
  }
>() {}

export const layer = Layer.effect(
  Settlement,
  Effect.gen(function* () {
    const payment = yield* Payment
    const book = yield* OrderBook
    const reservations = yield* Reservations
    const notices = yield* Notices

    const confirm = (order: Order) => (receipt: Receipt) =>
      book.record({ _tag: "Confirmed", id: order.id, chargeId: receipt.chargeId })

    const reject = (order: Order) => (declined: PaymentDeclined) =>
      Effect.zipLeft(
        book.record({ _tag: "Rejected", id: order.id, reason: declined.reason }),
        reservations.release(order.id)
      )

    return {
      // Once payment has answered, the answer is written down, also when the customer has gone meanwhile.
      settle: (order: Order) =>
        Effect.uninterruptibleMask((restore) =>
          restore(payment.charge({ key: chargeKey(order.id), orderId: order.id, amountCents: order.amountCents })).pipe(
            Effect.flatMap(confirm(order)),
            Effect.catchTag("PaymentDeclined", reject(order)),
            Effect.tap(notices.send)
          )
        )
    }
  })
)
