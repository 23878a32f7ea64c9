/**
 * When recent outcomes are bad enough to open a circuit. Rates trip at `>=`.
 *
 * `consecutive(n)` is the window of the last n outcomes with nothing but failures in it, so that a failure that is too
 * old to count breaks the run as a success would.
 */
import type * as Window from "./Window.js"

/** n failures in a row. */
export interface Consecutive {
  readonly _tag: "Consecutive"
  /** How many, >= 1. */
  readonly failures: number
  readonly window: Window.CountConfig
}

/** A share of failures among the calls in a window. */
export interface Rate {
  readonly _tag: "Rate"
  /** Trips when failures / calls >= threshold; 0 < threshold <= 1. */
  readonly threshold: number
  /** Never trips with fewer calls in the window, >= 1. */
  readonly minimumCalls: number
  readonly window: Window.Config
}

/** When recent outcomes are bad enough: after failures in a row, or at a share of failures. */
export type TripPolicy = Consecutive | Rate

/** The numbers that made a circuit trip. */
export type Breach =
  | { readonly _tag: "Consecutive"; readonly failures: number; readonly threshold: number }
  | { readonly _tag: "Rate"; readonly failures: number; readonly calls: number; readonly threshold: number }

/** Outcomes older than this never count in a count window that names no other age: 10 minutes. */
export const defaultMaxAgeMillis = 600_000

/** Trips after `failures` (>= 1) failures in a row, none of them as old as `maxAgeMillis` (default 10 minutes). */
export const consecutive = (failures: number, maxAgeMillis: number = defaultMaxAgeMillis): Consecutive => ({
  _tag: "Consecutive",
  failures,
  window: { _tag: "Count", size: failures, maxAgeMillis }
})

/** Trips when failures / calls in the window is `>= threshold` and there were at least `minimumCalls` in it. */
export const rate = (options: {
  readonly threshold: number
  readonly minimumCalls: number
  readonly window: Window.Config
}): Rate => ({ _tag: "Rate", ...options })

/** What the rule says of a window; undefined while it holds. */
export const breach = (policy: TripPolicy, window: Window.Window): Breach | undefined => {
  if (policy._tag === "Consecutive") {
    return window.failures >= policy.failures
      ? { _tag: "Consecutive", failures: window.failures, threshold: policy.failures }
      : undefined
  }
  // The quotient, not threshold * calls: 0.07 * 100 is more than 7 in binary fractions.
  return window.calls >= policy.minimumCalls && window.failures / window.calls >= policy.threshold
    ? { _tag: "Rate", failures: window.failures, calls: window.calls, threshold: policy.threshold }
    : undefined
}
