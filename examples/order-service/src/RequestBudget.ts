/**
 * How long the work for a request may take: as long as its route allows, or as its caller waits, if that is one of
 * `TRUSTED_CALLERS` (their addresses; by default nobody is believed) and has said so with the request.
 */
import { DeadlineHeader, ServerMiddleware } from "@effect-resilience/http"
import type { HttpApp, HttpServerRequest } from "@effect/platform"
import { Config, Context, Effect, Layer } from "effect"
import { identity } from "effect/Function"

export class RequestBudget extends Context.Tag("order-service/RequestBudget")<
  RequestBudget,
  {
    /** How long the caller waits, in milliseconds; Infinity where that is not known. */
    readonly ofCaller: Effect.Effect<number, never, HttpServerRequest.HttpServerRequest>
    /** Puts the budget of a product page around its handler. */
    readonly page: <E, R>(app: HttpApp.Default<E, R>) => HttpApp.Default<E, R>
  }
>() {}

/** The addresses of those who are believed. */
export const trustedCallers = Config.array(Config.string(), "TRUSTED_CALLERS").pipe(Config.withDefault([]))

export const layer = Layer.effect(
  RequestBudget,
  Effect.map(trustedCallers, (trusted) => ({
    ofCaller: DeadlineHeader.receive("orders", { trusted }),
    page: ServerMiddleware.deadline({ name: "pages", budget: "3 seconds", trusted })
  }))
)

/** No budget: whoever waits, waits as long as the slowest dependency. */
export const layerNone = Layer.succeed(RequestBudget, { ofCaller: Effect.succeed(Infinity), page: identity })
