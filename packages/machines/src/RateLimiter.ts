/**
 * How much may happen in a span of time, for one key. Two algorithms.
 *
 * `TokenBucket`: `limit` permits in every `windowMillis`, in a steady trickle, of which up to `burst` can be saved up (the
 * generic cell rate algorithm). Nothing refills it: what is used is known for one moment, and less by every later one.
 * After a deficit nothing overshoots. Over any span it admits at most burst + limit * span / window: with `burst: limit` up
 * to twice the limit in one window.
 *
 * `SlidingWindow`: at most `limit` in every whole window, whole as counted from time 0; of the window before, the share
 * that still lies in the span that ends now counts as well, as if its calls had been spread evenly. Where they all came at
 * its end, a span across both can hold nearly twice the limit.
 *
 * Times are whole milliseconds; limits, bursts and costs are whole numbers. As long as `windowMillis` times the limit or
 * the burst stays below 2^53 the arithmetic is exact, whatever the time. A clock that goes back admits nothing that it would not have admitted had it stood still.
 *
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
  /** What was missing in the bucket at `atMillis`, in permits times `windowMillis`: of those `limit` come back in every millisecond. */
  readonly missing: number
  readonly atMillis: number
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

/** What is left for a key. */
export interface Standing {
  /** How many permits could be taken now. */
  readonly remaining: number
  /** In how many milliseconds nothing that was taken counts any more, if nothing else is. */
  readonly resetAfterMillis: number
}

/** What becomes of a call, and what is left after it. */
export interface Decision extends Standing {
  readonly admitted: boolean
  /** In how many milliseconds the same call would be admitted; 0 if it is now. */
  readonly retryAfterMillis: number
}

const mismatch = (config: Config, state: State): never => {
  throw new TypeError(`the state of a ${state._tag} was used with the config of a ${config._tag}`)
}

/** A key that has used nothing. */
export const initial = (config: Config): State =>
  config._tag === "TokenBucket"
    ? { _tag: "TokenBucket", missing: 0, atMillis: 0 }
    : { _tag: "SlidingWindow", index: 0, present: 0, before: 0 }

/** The most that one call can ever take. */
export const largestCost = (config: Config): number => (config._tag === "TokenBucket" ? config.burst : config.limit)

/**
 * What is missing in the bucket now; a number and no new state, for each of those would be garbage at every call. Of a key
 * that has used more under a higher limit than it has now, no more is missing than all.
 */
const missingNow = (
  { burst, limit, windowMillis }: TokenBucketConfig,
  missing: number,
  atMillis: number,
  nowMillis: number
): number => {
  const most = Math.min(missing, burst * windowMillis)
  return nowMillis <= atMillis ? most : Math.max(0, most - (nowMillis - atMillis) * limit)
}

const rolled = (config: SlidingWindowConfig, state: SlidingWindow, nowMillis: number): SlidingWindow => {
  const index = Math.floor(nowMillis / config.windowMillis)
  if (index <= state.index) return state
  return { _tag: "SlidingWindow", index, present: 0, before: index === state.index + 1 ? state.present : 0 }
}

/** How far `nowMillis` is into the present window; at its beginning, if it lies before it. */
const elapsedIn = ({ windowMillis }: SlidingWindowConfig, index: number, nowMillis: number): number =>
  Math.max(0, nowMillis - index * windowMillis)

/** The first millisecond of a window at which no more than `room` of the `before` in the window before count. */
const freeAt = ({ windowMillis }: SlidingWindowConfig, before: number, room: number): number =>
  before <= room ? 0 : windowMillis - Math.floor((room * windowMillis) / before)

const bucketWait = (config: TokenBucketConfig, missing: number, cost: number): number =>
  Math.max(0, Math.ceil((missing + (cost - config.burst) * config.windowMillis) / config.limit))

/** Goes from window to window: those ahead take what each has until its last millisecond, the call what is left after. */
const windowWait = (
  config: SlidingWindowConfig,
  now: SlidingWindow,
  cost: number,
  ahead: number,
  nowMillis: number
): number => {
  const { limit, windowMillis } = config
  const own = Math.min(cost, limit)
  let { before, present } = now
  let line = ahead + cost - own
  let beginsIn = -elapsedIn(config, now.index, nowMillis)
  for (;;) {
    const room = limit - present - line - own
    const free = room < 0 ? windowMillis : freeAt(config, before, room)
    if (free < windowMillis) return Math.max(0, beginsIn + free)
    const served = Math.max(0, Math.min(line, limit - present - Math.ceil(before / windowMillis)))
    line -= served
    before = present + served
    present = 0
    beginsIn += windowMillis
  }
}

/**
 * In how many milliseconds `cost` permits can be taken, once those who are in line before have taken theirs, `ahead` (>= 0)
 * in all, one by one and each as soon as possible; 0 is now. Of a cost above `largestCost` the rest counts as ahead. Where
 * those ahead want several at a time, a sliding window may not be filled to its end, and it takes longer.
 */
export const waitMillis = (config: Config, state: State, cost: number, nowMillis: number, ahead = 0): number => {
  if (config._tag === "TokenBucket" && state._tag === "TokenBucket") {
    return bucketWait(config, missingNow(config, state.missing, state.atMillis, nowMillis), ahead + cost)
  }
  if (config._tag === "SlidingWindow" && state._tag === "SlidingWindow") {
    return windowWait(config, rolled(config, state, nowMillis), cost, ahead, nowMillis)
  }
  return mismatch(config, state)
}

const bucketLeft = ({ burst, windowMillis }: TokenBucketConfig, missing: number): number =>
  burst - Math.ceil(missing / windowMillis)

const bucketReset = ({ limit }: TokenBucketConfig, missing: number): number => Math.ceil(missing / limit)

const windowLeft = (config: SlidingWindowConfig, now: SlidingWindow, nowMillis: number): number => {
  const { limit, windowMillis } = config
  const elapsed = elapsedIn(config, now.index, nowMillis)
  const counted = Math.ceil((now.before * (windowMillis - elapsed)) / windowMillis)
  return Math.max(0, limit - now.present - counted)
}

const windowReset = (config: SlidingWindowConfig, { before, index, present }: SlidingWindow, nowMillis: number) => {
  const windows = present > 0 ? 2 : before > 0 ? 1 : 0
  return Math.max(0, windows * config.windowMillis - elapsedIn(config, index, nowMillis))
}

/** What is left for the key. */
export const standing = (config: Config, state: State, nowMillis: number): Standing => {
  if (config._tag === "TokenBucket" && state._tag === "TokenBucket") {
    const missing = missingNow(config, state.missing, state.atMillis, nowMillis)
    return { remaining: bucketLeft(config, missing), resetAfterMillis: bucketReset(config, missing) }
  }
  if (config._tag === "SlidingWindow" && state._tag === "SlidingWindow") {
    const now = rolled(config, state, nowMillis)
    return { remaining: windowLeft(config, now, nowMillis), resetAfterMillis: windowReset(config, now, nowMillis) }
  }
  return mismatch(config, state)
}

const ofBucket = (config: TokenBucketConfig, missing: number, retryAfterMillis: number): Decision => ({
  admitted: retryAfterMillis === 0,
  remaining: bucketLeft(config, missing),
  resetAfterMillis: bucketReset(config, missing),
  retryAfterMillis
})

const takeOfBucket = (
  config: TokenBucketConfig,
  state: TokenBucket,
  cost: number,
  nowMillis: number
): readonly [Decision, State] => {
  const missing = missingNow(config, state.missing, state.atMillis, nowMillis)
  const retryAfterMillis = bucketWait(config, missing, cost)
  if (retryAfterMillis > 0) return [ofBucket(config, missing, retryAfterMillis), state]
  const then = missing + cost * config.windowMillis
  const atMillis = Math.max(state.atMillis, nowMillis)
  return [ofBucket(config, then, 0), { _tag: "TokenBucket", missing: then, atMillis }]
}

const takeOfWindow = (
  config: SlidingWindowConfig,
  state: SlidingWindow,
  cost: number,
  nowMillis: number
): readonly [Decision, State] => {
  const now = rolled(config, state, nowMillis)
  const retryAfterMillis = windowWait(config, now, cost, 0, nowMillis)
  const admitted = retryAfterMillis === 0
  const { before, index, present } = now
  const then: SlidingWindow = admitted ? { _tag: "SlidingWindow", index, present: present + cost, before } : now
  return [
    {
      admitted,
      remaining: windowLeft(config, then, nowMillis),
      resetAfterMillis: windowReset(config, then, nowMillis),
      retryAfterMillis
    },
    admitted ? then : state
  ]
}

/** A call that wants `cost` permits, 1 to `largestCost`. */
export const take = (config: Config, state: State, cost: number, nowMillis: number): readonly [Decision, State] => {
  if (config._tag === "TokenBucket" && state._tag === "TokenBucket") {
    return takeOfBucket(config, state, cost, nowMillis)
  }
  if (config._tag === "SlidingWindow" && state._tag === "SlidingWindow") {
    return takeOfWindow(config, state, cost, nowMillis)
  }
  return mismatch(config, state)
}

/** Whether the key may be forgotten: it is as if it had never been used. */
export const isFresh = (config: Config, state: State, nowMillis: number): boolean =>
  standing(config, state, nowMillis).resetAfterMillis === 0

/**
 * How many numbers a state is, where many are held side by side in one array: as objects, those of 100,000 keys cost each
 * call twice as much, for the collector has to move every new one.
 */
export const packedLength = 3

/** Writes a state as numbers, `packedLength` of them at most, from `at` on. */
export const pack = (state: State, into: Float64Array, at: number): void => {
  if (state._tag === "TokenBucket") {
    into[at] = state.missing
    into[at + 1] = state.atMillis
  } else {
    into[at] = state.present
    into[at + 1] = state.index
    into[at + 2] = state.before
  }
}

/** Reads what `pack` has written, of a state that belongs to the config. */
export const unpack = (config: Config, from: Float64Array, at: number): State => {
  const [first, second] = [from[at] ?? 0, from[at + 1] ?? 0]
  return config._tag === "TokenBucket"
    ? { _tag: "TokenBucket", missing: first, atMillis: second }
    : { _tag: "SlidingWindow", index: second, present: first, before: from[at + 2] ?? 0 }
}

/** As `take`, of a state that `pack` has written, which is overwritten: for buckets, without making an object of it. */
export const takePacked = (
  config: Config,
  packed: Float64Array,
  at: number,
  cost: number,
  nowMillis: number
): Decision => {
  if (config._tag === "SlidingWindow") {
    const [decision, next] = take(config, unpack(config, packed, at), cost, nowMillis)
    pack(next, packed, at)
    return decision
  }
  const atMillis = packed[at + 1] ?? 0
  const missing = missingNow(config, packed[at] ?? 0, atMillis, nowMillis)
  const retryAfterMillis = bucketWait(config, missing, cost)
  if (retryAfterMillis > 0) return ofBucket(config, missing, retryAfterMillis)
  const then = missing + cost * config.windowMillis
  packed[at] = then
  packed[at + 1] = Math.max(atMillis, nowMillis)
  return ofBucket(config, then, 0)
}
