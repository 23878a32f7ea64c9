/**
 * Places an order: reserve its stock, take a place in the backlog, write it to the journal, charge it. In this order,
 * because each step can be undone or taken up again after the next has failed:
 *
 * - refused before the journal, it never existed; its stock is given back;
 * - once in the journal it has a place in the backlog, so whatever happens to its charge it is settled in the end.
 */
import { Cause, Context, Data, Effect, Exit, Layer, Option } from "effect"
import { Backlog, type BacklogFull, type PaymentFailed, type Place } from "./Backlog.js"
import type { Order, OrderId, OrderRequest, OutOfStock, UnknownProduct } from "./Domain.js"
import type { JournalFailed } from "./JournalFile.js"
import { OrderBook } from "./OrderBook.js"
import { OrderBudget } from "./OrderBudget.js"
import { OrderIds } from "./OrderIds.js"
import { Reservations } from "./Reservations.js"
import { Settlement, type Unsettled } from "./Settlement.js"

/** The budget ended before the order was accepted: there is no order, and nothing was charged. */
export class NotPlaced extends Data.TaggedError("NotPlaced")<{}> {
  override get message() {
    return "there was no time left to accept the order; nothing was charged"
  }
}

export type PlaceError = UnknownProduct | OutOfStock | BacklogFull | JournalFailed | PaymentFailed | NotPlaced

export class Orders extends Context.Tag("order-service/Orders")<
  Orders,
  {
    /**
     * The order, confirmed, rejected, or pending when the outcome of its charge is not known yet. `callerMillis`: how long
     * the caller waits; Infinity by default.
     */
    readonly place: (request: OrderRequest, callerMillis?: number) => Effect.Effect<Order, PlaceError>
    readonly find: (id: OrderId) => Effect.Effect<Option.Option<Order>>
  }
>() {}

/** Whatever ends the charge: the order is settled, or it stays in the place that was taken for it. */
const settleOrKeep = (order: Order, place: Place, settle: Effect.Effect<Order, Unsettled>) =>
  Effect.flatMap(Effect.exit(settle), (exit) => {
    if (Exit.isSuccess(exit)) return Effect.as(place.free, exit.value)
    const kept = place.keep(order, Cause.failureOption(exit.cause))
    if (Cause.isInterrupted(exit.cause)) return Effect.zipRight(Effect.ignore(kept), Effect.interrupt)
    return Effect.zipRight(
      Cause.isDie(exit.cause) ? Effect.logError("a charge ended in a defect", exit.cause) : Effect.void,
      kept
    )
  })

export const layer = Layer.effect(
  Orders,
  Effect.gen(function* () {
    const ids = yield* OrderIds
    const budget = yield* OrderBudget
    const book = yield* OrderBook
    const backlog = yield* Backlog
    const reservations = yield* Reservations
    const settlement = yield* Settlement

    // Interruptible only where it waits for a dependency: between those points every step that was made is followed by
    // the one that takes care of it.
    const placeAs = (id: OrderId, request: OrderRequest) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          const giveBack = reservations.release(id)
          const inventory = yield* restore(reservations.reserve(id, request)).pipe(Effect.onInterrupt(() => giveBack))
          const place = yield* Effect.tapError(backlog.reserve, () => giveBack)
          const order = yield* Effect.tapError(book.record({ _tag: "Placed", id, ...request, inventory }), () =>
            Effect.zipRight(place.free, giveBack)
          )
          if (inventory === "estimated") yield* reservations.reserveLater(id)
          return yield* settleOrKeep(order, place, restore(settlement.settle(order)))
        })
      )

    // When the budget ends there is an order already, or there will never be one: the customer hears which.
    const place = (request: OrderRequest, callerMillis = Infinity) =>
      Effect.flatMap(ids.next, (id) =>
        budget
          .protect(placeAs(id, request), callerMillis)
          .pipe(
            Effect.catchTag("DeadlineExceeded", () =>
              Effect.flatMap(
                book.find(id),
                Option.match({ onNone: () => new NotPlaced(), onSome: (order) => Effect.succeed(order) })
              )
            )
          )
      )

    return { place, find: book.find }
  })
)
