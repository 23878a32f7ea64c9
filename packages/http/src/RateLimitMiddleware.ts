/**
 * Rate limits for the callers of a server: how many requests each may make in a span of time, told in every answer.
 *
 * Who has used up a limit is answered 429 before anything of the request is read but its head, with `Retry-After`. All
 * answers, also those of errors, say what is left in `RateLimit`, and what the limit is in `RateLimit-Policy` (the IETF
 * draft on rate limits for HTTP). `t` is when all is there again; where nothing is left, when the next permit is there:
 * a client that waits so long is served, and no `Retry-After` is earlier.
 *
 * A limit of callers keeps one of them from taking what is there for all. It does not keep all of them from being too many:
 * that is for `SheddingMiddleware`. It holds for one process, unless a `RateLimiterStore` is provided that several share.
 *
 * Probes and scrapes are left alone (`/health/*`, `/metrics`). Of middleware of one name that is around a request twice the
 * outer one counts it; limits of different names are all taken, and told in the same headers. Refusals are events of the
 * limiter (`CallRejected`): counted in metrics, and one line in the log for each ten seconds (`Telemetry.layerLog`).
 */
import { HttpApp, type HttpLayerRouter, HttpServerRequest } from "@effect/platform"
import { InvalidOptions, RateLimiter } from "@effect-resilience/core"
import { Duration, Effect, Either, type Layer, Option, Predicate, type Scope } from "effect"
import * as HttpErrors from "./HttpErrors.js"
import { type Middleware, ofApi, ofRouter } from "./server/Middleware.js"
import { once } from "./server/Once.js"
import { type Form, type Told, withQuota } from "./server/QuotaHeaders.js"
import { type Key, keyOf } from "./server/RateLimitKeys.js"
import * as RoutePattern from "./server/RoutePattern.js"

export type { Middleware } from "./server/Middleware.js"
export { type AddressOptions, byAddress, byHeader, firstOf, type Key } from "./server/RateLimitKeys.js"

/** The limits, by whom they are counted, and what answers say. */
export interface Options extends RateLimiter.Options, HttpErrors.Options {
  /** Whose limit a request is counted against: `byHeader`, `byAddress`, `firstOf`, or a function of one's own. */
  readonly key: Key
  /**
   * How much a request counts. Default 1. Rounded up, from 1; what is more than there can ever be counts as all of it, and
   * is served where nothing was used.
   */
  readonly cost?: ((request: HttpServerRequest.HttpServerRequest) => number) | undefined
  /**
   * Requests that are not counted: patterns of paths, with a method or without (`"/health/*"`, `"OPTIONS *"`), or what
   * tells of a request. Default `/health/*` and `/metrics`.
   */
  readonly exempt?: RoutePattern.Exempt | undefined
  /**
   * Whether answers have the older `X-RateLimit-Limit`, `-Remaining` and `-Reset` as well, the last in `"seconds"` from
   * now, or as a moment: `"epoch"`, in seconds since 1970. Default `"none"`.
   */
  readonly xRateLimit?: "none" | "seconds" | "epoch" | undefined
}

interface Settings {
  readonly isExempt: (request: HttpServerRequest.HttpServerRequest) => boolean
  readonly key: Key
  readonly form: Form
  readonly window: Duration.Duration
}

const settings = (options: Options): InvalidOptions.Checked<Settings> => {
  const { key, xRateLimit = "none" } = options
  return InvalidOptions.every<Settings>({
    isExempt: RoutePattern.exempted(options.exempt),
    key: Predicate.isFunction(key)
      ? InvalidOptions.valid(key)
      : Either.left([{ option: "key", value: String(key), allowed: "a function of a request, such as byAddress()" }]),
    form: ["none", "seconds", "epoch"].includes(xRateLimit)
      ? InvalidOptions.valid(xRateLimit)
      : Either.left([{ option: "xRateLimit", value: String(xRateLimit), allowed: '"none", "seconds" or "epoch"' }]),
    window: InvalidOptions.map(RateLimiter.settings(options, ""), ({ windowMillis }) => Duration.millis(windowMillis))
  })
}

/** What a request costs, as the limiter takes it. */
const costOf = (options: Options, key: string, request: HttpServerRequest.HttpServerRequest): number => {
  const { burst, cost, limit } = options
  if (cost === undefined) return 1
  const most = burst ?? (typeof limit === "number" ? limit : limit(key))
  return Math.min(most, Math.max(1, Math.ceil(cost(request))))
}

/** What was decided of a request. */
interface Decided {
  readonly told: Told
  readonly refusal: Option.Option<RateLimiter.RateLimited>
}

/** Takes of a limit, and says what answers tell of it. */
const taking = (
  limiter: RateLimiter.RateLimiter,
  take: { readonly key: string; readonly cost: number }
): Effect.Effect<Decided> =>
  Effect.matchEffect(limiter.take(take), {
    onFailure: (refusal) => {
      const { limit, remaining } = refusal
      const reset = Option.getOrElse(refusal.retryAfter, () => Duration.zero)
      return Effect.succeed({ told: { limit, remaining, reset }, refusal: Option.some(refusal) })
    },
    onSuccess: ({ limit, remaining, resetAfter }) => {
      const reset = remaining === 0 ? limiter.wait({ key: take.key }) : Effect.succeed(resetAfter)
      return Effect.map(reset, (after) => ({ told: { limit, remaining, reset: after }, refusal: Option.none() }))
    }
  })

/**
 * Makes the limiter and the middleware for it, while the scope lives. Dies with `InvalidOptions` if an option is out of range.
 *
 * @example
 * ```ts
 * import { RateLimitMiddleware } from "@effect-resilience/http"
 * import { HttpApp, HttpRouter, HttpServerResponse } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const limited = yield* RateLimitMiddleware.make("api", {
 *     key: RateLimitMiddleware.byHeader("x-api-key"),
 *     limit: (key) => (key === "k-gold" ? 1000 : 100),
 *     window: "1 minute"
 *   })
 *   const app = HttpRouter.empty.pipe(HttpRouter.get("/items", HttpServerResponse.text("all")), limited)
 *   const request = new Request("http://shop.example/items", { headers: { "x-api-key": "k-17" } })
 *   const { headers } = yield* Effect.promise(() => HttpApp.toWebHandler(app)(request))
 *   return [headers.get("ratelimit-policy"), headers.get("ratelimit")]
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * // [ '"api";q=100;w=60', '"api";r=99;t=1' ]
 * ```
 */
export const make = (name: string, options: Options): Effect.Effect<Middleware, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { form, isExempt, key, window } = yield* InvalidOptions.orDie(name, settings(options))
    const answer = HttpErrors.answer(options)
    const limiter = yield* RateLimiter.make(name, options)
    const decided = (request: HttpServerRequest.HttpServerRequest) =>
      Effect.flatMap(keyOf(key, request), (of) => taking(limiter, { key: of, cost: costOf(options, of, request) }))
    const limited = <E, R>(app: HttpApp.Default<E, R>, request: HttpServerRequest.HttpServerRequest) =>
      Effect.flatMap(decided(request), ({ refusal, told }) =>
        Effect.zipRight(
          HttpApp.appendPreResponseHandler((_, response) => withQuota(response, { name, window }, told, form)),
          Option.match(refusal, { onNone: () => app, onSome: answer })
        )
      )
    return <E, R>(app: HttpApp.Default<E, R>): HttpApp.Default<E, R> =>
      Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
        isExempt(request) ? app : once("rate limit", name, app, (within) => limited(within, request))
      )
  })

/**
 * The same for all routes of an `HttpLayerRouter`, also those of an `HttpApi` added to it: merge it with their Layers.
 *
 * @example
 * ```ts
 * import { RateLimitMiddleware } from "@effect-resilience/http"
 * import { HttpLayerRouter, HttpServerResponse } from "@effect/platform"
 * import { Layer } from "effect"
 *
 * const items = HttpLayerRouter.add("GET", "/items", HttpServerResponse.text("all"))
 * const limits = RateLimitMiddleware.layerRouter("api", {
 *   key: RateLimitMiddleware.byAddress(),
 *   limit: 100,
 *   window: "1 minute"
 * })
 * const { handler } = HttpLayerRouter.toWebHandler(Layer.merge(items, limits), { disableLogger: true })
 * handler(new Request("http://shop.example/items")).then(({ headers }) => console.log(headers.get("ratelimit")))
 * // "api";r=99;t=1
 * ```
 */
export const layerRouter = (name: string, options: Options): Layer.Layer<never, never, HttpLayerRouter.HttpRouter> =>
  ofRouter(make(name, options))

/**
 * The same for all endpoints of an `HttpApi` that is served by itself: provide it to the Layer that serves it.
 *
 * @example
 * ```ts
 * import { RateLimitMiddleware } from "@effect-resilience/http"
 * import { HttpApi, HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, HttpServer } from "@effect/platform"
 * import { Effect, Layer } from "effect"
 *
 * const shop = HttpApi.make("shop").add(HttpApiGroup.make("items").add(HttpApiEndpoint.get("all", "/items")))
 * const handlers = HttpApiBuilder.group(shop, "items", (of) => of.handle("all", () => Effect.void))
 * const limits = RateLimitMiddleware.layerApi("api", {
 *   key: RateLimitMiddleware.byAddress(),
 *   limit: 100,
 *   window: "1 minute"
 * })
 * const api = HttpApiBuilder.api(shop).pipe(Layer.provide(handlers))
 * const { handler } = HttpApiBuilder.toWebHandler(Layer.mergeAll(api, limits, HttpServer.layerContext))
 * handler(new Request("http://shop.example/items")).then(({ headers }) => console.log(headers.get("ratelimit")))
 * // "api";r=99;t=1
 * ```
 */
export const layerApi = (name: string, options: Options): Layer.Layer<never> => ofApi(make(name, options))
