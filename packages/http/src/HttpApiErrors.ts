/**
 * How the errors of policies answer in an `HttpApi`, whose handlers may fail only with what the API declares: one line in
 * the API, so that they may fail with these too, and one Layer, so that they are answered as `HttpErrors` does.
 *
 * An error that the API declares by itself goes the way it is declared. A client of the API gets the others as the
 * `ResponseError` of a status that is declared without a body, with the response and its `Retry-After` in it.
 */
import { HttpApi, HttpApiBuilder, type HttpApiGroup, HttpApiMiddleware, HttpApiSchema } from "@effect/platform"
import { Effect, Layer, ParseResult, Schema } from "effect"
import * as HttpErrors from "./HttpErrors.js"

/** Says in the API's description what is answered; that it never encodes leaves the errors to the middleware. */
const answered = (status: number, description: string) =>
  Schema.transformOrFail(Schema.Void, Schema.declare(HttpErrors.isAnswered).pipe(Schema.filter(() => false)), {
    decode: (body, _, ast) => ParseResult.fail(new ParseResult.Type(ast, body)),
    encode: () => ParseResult.succeed(undefined)
  }).annotations(HttpApiSchema.annotations<HttpErrors.Answered>({ status, description }))

/** Lets the handlers of an API fail with the errors of policies: `HttpApi.make("shop").middleware(PolicyErrors)`. */
export class PolicyErrors extends HttpApiMiddleware.Tag<PolicyErrors>()("@effect-resilience/http/PolicyErrors", {
  failure: Schema.Union(
    answered(429, "The caller, or a dependency's quota, has used up its limit"),
    answered(503, "There is too much to do, or a dependency is not asked at the moment"),
    answered(504, "A dependency or the request has taken too long")
  )
}) {}

/** Whether the API says by itself how an error is answered. */
const declaredBy = <Id extends string, Groups extends HttpApiGroup.HttpApiGroup.Any, E, R>(
  api: HttpApi.HttpApi<Id, Groups, E, R>
): ((error: unknown) => boolean) => {
  const declared: Array<(error: unknown) => boolean> = [Schema.is(api.errorSchema)]
  HttpApi.reflect(api, {
    onGroup: ({ group }) => declared.push(Schema.is(group.errorSchema)),
    onEndpoint: ({ endpoint }) => declared.push(Schema.is(endpoint.errorSchema))
  })
  return (error) => declared.some((is) => is(error))
}

/**
 * Answers the errors of policies in this API. Provide it to the API's own Layer. Throws `InvalidOptions` if an option is
 * out of range.
 *
 * @example
 * ```ts
 * import { Timeout } from "@effect-resilience/core"
 * import { HttpApiErrors } from "@effect-resilience/http"
 * import { HttpApi, HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, HttpServer } from "@effect/platform"
 * import { Effect, Layer } from "effect"
 *
 * const items = HttpApiGroup.make("items").add(HttpApiEndpoint.get("all", "/items"))
 * const shop = HttpApi.make("shop").add(items).middleware(HttpApiErrors.PolicyErrors)
 *
 * const handlers = HttpApiBuilder.group(shop, "items", (of) =>
 *   Effect.map(Timeout.make("stock", { duration: "20 millis" }), (stock) =>
 *     of.handle("all", () => Effect.never.pipe(stock.protect))
 *   )
 * )
 * const api = HttpApiBuilder.api(shop).pipe(Layer.provide(handlers), Layer.provide(HttpApiErrors.layer(shop)))
 * const { handler } = HttpApiBuilder.toWebHandler(Layer.merge(api, HttpServer.layerContext))
 * handler(new Request("http://shop.example/items")).then(({ status }) => console.log(status))
 * // 504
 * ```
 */
export const layer = <Id extends string, Groups extends HttpApiGroup.HttpApiGroup.Any, E, R>(
  api: HttpApi.HttpApi<Id, Groups, E, R>,
  options?: HttpErrors.Options
): Layer.Layer<PolicyErrors> => {
  const isDeclared = declaredBy(api)
  const isLeft = (error: unknown): error is HttpErrors.Answered => HttpErrors.isAnswered(error) && !isDeclared(error)
  return Layer.merge(
    Layer.succeed(PolicyErrors, Effect.void),
    HttpApiBuilder.middleware(HttpErrors.respondTo(isLeft, options))
  )
}
