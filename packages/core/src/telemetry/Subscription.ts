/**
 * A subscription to events that never makes a caller wait: it keeps the last so many that were not taken, and counts those
 * that it dropped for want of room.
 */
import { Chunk, Effect, Option, type Scope, Stream } from "effect"
import * as InvalidOptions from "../InvalidOptions.js"
import type { Event } from "./Events.js"
import { listen } from "./Hub.js"
import { Slots } from "./Slots.js"

/** What is subscribed to. */
export interface Options {
  /** How many events are kept that were not taken; the oldest go first. From 1; default 1024. */
  readonly capacity?: number | undefined
  /** Whether every call is told of as well. Default false. */
  readonly calls?: boolean | undefined
}

/** What became of the events since the subscription began: published = received + dropped + waiting. */
export interface Counts {
  readonly published: number
  readonly received: number
  readonly dropped: number
  readonly waiting: number
}

/** A subscription while its scope lives. */
export interface Subscription {
  /**
   * What was published since the subscription began and is not taken yet, then what comes. It ends with the subscription,
   * after what is left. One reader at a time.
   */
  readonly stream: Stream.Stream<Event>
  readonly counts: Effect.Effect<Counts>
}

/** The last events in a ring. Mutated in place: it is written inside calls. */
export class Ring {
  private readonly slots: Slots
  private from = 0
  private size = 0
  private published = 0
  private dropped = 0
  private isClosed = false
  private readonly latch = Effect.unsafeMakeLatch(false)

  constructor(private readonly capacity: number) {
    this.slots = new Slots(capacity)
  }

  /** Keeps an event; where there is no room the oldest makes way, and is counted. */
  readonly put = (event: Event): void => {
    this.published++
    const { capacity } = this
    const at = this.from + this.size
    const place = at < capacity ? at : at - capacity
    this.slots.put(place, event)
    if (this.size === capacity) {
      this.dropped++
      this.from = this.from + 1 === capacity ? 0 : this.from + 1
      return
    }
    this.size++
    if (this.size === 1) this.latch.unsafeOpen()
  }

  /** Takes all that is there. */
  readonly drain = (): ReadonlyArray<Event> => {
    const taken: Array<Event> = []
    for (; this.size > 0; this.size--) {
      const event = this.slots.take(this.from)
      if (event !== undefined) taken.push(event)
      this.from = this.from + 1 === this.capacity ? 0 : this.from + 1
    }
    if (!this.isClosed) this.latch.unsafeClose()
    return taken
  }

  /** Returns when anything is there. */
  readonly filled: Effect.Effect<void> = this.latch.await

  /** Nothing comes any more. */
  readonly close = (): void => {
    this.isClosed = true
    this.latch.unsafeOpen()
  }

  /** What is there and what comes until it is closed, taken all at once as often as anything is there. */
  readonly stream: Stream.Stream<Event> = Stream.repeatEffectChunkOption(
    Effect.flatMap(this.filled, () => {
      const taken = this.drain()
      return taken.length === 0 && this.isClosed
        ? Effect.fail(Option.none())
        : Effect.succeed(Chunk.unsafeFromArray(taken))
    })
  )

  get counts(): Counts {
    const { dropped, published, size: waiting } = this
    return { published, dropped, waiting, received: published - dropped - waiting }
  }
}

/**
 * Subscribes while the scope lives. Dies with `InvalidOptions` if the capacity is out of range.
 *
 * @example
 * ```ts
 * import { Policy, Telemetry } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const subscription = yield* Telemetry.subscribe({ capacity: 100 })
 *   const policy = yield* Policy.standard("search")
 *   yield* Effect.exit(policy.protect(Effect.fail("no answer")))
 *   return yield* subscription.counts
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * ```
 */
export const subscribe = ({ calls, capacity = 1024 }: Options = {}): Effect.Effect<Subscription, never, Scope.Scope> =>
  Effect.flatMap(
    InvalidOptions.orDie("telemetry", InvalidOptions.integer("capacity", capacity, 1, 1_000_000)),
    (most) =>
      Effect.suspend(() => {
        const ring = new Ring(most)
        const counts = Effect.sync(() => ring.counts)
        const ends = Effect.addFinalizer(() => Effect.sync(ring.close))
        return Effect.as(Effect.zipRight(ends, listen({ publish: ring.put, calls })), { stream: ring.stream, counts })
      })
  )

/**
 * The events from now on; each run of the stream subscribes by itself, and keeps the last `capacity` events that it has not
 * taken. `subscribe` tells what it lost.
 *
 * @example
 * ```ts
 * import { Policy, Telemetry } from "@effect-resilience/core"
 * import { Effect, Stream } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   yield* Telemetry.stream().pipe(Stream.runForEach((event) => Effect.log(event._tag)), Effect.forkScoped)
 *   const policy = yield* Policy.standard("search")
 *   return yield* policy.protect(Effect.succeed("found"))
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * ```
 */
export const stream = (options: Options = {}): Stream.Stream<Event> =>
  Stream.unwrapScoped(Effect.map(subscribe(options), (subscription) => subscription.stream))
