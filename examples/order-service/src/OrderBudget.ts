/** The time that all the work for one `POST /orders` may take together. */
import { Deadline } from "@effect-resilience/core"
import { Context, type Effect, Layer } from "effect"
import { identity } from "effect/Function"

export class OrderBudget extends Context.Tag("order-service/OrderBudget")<
  OrderBudget,
  {
    readonly protect: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | Deadline.DeadlineExceeded, R>
  }
>() {}

export const layer = Layer.scoped(OrderBudget, Deadline.make("orders", "5 seconds"))

/** No budget: whoever waits, waits as long as the slowest dependency. */
export const layerNone = Layer.succeed(OrderBudget, { protect: identity })
