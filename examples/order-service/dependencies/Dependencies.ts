/** The seven dependencies of the order service, one port each on 127.0.0.1, as one scoped value. */
import { Effect, Option, Random, Ref, Schedule, type Scope } from "effect"
import * as Catalog from "./Catalog.js"
import * as Inventory from "./Inventory.js"
import * as JsonServer from "./JsonServer.js"
import type { Phase, Urls } from "./Messages.js"
import * as Payment from "./Payment.js"
import * as Weather from "./Weather.js"

export interface Options {
  readonly seed: number
  /** The first of seven ports in a row; 0 takes free ones. */
  readonly firstPort: number
  /** How much longer an answer of payment takes in its slow phase, milliseconds. */
  readonly slowMillis: number
}

export interface PaymentReport extends Payment.Books {
  readonly calls: number
  readonly callsDuringOutage: number
}

export interface Dependencies {
  readonly urls: Urls
  readonly setPhase: (phase: Phase) => Effect.Effect<void, JsonServer.ListenFailed>
  readonly report: Effect.Effect<PaymentReport>
}

type Handle = (request: JsonServer.JsonRequest) => JsonServer.JsonResponse

const notFound: JsonServer.JsonResponse = { status: 404, body: { error: "not found" } }

/** `GET /resource/:id` for products that exist. */
const lookup =
  (resource: string, find: (number: number) => unknown): Handle =>
  ({ method, path: [first, id, rest] }) =>
    method !== "GET" || first !== resource || id === undefined || rest !== undefined
      ? notFound
      : Option.match(Catalog.numberOf(id), {
          onNone: () => notFound,
          onSome: (number) => ({ status: 200, body: find(number) })
        })

const products: Handle = (request) =>
  request.method === "GET" && request.path.length === 1 && request.path[0] === "popular"
    ? { status: 200, body: Catalog.popular }
    : lookup("products", Catalog.product)(request)

const notifications: Handle = ({ method, path: [resource], header }) => {
  if (method !== "POST" || resource !== "notifications") return notFound
  return header("idempotency-key") === undefined
    ? { status: 400, body: { error: "Idempotency-Key is missing" } }
    : { status: 202, body: { accepted: true } }
}

/**
 * A port that payment can leave and find free again. The kernel gives the ports above 32767 to outgoing connections:
 * while payment refuses, one of those could take its place, or even connect to itself.
 */
const listenBelowEphemeral = (
  handle: (request: JsonServer.JsonRequest) => Effect.Effect<JsonServer.JsonResponse>
): Effect.Effect<JsonServer.JsonServer, JsonServer.ListenFailed, Scope.Scope> =>
  Random.nextIntBetween(20_000, 32_000).pipe(
    Effect.flatMap((port) => JsonServer.make(port, handle)),
    Effect.retry(Schedule.recurs(50))
  )

/** Start all seven; they stop with the scope. */
export const make = (options: Options): Effect.Effect<Dependencies, JsonServer.ListenFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const phase = yield* Ref.make<Phase>("normal")
    const counted = { calls: 0, callsDuringOutage: 0 }
    const payment = Payment.make()
    let slowBy = 0
    const charge = Weather.under(options.seed, "payment", payment.handle, () => slowBy)
    const countedCharge = (request: JsonServer.JsonRequest): Effect.Effect<JsonServer.JsonResponse> =>
      Effect.flatMap(Ref.get(phase), (current) => {
        counted.calls += 1
        if (current !== "normal") counted.callsDuringOutage += 1
        return charge(request)
      })
    const portAt = (index: number): number => (options.firstPort === 0 ? 0 : options.firstPort + index)
    const serve = (index: number, name: string, handle: Handle) =>
      Effect.map(JsonServer.make(portAt(index), Weather.under(options.seed, name, handle)), (server) => server.url)
    const paymentServer =
      options.firstPort === 0
        ? yield* listenBelowEphemeral(countedCharge)
        : yield* JsonServer.make(portAt(1), countedCharge)
    const urls = yield* Effect.all({
      INVENTORY_URL: serve(0, "inventory", Inventory.make()),
      PAYMENT_URL: Effect.succeed(paymentServer.url),
      NOTIFICATION_URL: serve(2, "notification", notifications),
      PRODUCT_URL: serve(3, "product", products),
      PRICING_URL: serve(4, "pricing", lookup("prices", Catalog.price)),
      REVIEWS_URL: serve(5, "reviews", lookup("reviews", Catalog.reviews)),
      RECOMMENDATIONS_URL: serve(6, "recommendations", lookup("recommendations", Catalog.recommendations))
    })
    return {
      urls,
      setPhase: (next) =>
        Ref.set(phase, next).pipe(
          Effect.tap(() => {
            slowBy = next === "slow" ? options.slowMillis : 0
          }),
          Effect.zipRight(next === "refusing" ? paymentServer.refuse : paymentServer.accept)
        ),
      report: Effect.sync(() => ({ ...counted, ...payment.books() }))
    }
  })
