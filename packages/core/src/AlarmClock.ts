/**
 * Clocks that can ring an alarm by themselves. Limits of time need no sleeping fiber on one, which is most of what they cost:
 * of use to clocks of simulations, which are asked for tens of thousands of limits a second. The live clock needs nothing of
 * this, and on any other clock a limit is a fiber that sleeps.
 */
import { type Clock, Predicate } from "effect"

/** Where a clock has its alarms. */
export const AlarmsTypeId: unique symbol = Symbol.for("@effect-resilience/core/Alarms")

/**
 * Rings in so many milliseconds (from 0, finite), unless what it gives is called before. It must ring after everybody has had
 * a turn who was woken at the same moment, or work that ends exactly at its limit would be too late.
 */
export type Alarms = (millis: number, ring: () => void) => () => void

/**
 * A clock with alarms of its own; undefined while it has none to give.
 *
 * @example
 * ```ts
 * import { AlarmClock } from "@effect-resilience/core"
 * import { Clock, Effect } from "effect"
 *
 * const hasAlarms = Effect.clockWith((clock: Clock.Clock) => Effect.succeed(AlarmClock.alarmsOf(clock) !== undefined))
 * Effect.runPromise(hasAlarms).then(console.log) // false: the live clock
 * ```
 */
export interface AlarmClock extends Clock.Clock {
  readonly [AlarmsTypeId]: Alarms | undefined
}

const isAlarmClock = (clock: Clock.Clock): clock is AlarmClock => Predicate.hasProperty(clock, AlarmsTypeId)

/** The alarms of a clock that has some. */
export const alarmsOf = (clock: Clock.Clock): Alarms | undefined =>
  isAlarmClock(clock) ? clock[AlarmsTypeId] : undefined
