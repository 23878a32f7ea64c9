/**
 * Tells customers what became of their orders, fire and forget: nobody waits for a notice, its failure never touches
 * the order, it outlives the request that caused it, and the request's budget does not cut it short.
 */
import { Deadline } from "@effect-resilience/core"
import { Context, Effect, Layer } from "effect"
import { noticeKey, type Order } from "./Domain.js"
import { Notification } from "./Notification.js"

export class Notices extends Context.Tag("order-service/Notices")<
  Notices,
  { readonly send: (order: Order) => Effect.Effect<void> }
>() {}

export const layer = Layer.scoped(
  Notices,
  Effect.gen(function* () {
    const notification = yield* Notification
    // The application's scope, not the request's: it ends the notices that are still under way when the service stops.
    const scope = yield* Effect.scope
    return {
      send: (order: Order) =>
        notification.send({ key: noticeKey(order.id, order.status), orderId: order.id, status: order.status }).pipe(
          Deadline.detached,
          Effect.catchAllCause((cause) => Effect.logDebug("a notice was not sent", cause)),
          // It is forked where an order is being settled, which is uninterruptible, and must not inherit that.
          Effect.interruptible,
          Effect.forkIn(scope),
          Effect.asVoid
        )
    }
  })
)
