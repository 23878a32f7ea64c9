/**
 * A clock for thousands of sleepers. `TestClock` looks at every fiber at each wake-up; this one wakes all that are due at
 * a moment together, in the order in which they fell asleep, and lets them go as far as they come before time goes on.
 */
import { Clock, Duration, Effect } from "effect"
import { turn } from "./Turns.js"

export class VirtualClock implements Clock.Clock {
  readonly [Clock.ClockTypeId]: typeof Clock.ClockTypeId = Clock.ClockTypeId
  private nowMillis = 0
  private readonly sleepers = new Map<number, Set<() => void>>()

  /** Lets an effect live by this clock. */
  readonly rule = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => Effect.withClock(self, this)

  /** Lets so much time pass. Whoever runs it does not sleep by this clock meanwhile. */
  readonly pass = (millis: number): Effect.Effect<void> =>
    Effect.gen(this, function* () {
      const until = this.nowMillis + millis
      yield* turn
      for (let due = this.nextDue(until); due !== undefined; due = this.nextDue(until)) {
        this.nowMillis = due
        const woken = this.sleepers.get(due) ?? []
        this.sleepers.delete(due)
        for (const wake of woken) wake()
        yield* turn
      }
      this.nowMillis = until
    })

  unsafeCurrentTimeMillis(): number {
    return this.nowMillis
  }
  unsafeCurrentTimeNanos(): bigint {
    return BigInt(this.nowMillis) * 1_000_000n
  }
  readonly currentTimeMillis = Effect.sync(() => this.unsafeCurrentTimeMillis())
  readonly currentTimeNanos = Effect.sync(() => this.unsafeCurrentTimeNanos())

  scheduler(): Effect.Effect<Clock.ClockScheduler> {
    return Effect.succeed({
      unsafeSchedule: (task, duration) => this.schedule(Duration.toMillis(duration), task)
    })
  }

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    const millis = Duration.toMillis(duration)
    return millis <= 0
      ? Effect.void
      : Effect.async((resume) => {
          const cancel = this.schedule(millis, () => resume(Effect.void))
          return Effect.sync(cancel)
        })
  }

  private schedule(millis: number, wake: () => void): () => boolean {
    const due = this.nowMillis + millis
    const bed = this.sleepers.get(due) ?? new Set()
    this.sleepers.set(due, bed.add(wake))
    return () => bed.delete(wake)
  }

  private nextDue(until: number): number | undefined {
    const next = Math.min(...this.sleepers.keys())
    return next <= until ? next : undefined
  }
}
