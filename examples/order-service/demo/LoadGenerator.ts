/**
 * The process of the load generator: sends every arrival at its time whatever became of the others, judges the answers,
 * and in the end asks after the orders that are still pending until they are settled.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Clock, Deferred, Effect, Option, Ref, Schema } from "effect"
import * as Arrivals from "./Arrivals.js"
import * as Client from "./Client.js"
import { LoadCommand, type LoadNotice, type Outcome } from "./Messages.js"
import * as Parent from "../dependencies/Parent.js"
import { clientLimitMillis } from "./Statistics.js"
import * as Verdict from "./Verdict.js"

const tell = (notice: LoadNotice): Effect.Effect<void> => Parent.tell(notice)

const requestOf = (arrival: Arrivals.Arrival): Client.Request =>
  arrival._tag === "Page"
    ? { method: "GET", path: `/products/${arrival.productId}` }
    : {
        method: "POST",
        path: "/orders",
        body: { productId: arrival.productId, quantity: arrival.quantity, amountCents: arrival.amountCents }
      }

interface Told {
  readonly outcome: Outcome
  readonly orderId: Option.Option<string>
}

const live = (client: Client.Client, arrival: Arrivals.Arrival, startAt: number): Effect.Effect<Told> =>
  Effect.gen(function* () {
    const intended = startAt + arrival.at
    yield* Effect.sleep(Math.max(0, intended - (yield* Clock.currentTimeMillis)))
    const sent = yield* Clock.currentTimeMillis
    const answer = yield* client.ask(requestOf(arrival), intended + clientLimitMillis - sent)
    const answered = yield* Clock.currentTimeMillis
    const { orderId, ...verdict } = Verdict.judge(arrival, answer)
    const outcome: Outcome = {
      ...verdict,
      kind: arrival._tag === "Page" ? "page" : "order",
      at: arrival.at,
      slipMillis: Math.max(0, sent - intended),
      latencyMillis: verdict.result === "failed" ? clientLimitMillis : Math.min(clientLimitMillis, answered - intended)
    }
    return { outcome, orderId: verdict.pending && arrival.at >= 0 ? orderId : Option.none() }
  })

const decodeOrder = Schema.decodeUnknownOption(Schema.parseJson(Schema.Struct({ status: Schema.String })))

type Fate = "confirmed" | "rejected" | "pending"

const fateOf = (client: Client.Client, orderId: string): Effect.Effect<Fate> =>
  Effect.map(client.ask({ method: "GET", path: `/orders/${orderId}` }, clientLimitMillis), (answer) => {
    const status = Option.map(
      Option.flatMap(answer, ({ body }) => decodeOrder(body)),
      (order) => order.status
    )
    if (Option.contains(status, "confirmed")) return "confirmed"
    return Option.contains(status, "rejected") ? "rejected" : "pending"
  })

/** How many orders that are still pending are met before a round of asking ends. */
const pendingPerRound = 20

/**
 * Ask after the pending orders in rounds, oldest first, since the backlog is served in that order: a round ends at the
 * twentieth order that still waits. Asking after all of them all the time would be a load of its own.
 */
const drain = (client: Client.Client, orderIds: ReadonlyArray<string>, limitMillis: number) =>
  Effect.gen(function* () {
    const deadline = (yield* Clock.currentTimeMillis) + limitMillis
    const counts = { confirmed: 0, rejected: 0 }
    let left = orderIds
    while (left.length > 0 && (yield* Clock.currentTimeMillis) < deadline) {
      const waiting: Array<string> = []
      let asked = 0
      for (const orderId of left) {
        if (waiting.length === pendingPerRound) break
        const fate = yield* fateOf(client, orderId)
        asked += 1
        if (fate === "pending") waiting.push(orderId)
        else counts[fate] += 1
      }
      // The ones that wait go last, so that one which never settles does not hide the others.
      left = [...left.slice(asked), ...waiting]
      yield* tell({ _tag: "Settled", ...counts, left: left.length })
      yield* Effect.sleep("250 millis")
    }
    return { ...counts, unsettled: left.length }
  })

const load = (command: LoadCommand) =>
  Effect.gen(function* () {
    const client = Client.make(command.target)
    const fresh = yield* Ref.make<ReadonlyArray<Outcome>>([])
    const flush = Effect.flatMap(Ref.getAndSet(fresh, []), (outcomes) =>
      outcomes.length === 0 ? Effect.void : tell({ _tag: "Outcomes", outcomes })
    )
    const arrivals = Arrivals.schedule(command.seed, command.timeline)
    const told = yield* Effect.forEach(
      arrivals,
      (arrival) =>
        Effect.tap(live(client, arrival, command.startAt), ({ outcome }) =>
          Ref.update(fresh, (all) => [...all, outcome])
        ),
      { concurrency: "unbounded" }
    ).pipe(Effect.raceFirst(Effect.forever(Effect.zipRight(Effect.sleep("250 millis"), flush))))
    yield* flush
    const pending = told.flatMap(({ orderId }) => Option.toArray(orderId))
    yield* tell({ _tag: "LoadEnded", pending: pending.length })
    yield* tell({ _tag: "Drained", ...(yield* drain(client, pending, command.drainLimitMillis)) })
  })

const program = Effect.gen(function* () {
  const received = yield* Deferred.make<unknown>()
  process.once("message", (message) => Deferred.unsafeDone(received, Effect.succeed(message)))
  yield* tell({ _tag: "Ready" })
  yield* load(yield* Schema.decodeUnknown(LoadCommand)(yield* Deferred.await(received)))
  return yield* Effect.never
})

NodeRuntime.runMain(Effect.raceFirst(program, Parent.gone))
