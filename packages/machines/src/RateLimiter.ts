/**
 * How much may happen in a span of time, for one key. Two algorithms.
 *
 * `TokenBucket`: `limit` permits in every `windowMillis`, in a steady trickle, of which up to `burst` can be saved up. It is
 * one number, the time at which the bucket would be full again (GCRA's theoretical arrival time), so there is nothing to
 * refill, and after a deficit nothing overshoots. Over any span it admits at most burst + limit * span / window: with
 * `burst: limit` up to twice the limit in one window.
 *
 * `SlidingWindow`: at most `limit` in every whole window, and in the span that ends now as far as it can be told: of the
 * window before, the share that still lies in that span counts.
 *
 * Times are monotonic whole milliseconds; limits, bursts and costs are whole numbers, so that the arithmetic is exact.
 * Sources: ITU-T I.371 (the generic cell rate algorithm); Cloudflare, "How we built rate limiting capable of scaling to
 * millions of domains", 2017 (the sliding window of two counts).
 */

/** A steady rate with room for bursts. */
export interface TokenBucketConfig {
  readonly _tag: "TokenBucket"
  /** How many permits come in a window, >= 1. */
  readonly limit: number
  /** In milliseconds, >= 1. */
  readonly windowMillis: number
  /** How many permits can be saved up, >= 1. */
  readonly burst: number
}

/** A quota for each window. */
export interface SlidingWindowConfig {
  readonly _tag: "SlidingWindow"
  /** How many permits there are in a window, >= 1. */
  readonly limit: number
  /** In milliseconds, >= 1. */
  readonly windowMillis: number
}

/** Which algorithm, and its numbers. */
export type Config = TokenBucketConfig | SlidingWindowConfig

interface TokenBucket {
  readonly _tag: "TokenBucket"
  /** When the bucket is full again, in milliseconds times `limit`, in which every permit is a whole number. */
  readonly fullAt: number
}

interface SlidingWindow {
  readonly _tag: "SlidingWindow"
  /** The number of the present window since time 0. */
  readonly index: number
  readonly present: number
  readonly before: number
}

/** What one key has used; of use only with the config that it was made of. */
export type State = TokenBucket | SlidingWindow

/** What becomes of a call. Every answer also says what is left now, and when all of it will be there again. */
export interface Decision {
  readonly admitted: boolean
  /** How many permits are left. */
  readonly remaining: number
  /** In how many milliseconds nothing will be known of this key any more, if it takes nothing else. */
  readonly resetAfterMillis: number
  /** In how many milliseconds the same call would be admitted; 0 if it is now. */
  readonly retryAfterMillis: number
}

const mismatch = (config: Config, state: State): never => {
  throw new TypeError(`the state of a ${state._tag} was used with the config of a ${config._tag}`)
}

/** A key that has used nothing. */
export const initial = (config: Config): State =>
  config._tag === "TokenBucket"
    ? { _tag: "TokenBucket", fullAt: 0 }
    : { _tag: "SlidingWindow", index: 0, present: 0, before: 0 }

/** The most that one call can ever take. */
export const largestCost = (config: Config): number => (config._tag === "TokenBucket" ? config.burst : config.limit)

const rolled = (config: SlidingWindowConfig, state: SlidingWindow, nowMillis: number): SlidingWindow => {
  const index = Math.floor(nowMillis / config.windowMillis)
  if (index <= state.index) return state
  return { _tag: "SlidingWindow", index, present: 0, before: index === state.index + 1 ? state.present : 0 }
}

/** What counts of the window before, times `windowMillis`, `elapsed` milliseconds into the present one. */
const weighed = ({ windowMillis }: SlidingWindowConfig, before: number, elapsed: number): number =>
  before * (windowMillis - elapsed)

/** The first whole millisecond of a window at which `room` permits beside what counts of the one before are free. */
const freeAt = ({ windowMillis }: SlidingWindowConfig, before: number, room: number): number =>
  before <= room ? 0 : Math.ceil(windowMillis - (room * windowMillis) / before)

const bucketWait = (config: TokenBucketConfig, state: TokenBucket, cost: number, nowMillis: number): number => {
  const now = nowMillis * config.limit
  const full = Math.max(state.fullAt, now) + cost * config.windowMillis
  return Math.max(0, Math.ceil((full - config.burst * config.windowMillis - now) / config.limit))
}

const windowWait = (config: SlidingWindowConfig, state: SlidingWindow, cost: number, nowMillis: number): number => {
  const { before, index, present } = rolled(config, state, nowMillis)
  const elapsed = Math.max(0, nowMillis - index * config.windowMillis)
  const room = config.limit - present - cost
  if (room >= 0) {
    const wait = freeAt(config, before, room) - elapsed
    if (wait <= 0) return 0
    return wait
  }
  return config.windowMillis - elapsed + freeAt(config, present, config.limit - cost)
}

/**
 * In how many milliseconds `cost` permits can be taken, if nobody else takes any; 0 is now. For one in a line, `cost` is
 * what it and all before it want.
 */
export const waitMillis = (config: Config, state: State, cost: number, nowMillis: number): number => {
  if (config._tag === "TokenBucket" && state._tag === "TokenBucket") return bucketWait(config, state, cost, nowMillis)
  if (config._tag === "SlidingWindow" && state._tag === "SlidingWindow") {
    return windowWait(config, state, cost, nowMillis)
  }
  return mismatch(config, state)
}

/** What is left for the key, and when all of it is. */
export const standing = (
  config: Config,
  state: State,
  nowMillis: number
): Pick<Decision, "remaining" | "resetAfterMillis"> => {
  if (config._tag === "TokenBucket" && state._tag === "TokenBucket") {
    const used = Math.max(0, state.fullAt - nowMillis * config.limit)
    return {
      remaining: Math.max(0, Math.floor(config.burst - used / config.windowMillis)),
      resetAfterMillis: Math.ceil(used / config.limit)
    }
  }
  if (config._tag !== "SlidingWindow" || state._tag !== "SlidingWindow") return mismatch(config, state)
  const { before, index, present } = rolled(config, state, nowMillis)
  const elapsed = Math.max(0, nowMillis - index * config.windowMillis)
  const used = present + weighed(config, before, elapsed) / config.windowMillis
  const windows = present > 0 ? 2 : before > 0 ? 1 : 0
  return {
    remaining: Math.max(0, Math.floor(config.limit - used)),
    resetAfterMillis: Math.max(0, windows * config.windowMillis - elapsed)
  }
}

const taken = (config: Config, state: State, cost: number, nowMillis: number): State => {
  if (config._tag === "TokenBucket" && state._tag === "TokenBucket") {
    return {
      _tag: "TokenBucket",
      fullAt: Math.max(state.fullAt, nowMillis * config.limit) + cost * config.windowMillis
    }
  }
  if (config._tag !== "SlidingWindow" || state._tag !== "SlidingWindow") return mismatch(config, state)
  const now = rolled(config, state, nowMillis)
  return { ...now, present: now.present + cost }
}

/** A call that wants `cost` permits, 1 to `largestCost`. */
export const take = (config: Config, state: State, cost: number, nowMillis: number): readonly [Decision, State] => {
  const retryAfterMillis = waitMillis(config, state, cost, nowMillis)
  const admitted = retryAfterMillis === 0
  const next = admitted ? taken(config, state, cost, nowMillis) : state
  return [{ admitted, retryAfterMillis, ...standing(config, next, nowMillis) }, next]
}

/** Whether the key may be forgotten: it is as if it had never been used. */
export const isFresh = (config: Config, state: State, nowMillis: number): boolean =>
  standing(config, state, nowMillis).resetAfterMillis === 0
