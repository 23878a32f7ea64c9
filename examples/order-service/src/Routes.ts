/**
 * The service's routes. They decode, call and answer; what happens in between is the services'.
 */
import { Health, Prometheus } from "@effect-resilience/observability"
import { type HttpApp, HttpRouter, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { Effect, Option, Schema } from "effect"
import { Admission } from "./Admission.js"
import * as Answers from "./Answers.js"
import type { Catalogue } from "./Catalogue.js"
import { OrderId, OrderRequest, ProductId } from "./Domain.js"
import type { StockReads } from "./Inventory.js"
import { Orders } from "./Orders.js"
import type { Pricing } from "./Pricing.js"
import * as ProductPage from "./ProductPage.js"
import type { Recommendations } from "./Recommendations.js"
import { RequestBudget } from "./RequestBudget.js"
import * as RequestBody from "./RequestBody.js"
import type { Reviews } from "./Reviews.js"

/** What the routes are served by. */
export type Services =
  | Admission
  | Orders
  | Catalogue
  | Pricing
  | Reviews
  | Recommendations
  | StockReads
  | RequestBudget
  | Health.Health

const orderRequest = RequestBody.json(OrderRequest)

const placeOrder = Effect.gen(function* () {
  const request = yield* orderRequest
  const orders = yield* Orders
  const budget = yield* RequestBudget
  return Answers.placed(yield* orders.place(request, yield* budget.ofCaller))
}).pipe(Effect.catchAll((error) => Effect.succeed(Answers.failed(error))))

/** What the path names, if it can be the name of such a thing. */
const pathId = <A>(schema: Schema.Schema<A, string>) => {
  const decode = Schema.decodeUnknownOption(schema)
  return Effect.map(HttpRouter.params, ({ id }) => decode(id))
}

const orderId = pathId(OrderId)
const productId = pathId(ProductId)

const findOrder = Effect.gen(function* () {
  const id = yield* orderId
  const orders = yield* Orders
  const order = Option.isSome(id) ? yield* orders.find(id.value) : Option.none()
  return Option.match(order, { onNone: () => Answers.said(404, "there is no such order"), onSome: Answers.order })
})

const productPage = Effect.gen(function* () {
  const id = yield* productId
  if (Option.isNone(id)) return Answers.said(404, "there is no such product")
  return HttpServerResponse.unsafeJson(yield* ProductPage.find(id.value))
}).pipe(Effect.catchAll((error) => Effect.succeed(Answers.failed(error))))

const recommendations = Effect.gen(function* () {
  const id = yield* productId
  if (Option.isNone(id)) return Answers.said(404, "there is no such product")
  return HttpServerResponse.unsafeJson(yield* ProductPage.recommended(id.value))
}).pipe(Effect.catchAll((error) => Effect.succeed(Answers.failed(error))))

const inTime = <E, R>(app: HttpApp.Default<E, R>) => Effect.flatMap(RequestBudget, ({ page }) => page(app))

/** What operators ask for: probes, and metrics. */
export const operators = HttpRouter.concat(
  Health.router,
  HttpRouter.empty.pipe(HttpRouter.get("/metrics", Prometheus.response))
)

const router = HttpRouter.empty.pipe(
  HttpRouter.post("/orders", placeOrder),
  HttpRouter.get("/orders/:id", findOrder),
  HttpRouter.get("/products/:id", inTime(productPage)),
  HttpRouter.get("/products/:id/recommendations", inTime(recommendations)),
  HttpRouter.concat(operators)
)

const methods: ReadonlyArray<readonly [path: RegExp, allow: string]> = [
  [/^\/orders$/, "POST"],
  [/^\/orders\/[^/]+$/, "GET, HEAD"],
  [/^\/products\/[^/]+$/, "GET, HEAD"],
  [/^\/products\/[^/]+\/recommendations$/, "GET, HEAD"],
  [/^\/metrics$/, "GET, HEAD"],
  [/^\/health\/(live|ready|dependencies)$/, "GET, HEAD"]
]

const noRoute = Effect.map(HttpServerRequest.HttpServerRequest, ({ method, url }) => {
  const [path = ""] = url.split("?")
  const known = methods.find(([pattern, allow]) => pattern.test(path) && !allow.split(", ").includes(method))
  return known === undefined
    ? Answers.said(404, "there is nothing here")
    : Answers.said(405, `here it is ${known[1]}`, { allow: known[1] })
})

const all = Effect.catchTag(router, "RouteNotFound", () => noRoute)

/** Every route, also the ones that are not there, for whom is let in. */
export const app = Effect.flatMap(Admission, ({ admit }) => admit(all))
