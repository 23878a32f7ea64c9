/** The notification dependency: tells the customer what became of an order. */
import type { Policy } from "@effect-resilience/core"
import { HttpClientRequest } from "@effect/platform"
import { Config, Context, Effect, Layer } from "effect"
import * as Dependency from "./Dependency.js"
import type { OrderId, OrderStatus } from "./Domain.js"

export interface Notice {
  readonly key: string
  readonly orderId: OrderId
  readonly status: OrderStatus
}

/** Deduplicated by the key, so a notice may be sent again. */
export class Notification extends Context.Tag("order-service/Notification")<
  Notification,
  { readonly send: (notice: Notice) => Effect.Effect<void, Dependency.DependencyFailed | Policy.StandardError> }
>() {}

/** The real client. */
export const layerHttp = Layer.effect(
  Notification,
  Effect.map(Dependency.make("notification", Config.string("NOTIFICATION_URL")), ({ tell }) => ({
    send: ({ key, orderId, status }: Notice) =>
      tell(
        HttpClientRequest.post("/notifications").pipe(
          HttpClientRequest.setHeader("idempotency-key", key),
          HttpClientRequest.bodyUnsafeJson({ orderId, status })
        )
      )
  }))
)
