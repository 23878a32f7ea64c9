/**
 * The dependencies as a test scripts them, instead of sockets: what each does is a field that the test may change at
 * any time, and every call is on record with the time it was made.
 */
import { Outcome } from "@effect-resilience/core"
import { Clock, Effect, Exit, Layer } from "effect"
import { Catalogue } from "../../../examples/order-service/src/Catalogue.js"
import { DependencyFailed } from "../../../examples/order-service/src/Dependency.js"
import {
  type OrderId,
  OutOfStock,
  PaymentDeclined,
  UnknownProduct
} from "../../../examples/order-service/src/Domain.js"
import { Inventory, type Reservation } from "../../../examples/order-service/src/Inventory.js"
import { Notification, type Notice } from "../../../examples/order-service/src/Notification.js"
import { type Charge, Payment } from "../../../examples/order-service/src/Payment.js"
import { Pricing } from "../../../examples/order-service/src/Pricing.js"
import { Recommendations } from "../../../examples/order-service/src/Recommendations.js"
import { Reviews } from "../../../examples/order-service/src/Reviews.js"

/** How a dependency is doing: it answers after a while, refuses connections, or never answers. */
export type Health = { readonly answersAfter: number } | "refuses" | "hangs"

export type Name =
  | "inventory"
  | "payment"
  | "notification"
  | "product"
  | "popular"
  | "pricing"
  | "reviews"
  | "recommendations"

export interface Call {
  readonly at: number
  readonly to: Name
  readonly what: string
  /** How it ended; `cut`: whoever called gave up on it. */
  ended: "under way" | "answered" | "failed" | "cut"
}

export const refused = (dependency: string) =>
  new DependencyFailed({
    dependency,
    reason: "connection refused",
    status: undefined,
    [Outcome.OutcomeTypeId]: Outcome.failure({ transient: true })
  })

export interface ScriptedDependencies {
  readonly health: Record<Name, Health>
  readonly calls: Array<Call>
  /** The calls that reached a dependency. */
  readonly callsTo: (name: Name) => ReadonlyArray<Call>
  /** The keys under which each order was charged: more than one key is more than one charge. */
  readonly charges: Map<OrderId, Set<string>>
  readonly reservations: Set<OrderId>
  readonly stock: Map<string, number>
  readonly notices: Array<Notice>
  readonly layer: Layer.Layer<Inventory | Payment | Notification | Catalogue | Pricing | Reviews | Recommendations>
}

const isKnown = (id: string) => /^p([1-9]|[1-9]\d|1\d\d|200)$/.test(id)

/** The documented amount that payment always declines. */
export const declinedAmount = 40200

/** Every dependency well, with an answer after 20 ms. */
export const make = (): ScriptedDependencies => {
  const well = { answersAfter: 20 }
  const health: Record<Name, Health> = {
    inventory: well,
    payment: well,
    notification: well,
    product: well,
    popular: well,
    pricing: well,
    reviews: well,
    recommendations: well
  }
  const calls: Array<Call> = []
  const charges = new Map<OrderId, Set<string>>()
  const reservations = new Set<OrderId>()
  const stock = new Map<string, number>()
  const notices: Array<Notice> = []

  const call = <A, E>(to: Name, what: string, answer: Effect.Effect<A, E>): Effect.Effect<A, E | DependencyFailed> =>
    Effect.gen(function* () {
      const record: Call = { at: yield* Clock.currentTimeMillis, to, what, ended: "under way" }
      calls.push(record)
      return yield* Effect.onExit(answered(to, answer), (exit) =>
        Effect.sync(() => {
          record.ended = Exit.isSuccess(exit) ? "answered" : Exit.isInterrupted(exit) ? "cut" : "failed"
        })
      )
    })

  // The work is done at once and only its answer is late, or lost: the worst case for whoever gave up on it.
  const answered = <A, E>(to: Name, answer: Effect.Effect<A, E>): Effect.Effect<A, E | DependencyFailed> =>
    Effect.gen(function* () {
      const now = health[to]
      if (now === "refuses") return yield* refused(to)
      const exit = yield* Effect.exit(answer)
      yield* now === "hangs" ? Effect.never : Effect.sleep(now.answersAfter)
      return yield* exit
    })

  const known = <A>(productId: Reservation["productId"], answer: A): Effect.Effect<A, UnknownProduct> =>
    Effect.suspend(() => (isKnown(productId) ? Effect.succeed(answer) : new UnknownProduct({ productId })))

  const reserve = ({ orderId, productId, quantity }: Reservation) =>
    Effect.gen(function* () {
      yield* known(productId, undefined)
      if ((stock.get(productId) ?? 1000) < quantity) return yield* new OutOfStock({ productId })
      reservations.add(orderId)
    })

  const charge = ({ amountCents, key, orderId }: Charge) =>
    Effect.suspend(() => {
      if (amountCents === declinedAmount) return new PaymentDeclined({ reason: "test amount" })
      charges.set(orderId, (charges.get(orderId) ?? new Set()).add(key))
      return Effect.succeed({ chargeId: `for ${key}` })
    })

  const layer = Layer.mergeAll(
    Layer.succeed(Inventory, {
      reserve: (reservation) => call("inventory", `reserve ${reservation.orderId}`, reserve(reservation)),
      release: (id) =>
        call(
          "inventory",
          `release ${id}`,
          Effect.sync(() => void reservations.delete(id))
        ),
      available: (id) =>
        call(
          "inventory",
          `stock of ${id}`,
          Effect.suspend(() => known(id, stock.get(id) ?? 1000))
        )
    }),
    Layer.succeed(Payment, { charge: (order) => call("payment", `charge ${order.key}`, charge(order)) }),
    Layer.succeed(Notification, {
      send: (notice) =>
        call(
          "notification",
          notice.key,
          Effect.sync(() => void notices.push(notice))
        )
    }),
    Layer.succeed(Catalogue, {
      product: (id) => call("product", id, known(id, { id, name: `Product ${id}`, description: "good" })),
      popular: call("popular", "popular", Effect.succeed(["p1", "p2", "p3"]))
    }),
    Layer.succeed(Pricing, {
      price: (id) =>
        call("pricing", id, known(id, { id, amountCents: 1000 + 10 * Number(id.slice(1)), currency: "EUR" as const }))
    }),
    Layer.succeed(Reviews, {
      summary: (id) => call("reviews", id, Effect.succeed({ id, rating: 4.5, count: 12 }))
    }),
    Layer.succeed(Recommendations, {
      related: (id) => call("recommendations", id, Effect.succeed(["p7", "p8"]))
    })
  )

  return {
    health,
    calls,
    callsTo: (name) => calls.filter(({ to }) => to === name),
    charges,
    reservations,
    stock,
    notices,
    layer
  }
}
