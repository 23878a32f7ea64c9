/**
 * A clock that is moved by hand. Unlike the `TestClock` it wakes everything that is due in one step, in an order that the
 * test chooses, so that two things happen at one instant indeed; and its wall can be set apart from its monotonic side.
 */
import { Clock, Deferred, Duration, Effect } from "effect"

interface Sleep {
  readonly due: number
  readonly morning: Deferred.Deferred<void>
}

export type WakingOrder = "first asleep first" | "last asleep first"

/** Enough for every fiber of a test to get as far as it comes. */
export const settle = Effect.repeatN(Effect.yieldNow(), 50)

export class HandClock implements Clock.Clock {
  readonly [Clock.ClockTypeId]: Clock.ClockTypeId = Clock.ClockTypeId
  private millis = 0
  private sleeps: ReadonlyArray<Sleep> = []

  /** What the wall shows beyond the milliseconds since the beginning. */
  wallAhead = 0

  unsafeCurrentTimeMillis(): number {
    return this.millis + this.wallAhead
  }
  unsafeCurrentTimeNanos(): bigint {
    return BigInt(this.millis) * 1_000_000n
  }
  readonly currentTimeMillis = Effect.sync(() => this.unsafeCurrentTimeMillis())
  readonly currentTimeNanos = Effect.sync(() => this.unsafeCurrentTimeNanos())

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    const fallAsleep = Effect.map(Deferred.make<void>(), (morning): Sleep => {
      const own = { due: this.millis + Duration.toMillis(duration), morning }
      this.sleeps = [...this.sleeps, own]
      return own
    })
    // The canceller of an `Effect.async` is not run when the interruption comes just before it is installed.
    return Effect.acquireUseRelease(
      fallAsleep,
      ({ morning }) => Deferred.await(morning),
      (own) =>
        Effect.sync(() => {
          this.sleeps = this.sleeps.filter((sleep) => sleep !== own)
        })
    )
  }

  /** How many sleep. */
  get sleeping(): number {
    return this.sleeps.length
  }

  /** Moves on, and wakes all whose time has come at once, in the order in which they went to sleep or against it. */
  readonly tick = (millis: number, order: WakingOrder = "first asleep first"): Effect.Effect<void> =>
    Effect.sync(() => {
      this.millis += millis
      const due = this.sleeps.filter((sleep) => sleep.due <= this.millis)
      this.sleeps = this.sleeps.filter((sleep) => sleep.due > this.millis)
      const woken = order === "first asleep first" ? due : due.toReversed()
      for (const { morning } of woken) Deferred.unsafeDone(morning, Effect.void)
    })

  /** As `tick`, and lets everything get as far as it comes. */
  readonly advance = (millis: number, order?: WakingOrder): Effect.Effect<void> =>
    Effect.zipRight(this.tick(millis, order), settle)

  /** Runs an effect by this clock. */
  readonly rule = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => Effect.withClock(self, this)

  /** Begins an effect and lets it get as far as it comes without any time passing. */
  readonly begin = <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.zipLeft(Effect.fork(this.rule(self)), settle)
}
