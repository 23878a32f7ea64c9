/**
 * What becomes of an order whose charge has no known outcome. The charge may have happened with only its answer lost,
 * so the order is neither failed nor forgotten: it is pending, and charged again under the same key.
 *
 * The backlog is bounded, and a place in it is taken *before* the charge is attempted: a full backlog then refuses an
 * order that was not charged, instead of dropping one that may have been.
 */
import { Config, Context, Data, Duration, Effect, Exit, Layer, Option, Queue, Ref } from "effect"
import type { Order } from "./Domain.js"
import { OrderBook } from "./OrderBook.js"
import { PaymentPolicy } from "./Policies.js"
import { Reservations } from "./Reservations.js"
import { Settlement, type Unsettled } from "./Settlement.js"

/** There is no place for another pending order. */
export class BacklogFull extends Data.TaggedError("BacklogFull")<{
  readonly capacity: number
  readonly retryAfter: Option.Option<Duration.Duration>
}> {
  override get message() {
    return `${this.capacity} orders are pending already`
  }
}

/** Without a backlog: the charge failed, as far as we know, and so did the order. */
export class PaymentFailed extends Data.TaggedError("PaymentFailed")<{
  readonly reason: string
  readonly late: boolean
}> {
  override get message() {
    return `the payment failed: ${this.reason}`
  }
}

/** A place for one order. Exactly one of the two is used, once. */
export interface Place {
  /** The order is settled: the place is free again. */
  readonly free: Effect.Effect<void>
  /** The outcome of the charge is not known. Gives the order as it is from now on. */
  readonly keep: (order: Order, why: Option.Option<Unsettled>) => Effect.Effect<Order, PaymentFailed>
}

export class Backlog extends Context.Tag("order-service/Backlog")<
  Backlog,
  {
    /** Takes a place, before the charge. */
    readonly reserve: Effect.Effect<Place, BacklogFull>
    /** How many places are taken. */
    readonly size: Effect.Effect<number>
  }
>() {}

const settings = Config.all({
  capacity: Config.integer("BACKLOG_CAPACITY").pipe(Config.withDefault(1000)),
  ratePerSecond: Config.number("BACKLOG_RATE").pipe(Config.withDefault(20))
})

/** The pause after an order could not be settled although the circuit would have let it through. */
const pauseAfterFailure = Duration.seconds(1)

/** How many orders are charged at a time: a quarter of what payment's limit lets through at most. */
const atOnce = 5

/** What a refused customer is told when the circuit does not say when payment is tried next. */
const usualRetryAfter = Duration.seconds(5)

/**
 * The bounded backlog and the one worker that empties it: it waits until payment's circuit is due (so it makes the
 * probe also when no customer comes), charges one order, and once that is settled up to `BACKLOG_RATE` (20) a second and
 * five at a time, until one fails. It stands back while half of payment's limit is taken.
 */
export const layer = Layer.scoped(
  Backlog,
  Effect.gen(function* () {
    const { capacity, ratePerSecond } = yield* settings
    const pace = Duration.millis(Math.ceil(1000 / ratePerSecond))
    const book = yield* OrderBook
    const policy = yield* PaymentPolicy
    const settlement = yield* Settlement

    const pending = book.recovered.filter((order) => order.status === "pending")
    const taken = yield* Ref.make(pending.length)
    const line = yield* Queue.unbounded<Order>()
    yield* Queue.offerAll(line, pending)

    // Whether the last order that was tried could be settled: only then are several tried at once.
    const well = yield* Ref.make(false)
    const places = yield* Effect.makeSemaphore(atOnce)
    const scope = yield* Effect.scope

    const free = Ref.update(taken, (n) => n - 1)

    const untilProbe = Option.match(policy.circuitBreaker, {
      onNone: () => Effect.succeedNone,
      onSome: (breaker) =>
        Effect.map(breaker.snapshot, ({ retryAfter, state }) => (state === "Closed" ? Option.none() : retryAfter))
    })

    const liveOrdersAreMany = Option.match(policy.adaptiveLimiter, {
      onNone: () => Effect.succeed(false),
      onSome: (limiter) => Effect.map(limiter.snapshot, ({ inFlight, limit }) => inFlight * 2 >= limit)
    })

    const untilDue: Effect.Effect<void> = Effect.gen(function* () {
      const wait = yield* untilProbe
      if (Option.isSome(wait)) {
        yield* Effect.sleep(Duration.max(wait.value, Duration.millis(1)))
        yield* untilDue
      } else if (yield* liveOrdersAreMany) {
        yield* Effect.sleep(pace)
        yield* untilDue
      }
    })

    const settle = (order: Order) =>
      Effect.flatMap(Effect.exit(settlement.settle(order)), (exit) =>
        Exit.isSuccess(exit)
          ? Effect.zipRight(Ref.set(well, true), free)
          : // To the end of the line: an order that payment cannot digest does not hold up the others.
            Effect.zipRight(Ref.set(well, false), Queue.offer(line, order))
      )

    const work = Effect.gen(function* () {
      const order = yield* Queue.take(line)
      yield* untilDue
      if (yield* Ref.get(well)) {
        yield* places.take(1)
        yield* Effect.forkIn(Effect.ensuring(settle(order), places.release(1)), scope)
        yield* Effect.sleep(pace)
      } else {
        yield* settle(order)
        if (yield* Ref.get(well)) yield* Effect.sleep(pace)
        else if (Option.isNone(yield* untilProbe)) yield* Effect.sleep(pauseAfterFailure)
      }
    })
    yield* Effect.forkScoped(Effect.forever(work))

    const keep = (order: Order) => Effect.as(Queue.offer(line, order), order)

    return {
      size: Ref.get(taken),
      reserve: Ref.modify(taken, (n) => (n < capacity ? [true, n + 1] : [false, n])).pipe(
        Effect.flatMap((gotPlace) =>
          gotPlace
            ? Effect.succeed({ free, keep })
            : Effect.flatMap(
                untilProbe,
                (wait) => new BacklogFull({ capacity, retryAfter: Option.orElseSome(wait, () => usualRetryAfter) })
              )
        )
      )
    }
  })
)

const isLate = (error: Unsettled): boolean => error._tag === "TimedOut" || error._tag === "DeadlineExceeded"

/**
 * No backlog: an order whose charge failed is rejected and its stock given back. That is what a service does that has
 * no policies, and it is not safe: a charge whose answer was lost has happened all the same.
 */
export const layerNone = Layer.effect(
  Backlog,
  Effect.gen(function* () {
    const book = yield* OrderBook
    const reservations = yield* Reservations
    const keep = (order: Order, why: Option.Option<Unsettled>) => {
      const reason = Option.match(why, { onNone: () => "interrupted", onSome: (error) => error.message })
      return book
        .record({ _tag: "Rejected", id: order.id, reason })
        .pipe(
          Effect.ignore,
          Effect.zipRight(reservations.release(order.id)),
          Effect.zipRight(new PaymentFailed({ reason, late: Option.exists(why, isLate) }))
        )
    }
    return { size: Effect.succeed(0), reserve: Effect.succeed({ free: Effect.void, keep }) }
  })
)
