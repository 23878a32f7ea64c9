/** The recommendations dependency. */
import type { Policy } from "@effect-resilience/core"
import { HttpClientRequest } from "@effect/platform"
import { Config, Context, Effect, Layer, Schema } from "effect"
import * as Dependency from "./Dependency.js"
import type { ProductId } from "./Domain.js"

const Related = Schema.parseJson(Schema.Struct({ items: Schema.Array(Schema.String) }))

export class Recommendations extends Context.Tag("order-service/Recommendations")<
  Recommendations,
  {
    readonly related: (
      id: ProductId
    ) => Effect.Effect<ReadonlyArray<string>, Dependency.DependencyFailed | Policy.StandardError>
  }
>() {}

/** The real client. */
export const layerHttp = Layer.effect(
  Recommendations,
  Effect.map(Dependency.make("recommendations", Config.string("RECOMMENDATIONS_URL")), ({ ask }) => ({
    related: (id: ProductId) =>
      ask(HttpClientRequest.get(`/recommendations/${encodeURIComponent(id)}`), Related).pipe(
        Effect.map(({ items }) => items)
      )
  }))
)
