/**
 * The append-only record of what happened to orders. An entry is on the disk before anything is built on it: that an
 * order was placed is written before its charge is attempted, so whatever ends the process, an order that may have
 * been charged is known afterwards.
 *
 * Entries that arrive while a write is under way go into the next one together, so the disk is not asked once each.
 * The file only grows; a service that runs for years would start a new one from time to time.
 */
import { Context, Deferred, Effect, Either, Layer, Queue, Schema } from "effect"
import { InventoryState, OrderId, ProductId } from "./Domain.js"
import { type JournalFailed, JournalFile } from "./JournalFile.js"

/** Accepted: from here on the order is not lost. Written before the charge. */
const Placed = Schema.TaggedStruct("Placed", {
  id: OrderId,
  productId: ProductId,
  quantity: Schema.Int,
  amountCents: Schema.Int,
  inventory: InventoryState
})
const Confirmed = Schema.TaggedStruct("Confirmed", { id: OrderId, chargeId: Schema.String })
const Rejected = Schema.TaggedStruct("Rejected", { id: OrderId, reason: Schema.String })
/** The stock of an order that had been accepted on an estimate is reserved after all. */
const Reserved = Schema.TaggedStruct("Reserved", { id: OrderId })
/** The stock of a rejected order has been given back. */
const Released = Schema.TaggedStruct("Released", { id: OrderId })

export const Entry = Schema.Union(Placed, Confirmed, Rejected, Reserved, Released)
export type Entry = typeof Entry.Type

export class Journal extends Context.Tag("order-service/Journal")<
  Journal,
  {
    /** What earlier processes wrote, oldest first. */
    readonly entries: ReadonlyArray<Entry>
    /** Returns when the entry is on the disk. */
    readonly append: (entry: Entry) => Effect.Effect<void, JournalFailed>
  }
>() {}

const Line = Schema.parseJson(Entry)
const encode = Schema.encodeSync(Line)
const decode = Schema.decodeUnknownEither(Line)

/** Reads the lines of a journal. One that cannot be read is skipped, and said. */
const parse = (text: string): Effect.Effect<ReadonlyArray<Entry>> =>
  Effect.gen(function* () {
    const entries: Array<Entry> = []
    for (const [index, line] of text.split("\n").entries()) {
      if (line === "") continue
      const entry = decode(line)
      if (Either.isRight(entry)) entries.push(entry.right)
      else yield* Effect.logError(`line ${index + 1} of the journal cannot be read and is left out`)
    }
    return entries
  })

interface Write {
  readonly line: string
  readonly done: Deferred.Deferred<void, JournalFailed>
}

/** The journal over a `JournalFile`. */
export const layer = Layer.scoped(
  Journal,
  Effect.gen(function* () {
    const file = yield* JournalFile
    const entries = yield* parse(file.text)
    const writes = yield* Queue.unbounded<Write>()

    const writeAll = (batch: Iterable<Write>) =>
      Effect.gen(function* () {
        const waiting = Array.from(batch)
        if (waiting.length === 0) return
        const exit = yield* Effect.exit(file.append(waiting.map(({ line }) => `${line}\n`).join("")))
        yield* Effect.forEach(waiting, ({ done }) => Deferred.done(done, exit), { discard: true })
      }).pipe(Effect.uninterruptible)

    yield* Effect.addFinalizer(() => Effect.flatMap(Queue.takeAll(writes), writeAll))
    yield* Queue.takeBetween(writes, 1, 256).pipe(
      Effect.flatMap(writeAll),
      Effect.forever,
      Effect.interruptible,
      Effect.forkScoped
    )

    return {
      entries,
      append: (entry: Entry) =>
        Effect.gen(function* () {
          const done = yield* Deferred.make<void, JournalFailed>()
          yield* Queue.offer(writes, { line: encode(entry), done })
          yield* Deferred.await(done)
        })
    }
  })
)
