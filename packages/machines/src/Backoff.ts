/**
 * How long to wait before the n-th repetition, as plain arithmetic.
 *
 * Retries are counted from 0, so the first wait uses `n = 0`. Every answer is a whole number of milliseconds between 0
 * and the cap, for any `n`, also one for which `base * factor^n` is no longer a finite number. The cap is applied
 * before the jitter and the jitter never exceeds it.
 *
 * `random` is always a number in [0, 1) that the caller draws: this module has no randomness of its own.
 *
 * Source of the jitter formulas: "Exponential Backoff And Jitter", Marc Brooker, AWS Architecture Blog, 2015.
 */

/** The longest delay that a Node timer keeps: 2^31 - 1 ms, about 24.8 days. */
export const maxDelayMillis = 2_147_483_647

/** The numbers of a capped exponential backoff. */
export interface Config {
  /** The ceiling of the first wait, in milliseconds, >= 0. */
  readonly baseMillis: number
  /** No wait is longer than this, in milliseconds, >= `baseMillis`. */
  readonly capMillis: number
  /** How much the ceiling grows from one wait to the next, >= 1. */
  readonly factor: number
}

const wholeWithin = (millis: number, cap: number): number => {
  const limit = Math.min(cap, maxDelayMillis)
  return millis >= limit ? Math.floor(limit) : Math.max(0, Math.floor(millis))
}

/** A whole number between `low` and `high`, both included, each as likely as the other. */
const uniform = (low: number, high: number, random: number): number =>
  Math.min(high, low + Math.floor(random * (high - low + 1)))

/** The ceiling of the n-th wait: min(cap, base * factor^n), in whole milliseconds. */
export const ceilingMillis = (config: Config, n: number): number =>
  config.baseMillis <= 0
    ? 0
    : wholeWithin(config.baseMillis * Math.pow(config.factor, Math.max(0, n)), config.capMillis)

/** Uniform over [0, ceiling]. Spreads callers furthest apart; the right choice against a retry storm. */
export const fullJitterMillis = (config: Config, n: number, random: number): number =>
  uniform(0, ceilingMillis(config, n), random)

/** Uniform over [ceiling / 2, ceiling]. Keeps at least half of every wait. */
export const equalJitterMillis = (config: Config, n: number, random: number): number => {
  const ceiling = ceilingMillis(config, n)
  return uniform(Math.ceil(ceiling / 2), ceiling, random)
}

/**
 * min(cap, uniform over [base, 3 * previous]). `previousMillis` is the wait before this one, and the base before the
 * first.
 */
export const decorrelatedJitterMillis = (config: Config, previousMillis: number, random: number): number => {
  const low = wholeWithin(config.baseMillis, config.capMillis)
  const high = Math.max(low, 3 * Math.min(previousMillis, maxDelayMillis))
  return wholeWithin(uniform(low, high, random), config.capMillis)
}

/** min(cap, base + n * increment), in whole milliseconds. */
export const linearMillis = (
  config: { readonly baseMillis: number; readonly incrementMillis: number; readonly capMillis: number },
  n: number
): number => wholeWithin(config.baseMillis + Math.max(0, n) * config.incrementMillis, config.capMillis)

/**
 * How long to wait when the dependency itself asked for a delay: never earlier than it asked. When its wish is the
 * longer one, up to a tenth of it is added, or all callers that were told the same would come back together.
 */
export const withHintMillis = (backoffMillis: number, hintMillis: number, random: number): number => {
  if (hintMillis <= backoffMillis) return backoffMillis
  const asked = Math.min(maxDelayMillis, Math.ceil(hintMillis))
  return Math.min(maxDelayMillis, asked + uniform(0, Math.ceil(asked / 10), random))
}
