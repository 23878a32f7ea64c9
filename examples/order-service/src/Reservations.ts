/**
 * The stock of orders: reserved while the customer waits if inventory answers, and in the background what could not be
 * done then: reserving for an order that was accepted on an estimate, giving back the stock of one that was rejected.
 *
 * Background work is done one piece at a time and repeated until inventory has answered. It is in memory, at most one
 * piece for an order of each kind; after a restart it is known again from the journal.
 */
import { Fallback } from "@effect-resilience/core"
import { Array, Context, Data, Duration, Effect, Layer, Option, Queue } from "effect"
import { retryAfterOf } from "./Dependency.js"
import type { InventoryState, Order, OrderId, OrderRequest, OutOfStock, UnknownProduct } from "./Domain.js"
import { Inventory } from "./Inventory.js"
import { OrderBook } from "./OrderBook.js"

export class Reservations extends Context.Tag("order-service/Reservations")<
  Reservations,
  {
    /** Reserves now. With inventory out the order may be accepted all the same, as `estimated`. */
    readonly reserve: (id: OrderId, request: OrderRequest) => Effect.Effect<InventoryState, UnknownProduct | OutOfStock>
    /** Tries again later for an order that was accepted on an estimate. */
    readonly reserveLater: (id: OrderId) => Effect.Effect<void>
    /** Gives the stock of an order back, as soon as inventory takes it. Harmless if there is none. */
    readonly release: (id: OrderId) => Effect.Effect<void>
  }
>() {}

type Chore = Data.TaggedEnum<{ Reserve: { readonly id: OrderId }; Release: { readonly id: OrderId } }>
const Chore = Data.taggedEnum<Chore>()

/** The pause before a chore is tried again, when its error does not say when. */
const pause = Duration.seconds(1)

const owed = (order: Order): Option.Option<Chore> => {
  if (order.status === "rejected") return order.released ? Option.none() : Option.some(Chore.Release({ id: order.id }))
  return order.inventory === "estimated" ? Option.some(Chore.Reserve({ id: order.id })) : Option.none()
}

export const layer = Layer.scoped(
  Reservations,
  Effect.gen(function* () {
    const inventory = yield* Inventory
    const book = yield* OrderBook
    const chores = yield* Queue.unbounded<Chore>()

    const reserveOne = (order: Order) =>
      inventory.reserve({ orderId: order.id, productId: order.productId, quantity: order.quantity })

    const recordIfKnown = (id: OrderId, entry: "Reserved" | "Released") =>
      Effect.flatMap(book.find(id), (order) =>
        Option.isSome(order) ? Effect.asVoid(book.record({ _tag: entry, id })) : Effect.void
      )

    const attempt = Chore.$match({
      Release: ({ id }) => Effect.zipRight(inventory.release(id), recordIfKnown(id, "Released")),
      Reserve: ({ id }) =>
        Effect.flatMap(book.find(id), (order) =>
          Option.isSome(order) && Option.exists(owed(order.value), Chore.$is("Reserve"))
            ? reserveOne(order.value).pipe(
                Effect.zipRight(recordIfKnown(id, "Reserved")),
                // Accepted on an estimate that was wrong: somebody has to restock, the order stays marked.
                Effect.catchTags({
                  OutOfStock: (error) => Effect.logWarning(`order ${id} stays estimated: ${error.message}`),
                  UnknownProduct: (error) => Effect.logWarning(`order ${id} stays estimated: ${error.message}`)
                })
              )
            : Effect.void
        )
    })

    const work = Effect.flatMap(Queue.take(chores), (chore) =>
      Effect.catchAll(attempt(chore), (error) =>
        Effect.zipRight(Queue.offer(chores, chore), Effect.sleep(Option.getOrElse(retryAfterOf(error), () => pause)))
      )
    )

    yield* Queue.offerAll(chores, Array.filterMap(book.recovered, owed))
    yield* work.pipe(
      Effect.catchAllDefect((defect) => Effect.logError("a chore ended in a defect", defect)),
      Effect.forever,
      Effect.forkScoped
    )

    return {
      reserve: (id: OrderId, request: OrderRequest) =>
        inventory.reserve({ orderId: id, productId: request.productId, quantity: request.quantity }).pipe(
          Effect.as<InventoryState>("reserved"),
          Fallback.primary,
          Fallback.tier(
            "estimated",
            {
              when: [
                "CircuitOpen",
                "BulkheadFull",
                "Throttled",
                "RateLimited",
                "TimedOut",
                "DeadlineExceeded",
                "DependencyFailed"
              ],
              kind: "static"
            },
            () => Effect.succeed<InventoryState>("estimated")
          ),
          Fallback.value
        ),
      reserveLater: (id: OrderId) => Effect.asVoid(Queue.offer(chores, Chore.Reserve({ id }))),
      release: (id: OrderId) => Effect.asVoid(Queue.offer(chores, Chore.Release({ id })))
    }
  })
)
