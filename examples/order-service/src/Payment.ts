/** The payment dependency: charges an order, once for a key however often it is asked. */
import type { Policy } from "@effect-resilience/core"
import { HttpClientRequest } from "@effect/platform"
import { Config, Context, Effect, Layer, Option, Schema } from "effect"
import * as Dependency from "./Dependency.js"
import { type OrderId, PaymentDeclined } from "./Domain.js"

export interface Charge {
  readonly key: string
  readonly orderId: OrderId
  readonly amountCents: number
}

export interface Receipt {
  readonly chargeId: string
}

/** Payment deduplicates by the key, also while the first attempt still runs; so a charge may be repeated. */
export class Payment extends Context.Tag("order-service/Payment")<
  Payment,
  {
    readonly charge: (
      charge: Charge
    ) => Effect.Effect<Receipt, PaymentDeclined | Dependency.DependencyFailed | Policy.StandardError>
  }
>() {}

const Charged = Schema.parseJson(
  Schema.Struct({ chargeId: Schema.String, orderId: Schema.String, amountCents: Schema.Int })
)
const Declined = Schema.parseJson(Schema.Struct({ reason: Schema.String }))

const declined = (body: string): PaymentDeclined =>
  new PaymentDeclined({
    reason: Option.match(Schema.decodeOption(Declined)(body), {
      onNone: () => "no reason given",
      onSome: ({ reason }) => reason
    })
  })

/** The real client. */
export const layerHttp = Layer.effect(
  Payment,
  Effect.map(Dependency.make("payment", Config.string("PAYMENT_URL")), ({ ask }) => ({
    charge: ({ amountCents, key, orderId }: Charge) =>
      ask(
        HttpClientRequest.post("/charges").pipe(
          HttpClientRequest.setHeader("idempotency-key", key),
          HttpClientRequest.bodyUnsafeJson({ orderId, amountCents })
        ),
        Charged,
        (status, body) => (status === 402 ? Option.some(declined(body)) : Option.none())
      )
  }))
)
