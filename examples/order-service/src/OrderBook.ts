/**
 * Every order as it stands, in memory, and the only place that changes one: first the journal, then the book. After a
 * restart the book is read back from the journal.
 */
import { Context, Effect, HashMap, Layer, Option, Ref } from "effect"
import type { Order, OrderId } from "./Domain.js"
import { type Entry, Journal } from "./Journal.js"
import type { JournalFailed } from "./JournalFile.js"

type Orders = HashMap.HashMap<OrderId, Order>

const change = (orders: Orders, id: OrderId, how: (order: Order) => Order): Orders => HashMap.modify(orders, id, how)

/** What an entry makes of the orders. An entry that was written twice changes nothing the second time. */
const apply = (orders: Orders, entry: Entry): Orders => {
  switch (entry._tag) {
    case "Placed": {
      const { amountCents, id, inventory, productId, quantity } = entry
      const order: Order = { id, productId, quantity, amountCents, inventory, status: "pending", released: false }
      return HashMap.has(orders, id) ? orders : HashMap.set(orders, id, order)
    }
    case "Confirmed":
      return change(orders, entry.id, (order) => ({ ...order, status: "confirmed" }))
    case "Rejected":
      return change(orders, entry.id, (order) => ({ ...order, status: "rejected", reason: entry.reason }))
    case "Reserved":
      return change(orders, entry.id, (order) => ({ ...order, inventory: "reserved" }))
    case "Released":
      return change(orders, entry.id, (order) => ({ ...order, released: true }))
  }
}

export class OrderBook extends Context.Tag("order-service/OrderBook")<
  OrderBook,
  {
    readonly find: (id: OrderId) => Effect.Effect<Option.Option<Order>>
    /** Writes the entry and gives the order as it is then. Not to be interrupted half-way: it runs to its end. */
    readonly record: (entry: Entry) => Effect.Effect<Order, JournalFailed>
    /** The orders that the process found when it started. */
    readonly recovered: ReadonlyArray<Order>
  }
>() {}

export const layer = Layer.effect(
  OrderBook,
  Effect.gen(function* () {
    const journal = yield* Journal
    const found = journal.entries.reduce(apply, HashMap.empty<OrderId, Order>())
    const orders = yield* Ref.make(found)
    const find = (id: OrderId) => Effect.map(Ref.get(orders), HashMap.get(id))
    return {
      find,
      record: (entry: Entry) =>
        journal.append(entry).pipe(
          Effect.zipRight(Ref.update(orders, (present) => apply(present, entry))),
          Effect.zipRight(find(entry.id)),
          Effect.flatMap(
            Option.match({
              onNone: () => Effect.dieMessage(`an entry for an order that was never placed: ${entry.id}`),
              onSome: Effect.succeed
            })
          ),
          Effect.uninterruptible
        ),
      recovered: Array.from(HashMap.values(found))
    }
  })
)
