/** The reviews dependency. */
import type { Policy } from "@effect-resilience/core"
import { HttpClientRequest } from "@effect/platform"
import { Config, Context, Effect, Layer, Schema } from "effect"
import * as Dependency from "./Dependency.js"
import type { ProductId } from "./Domain.js"

const Summary = Schema.parseJson(
  Schema.Struct({ id: Schema.String, rating: Schema.Number, count: Schema.NonNegativeInt })
)
export type Summary = typeof Summary.Type

export class Reviews extends Context.Tag("order-service/Reviews")<
  Reviews,
  { readonly summary: (id: ProductId) => Effect.Effect<Summary, Dependency.DependencyFailed | Policy.StandardError> }
>() {}

/** The real client. */
export const layerHttp = Layer.effect(
  Reviews,
  Effect.map(Dependency.make("reviews", Config.string("REVIEWS_URL")), ({ ask }) => ({
    summary: (id: ProductId) => ask(HttpClientRequest.get(`/reviews/${encodeURIComponent(id)}`), Summary)
  }))
)
