/** What the process of the dependencies says and hears over its IPC channel. */
import { Schema } from "effect"

/** `slow`: an answer takes 5 s longer. `refusing`: nothing listens on the port. */
export const Phase = Schema.Literal("normal", "slow", "refusing")
export type Phase = typeof Phase.Type

export const Urls = Schema.Struct({
  INVENTORY_URL: Schema.String,
  PAYMENT_URL: Schema.String,
  NOTIFICATION_URL: Schema.String,
  PRODUCT_URL: Schema.String,
  PRICING_URL: Schema.String,
  REVIEWS_URL: Schema.String,
  RECOMMENDATIONS_URL: Schema.String
})
export type Urls = typeof Urls.Type

export const Command = Schema.Union(
  Schema.TaggedStruct("SetPhase", { phase: Phase }),
  Schema.TaggedStruct("ReportPayment", {})
)
export type Command = typeof Command.Type

export const Notice = Schema.Union(
  Schema.TaggedStruct("Listening", { urls: Urls }),
  Schema.TaggedStruct("PhaseSet", { phase: Phase }),
  Schema.TaggedStruct("PaymentReport", {
    /** Requests that reached payment since it started, and those of them that came while it was not normal. */
    calls: Schema.Int,
    callsDuringOutage: Schema.Int,
    charges: Schema.Int,
    maxChargesPerOrder: Schema.Int
  })
)
export type Notice = typeof Notice.Type
