/** The time that all the work for one `POST /orders` may take together: five seconds, or as long as its caller waits. */
import { Deadline } from "@effect-resilience/core"
import { Context, Effect, Layer } from "effect"

export class OrderBudget extends Context.Tag("order-service/OrderBudget")<
  OrderBudget,
  {
    readonly protect: <A, E, R>(
      self: Effect.Effect<A, E, R>,
      callerMillis: number
    ) => Effect.Effect<A, E | Deadline.DeadlineExceeded, R>
  }
>() {}

/** Kept back of what the caller waits, so that it hears what has become of its order. */
const answerMillis = 50

export const layer = Layer.scoped(
  OrderBudget,
  Effect.map(Deadline.make("orders", "5 seconds"), (budget) => ({
    protect: <A, E, R>(self: Effect.Effect<A, E, R>, callerMillis: number) => {
      const millis = Math.max(0, callerMillis - answerMillis)
      return budget.protect(millis === Infinity ? self : Deadline.within(self, "caller", millis))
    }
  }))
)

/** No budget: whoever waits, waits as long as the slowest dependency. */
export const layerNone = Layer.succeed(OrderBudget, {
  protect: <A, E, R>(self: Effect.Effect<A, E, R>) => self
})
