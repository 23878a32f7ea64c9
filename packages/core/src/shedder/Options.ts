/**
 * The options of a load shedder, their defaults and their checks.
 */
import type { AdaptiveLimit, LoadShedder as Machine } from "@effect-resilience/machines"
import type { Duration } from "effect"
import { type LimitOptions, limitSettings } from "../adaptive/Learning.js"
import * as InvalidOptions from "../InvalidOptions.js"
import type * as Outcome from "../Outcome.js"

/** The options of a load shedder. */
export interface Options {
  /**
   * How many requests may run at a time: a number, from 1, or learned from how long they take. Default `"adaptive"`: as
   * `AdaptiveLimiter` learns it, from 20 at first.
   */
  readonly capacity?: number | LimitOptions | "adaptive" | undefined
  /** How many may wait, all classes together. From 0; default 64. */
  readonly maxWaiting?: number | undefined
  /** With more than so many in line a class serves its newest first. From 0; default 16. */
  readonly newestFirstAbove?: number | undefined
  /** How long a request may wait in a line that does not empty. From 1 ms; default 20 ms. */
  readonly target?: Duration.DurationInput | undefined
  /** For how long a line must have held somebody to be one that does not empty, and the longest wait. From 1 ms; default 200 ms. */
  readonly interval?: Duration.DurationInput | undefined
  /**
   * From which delay of the event loop on `SHEDDABLE` is refused; from twice that `SHEDDABLE_PLUS`, from four times that
   * `CRITICAL`. From 1 ms; default 100 ms. Needs an `EventLoopDelay`; without one the loop is taken to be on time.
   */
  readonly maxEventLoopDelay?: Duration.DurationInput | undefined
  /** How long a request takes at the least: one whose deadline leaves less is refused. From 1 ms; default 1 ms. */
  readonly minServiceTime?: Duration.DurationInput | undefined
  /** The shortest that who is refused is told to stay away. From 1 ms; default 1 second. */
  readonly minRetryAfter?: Duration.DurationInput | undefined
  /** The longest. From `minRetryAfter`; default 5 seconds. */
  readonly maxRetryAfter?: Duration.DurationInput | undefined
  /** How an exit counts, for a capacity that is learned. Default `Outcome.classify`. */
  readonly classify?: Outcome.Classify | undefined
}

/** Options that were checked. */
export interface Settings {
  /** A fixed one is learned between bounds that leave no choice. */
  readonly capacity: AdaptiveLimit.Config
  readonly machine: Machine.Config
  readonly minServiceMillis: number
  readonly maxRetryAfterMillis: number
}

/** The longest stay, before chance lengthens it by up to a half. */
const shortened = (minMillis: number, maxMillis: number): number => Math.max(minMillis, Math.floor(maxMillis / 1.5))

const capacityOf = (capacity: Options["capacity"] = "adaptive"): InvalidOptions.Checked<Settings["capacity"]> => {
  if (typeof capacity !== "number") return limitSettings(capacity === "adaptive" ? {} : capacity, "capacity.")
  const fixed = InvalidOptions.integer("capacity", capacity, 1)
  return InvalidOptions.map(fixed, (limit) => ({ algorithm: "knee", min: limit, max: limit, initial: limit }))
}

/** Checks the options. */
export const settings = (options: Options): InvalidOptions.Checked<Settings> => {
  const { integer, span } = InvalidOptions
  const least = span("minRetryAfter", options.minRetryAfter ?? "1 second")
  const leastMillis = least._tag === "Right" ? least.right : 1
  const checked = InvalidOptions.every<Machine.Config & Omit<Settings, "machine">>({
    capacity: capacityOf(options.capacity),
    maxWaiting: integer("maxWaiting", options.maxWaiting ?? 64, 0),
    newestFirstAbove: integer("newestFirstAbove", options.newestFirstAbove ?? 16, 0),
    targetMillis: span("target", options.target ?? 20),
    intervalMillis: span("interval", options.interval ?? 200),
    maxDelayMillis: span("maxEventLoopDelay", options.maxEventLoopDelay ?? 100),
    minServiceMillis: span("minServiceTime", options.minServiceTime ?? 1),
    minRetryAfterMillis: least,
    maxRetryAfterMillis: span("maxRetryAfter", options.maxRetryAfter ?? Math.max(5000, leastMillis), leastMillis)
  })
  return InvalidOptions.map(checked, ({ capacity, maxRetryAfterMillis, minServiceMillis, ...machine }) => ({
    capacity,
    machine: { ...machine, maxRetryAfterMillis: shortened(machine.minRetryAfterMillis, maxRetryAfterMillis) },
    minServiceMillis,
    maxRetryAfterMillis
  }))
}
