/**
 * What a machine that learns a limit is told, and what it holds: plain data, milliseconds for times and spans.
 */

/** Which rule learns the limit. */
export type Algorithm = "knee" | "aimd" | "vegas" | "gradient2"

/** The numbers of an adaptive limit. */
export interface Config {
  readonly algorithm: Algorithm
  /** The limit never falls below this, >= 1. */
  readonly min: number
  /** The limit never exceeds this, >= `min`. */
  readonly max: number
  /** The first limit, `min` to `max`. */
  readonly initial: number
}

/** A call that has ended and that says something of the limit. */
export interface Sample {
  /** `Success` is a sample of latency; `Dropped` is a call that timed out or that was refused for overload. */
  readonly outcome: "Success" | "Dropped"
  readonly startedMillis: number
  /** How many ran when it began, itself included. */
  readonly inFlight: number
}

/** What every rule holds. */
export interface Learned {
  /** The limit, with a fraction. */
  readonly limit: number
  /** What a call takes when none waits, in milliseconds; 0 as long as nothing is known. */
  readonly baselineMillis: number
}

/** A limit that is not below the least and not above the most. */
export const within = ({ max, min }: Config, limit: number): number => Math.min(max, Math.max(min, limit))

/** How long a call took; one that ended in the millisecond in which it began took some time all the same. */
export const lasted = ({ startedMillis }: Sample, nowMillis: number): number =>
  Math.max(0.001, nowMillis - startedMillis)
