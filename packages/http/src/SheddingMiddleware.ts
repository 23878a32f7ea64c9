/**
 * Load shedding for a server: when more is asked of it than it can do, it answers 503 to what matters least, before anything
 * of the request is read but its head, and goes on serving the rest as fast as ever.
 *
 * What matters how much is said by route (`routes`), or by callers whom one trusts; name what users can do without, for
 * if everything is critical nothing is. How much can be done is learned, or a number: `LoadShedder` of core has the rules,
 * and what it learns from: of responses those below 400 are samples, and a 504 says that there was too much.
 *
 * `Retry-After` is from 1 to 5 seconds, longer, the longer the overload lasts, and spread by chance. Probes and scrapes are
 * let through (`/health/*`, `/metrics`): whoever refuses them is restarted. Of middleware of one name that is around a
 * request twice the outer one decides. A place is taken until the handler has its response; a body that is streamed is sent
 * after that. Put it inside of limits for callers (`RateLimitMiddleware`), so that who asks too much takes no place from
 * others, and inside a budget (`ServerMiddleware.deadline`), so that nobody is served who will not wait for it.
 */
import { HttpServerRequest, HttpServerResponse } from "@effect/platform"
import type { HttpApp, HttpLayerRouter } from "@effect/platform"
import { InvalidOptions, LoadShedder, Outcome } from "@effect-resilience/core"
import { Duration, Effect, type Layer, type Scope } from "effect"
import * as HttpErrors from "./HttpErrors.js"
import { type Middleware, ofApi, ofRouter } from "./server/Middleware.js"
import { once } from "./server/Once.js"
import * as RoutePattern from "./server/RoutePattern.js"
import * as ServerMiddleware from "./ServerMiddleware.js"

export type { Middleware } from "./server/Middleware.js"

/** How much can be done, and what matters how much. */
export interface Options
  extends LoadShedder.Options, ServerMiddleware.CriticalityOptions, Pick<HttpErrors.Options, "verbose"> {
  /**
   * Requests that are always let through, and take no place: patterns of paths, with a method or without, or what tells of a
   * request. Default `/health/*` and `/metrics`.
   */
  readonly exempt?: RoutePattern.Exempt | undefined
}

/**
 * How the exit of a handler counts for a capacity that is learned: a response below 400 is a sample of how long requests
 * take, 504 says that there was too much, and what was refused or has failed says nothing. Errors count as `Outcome.classify`
 * says.
 */
export const classify: Outcome.Classify = (exit) => {
  if (exit._tag === "Failure" || !HttpServerResponse.isServerResponse(exit.value)) return Outcome.classify(exit)
  const { status } = exit.value
  if (status === 504) return Outcome.failure({ retryAfter: Duration.zero })
  return status < 400 ? Outcome.success : Outcome.ignored()
}

/**
 * Makes the shedder and the middleware for it, while the scope lives. Dies with `InvalidOptions` if an option is out of
 * range.
 *
 * @example
 * ```ts
 * import { SheddingMiddleware } from "@effect-resilience/http"
 * import { HttpApp, HttpRouter, HttpServerResponse } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const shedding = yield* SheddingMiddleware.make("shop", {
 *     routes: [
 *       ["POST /orders", "CRITICAL_PLUS"],
 *       ["/recommendations", "SHEDDABLE"]
 *     ],
 *     capacity: 1,
 *     maxWaiting: 0
 *   })
 *   const routes = HttpRouter.empty.pipe(
 *     HttpRouter.post("/orders", Effect.delay(HttpServerResponse.text("ordered"), "20 millis")),
 *     HttpRouter.get("/recommendations", HttpServerResponse.text("books"))
 *   )
 *   const handler = HttpApp.toWebHandler(shedding(routes))
 *   void handler(new Request("http://shop.example/orders", { method: "POST" }))
 *   return yield* Effect.promise(() => handler(new Request("http://shop.example/recommendations")))
 * })
 * Effect.runPromise(Effect.scoped(program)).then(({ status }) => console.log(status))
 * // 503
 * ```
 */
export const make = (name: string, options: Options = {}): Effect.Effect<Middleware, never, Scope.Scope> =>
  Effect.gen(function* () {
    const exempted = InvalidOptions.orDie(name, RoutePattern.exempted(options.exempt))
    const classifying = Effect.sync(() => ServerMiddleware.criticality(options))
    const shedding = LoadShedder.make(name, { ...options, classify: options.classify ?? classify })
    yield* InvalidOptions.together(name, [exempted, classifying, Effect.scoped(shedding)])
    const isExempt = yield* exempted
    const classified = yield* classifying
    const shedder = yield* shedding
    const isOwn = (error: unknown): error is LoadShedder.Shed =>
      error instanceof LoadShedder.Shed && error.policy === name
    const respond = HttpErrors.respondTo(isOwn, options)
    // A server runs all but the handlers of routes without interruption, and who waits for his turn may go.
    const shed = <E, R>(app: HttpApp.Default<E, R>): HttpApp.Default<E | LoadShedder.Shed, R> =>
      Effect.uninterruptibleMask((restore) => Effect.interruptible(shedder.protect(restore(app))))
    return <E, R>(app: HttpApp.Default<E, R>): HttpApp.Default<E, R> =>
      Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
        isExempt(request)
          ? classified(app)
          : once("shedding", name, app, (within) => classified(respond<E, R>(shed(within))))
      )
  })

/**
 * The same for all routes of an `HttpLayerRouter`, also those of an `HttpApi` added to it: merge it with their Layers.
 *
 * @example
 * ```ts
 * import { SheddingMiddleware } from "@effect-resilience/http"
 * import { HttpLayerRouter, HttpServerResponse } from "@effect/platform"
 * import { Layer } from "effect"
 *
 * const items = HttpLayerRouter.add("GET", "/items", HttpServerResponse.text("all"))
 * const shedding = SheddingMiddleware.layerRouter("shop", { capacity: { max: 500 } })
 * const { handler } = HttpLayerRouter.toWebHandler(Layer.merge(items, shedding), { disableLogger: true })
 * handler(new Request("http://shop.example/items")).then(({ status }) => console.log(status))
 * // 200
 * ```
 */
export const layerRouter = (
  name: string,
  options: Options = {}
): Layer.Layer<never, never, HttpLayerRouter.HttpRouter> => ofRouter(make(name, options))

/**
 * The same for all endpoints of an `HttpApi` that is served by itself: provide it to the Layer that serves it.
 *
 * @example
 * ```ts
 * import { SheddingMiddleware } from "@effect-resilience/http"
 * import { HttpApi, HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, HttpServer } from "@effect/platform"
 * import { Effect, Layer } from "effect"
 *
 * const shop = HttpApi.make("shop").add(HttpApiGroup.make("items").add(HttpApiEndpoint.get("all", "/items")))
 * const handlers = HttpApiBuilder.group(shop, "items", (of) => of.handle("all", () => Effect.void))
 * const shedding = SheddingMiddleware.layerApi("shop", { capacity: { max: 500 } })
 * const api = HttpApiBuilder.api(shop).pipe(Layer.provide(handlers))
 * const { handler } = HttpApiBuilder.toWebHandler(Layer.mergeAll(api, shedding, HttpServer.layerContext))
 * handler(new Request("http://shop.example/items")).then(({ status }) => console.log(status))
 * // 204
 * ```
 */
export const layerApi = (name: string, options: Options = {}): Layer.Layer<never> => ofApi(make(name, options))
