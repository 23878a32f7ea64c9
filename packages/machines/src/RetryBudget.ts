/**
 * Retries may only be a share of the calls, or they keep a dependency down that could stand up again.
 *
 * Two rules. `ratio`: in any `ttlMillis` that ends with a retry there are at most `ratio` times the calls of that span,
 * and `minPerSecond` for each of its seconds. `tokens`: a bucket from which a retry takes `cost`; a success gives back
 * what its last retry took, one at the first attempt gives back 1.
 *
 * Calls leave the span of the first rule up to a tenth of it early and retries up to a tenth of it late, never the other
 * way round: what is granted is within the rule, whatever the moments.
 *
 * Times are monotonic milliseconds. Sources: Finagle's `RetryBudget`; the standard retry mode of the AWS SDKs.
 */
import * as Window from "./Window.js"

/** Retries as a share of recent calls. */
export interface RatioConfig {
  readonly _tag: "Ratio"
  /** How many retries each call pays for, >= 0. */
  readonly ratio: number
  /** How many retries there may be without any calls, a second, >= 0. */
  readonly minPerSecond: number
  /** How long a call pays for retries, in milliseconds, > 0. */
  readonly ttlMillis: number
}

/** Retries out of a bucket that successes fill. */
export interface TokensConfig {
  readonly _tag: "Tokens"
  /** What the bucket holds, at most and at first, a whole number >= 0. */
  readonly capacity: number
  /** What a retry takes, a whole number >= 1. */
  readonly cost: number
}

/** Which rule, and its numbers. */
export type Config = RatioConfig | TokensConfig

interface Ratio {
  readonly _tag: "Ratio"
  readonly calls: Window.Window
  readonly retries: Window.Window
}

interface Tokens {
  readonly _tag: "Tokens"
  readonly tokens: number
}

/** What was called and repeated of late; of use only with the config that it was made of. */
export type State = Ratio | Tokens

const steps = 10

// Both windows are told times in tenths of a millisecond: a tenth of `ttlMillis` need not be a whole number of
// milliseconds, and a rounded one would let a retry go before its time.
const callsWindow = ({ ttlMillis }: RatioConfig): Window.TimeConfig => ({
  _tag: "Time",
  spanMillis: ttlMillis * steps,
  buckets: steps
})

/** One step longer than the calls', so that no retry leaves while it is younger than `ttlMillis`. */
const retriesWindow = ({ ttlMillis }: RatioConfig): Window.Config => ({
  _tag: "Time",
  spanMillis: ttlMillis * (steps + 1),
  buckets: steps + 1
})

const mismatch = (config: Config, state: State): never => {
  throw new TypeError(`the state of a budget by ${state._tag} was used with a config by ${config._tag}`)
}

/** A budget before the first call. */
export const initial = (config: Config): State =>
  config._tag === "Ratio"
    ? { _tag: "Ratio", calls: Window.empty(callsWindow(config)), retries: Window.empty(retriesWindow(config)) }
    : { _tag: "Tokens", tokens: config.capacity }

/** How many retries there may be with so many calls, the fraction cut off. */
const allowed = ({ minPerSecond, ratio, ttlMillis }: RatioConfig, calls: number): number =>
  Math.floor(ratio * calls + (minPerSecond * ttlMillis) / 1000 + 1e-9)

/** `calls` calls were begun; their retries are not calls. */
export const called = (config: Config, state: State, nowMillis: number, calls = 1): State =>
  config._tag === "Ratio" && state._tag === "Ratio"
    ? { ...state, calls: Window.addSuccesses(callsWindow(config), state.calls, calls, nowMillis * steps) }
    : state

/** Calls that are begun from `nowMillis` on and before this are the same to the budget: they can be told together. */
export const sameUntilMillis = (config: Config, nowMillis: number): number =>
  config._tag === "Ratio"
    ? Math.ceil(((Math.floor((nowMillis * steps) / config.ttlMillis) + 1) * config.ttlMillis) / steps)
    : Infinity

/** How many retries there may still be, one after the other, without another call. */
export const available = (config: Config, state: State, nowMillis: number): number => {
  if (config._tag === "Tokens" && state._tag === "Tokens") return Math.floor(state.tokens / config.cost)
  if (config._tag !== "Ratio" || state._tag !== "Ratio") return mismatch(config, state)
  const { calls } = Window.advance(callsWindow(config), state.calls, nowMillis * steps)
  const retries = Window.advance(retriesWindow(config), state.retries, nowMillis * steps).calls
  return Math.max(0, allowed(config, calls) - retries)
}

/** May a call be repeated? If so, the budget has less. */
export const withdraw = (config: Config, state: State, nowMillis: number): readonly [granted: boolean, State] => {
  if (available(config, state, nowMillis) < 1) return [false, state]
  if (config._tag === "Tokens" && state._tag === "Tokens") {
    return [true, { _tag: "Tokens", tokens: state.tokens - config.cost }]
  }
  if (config._tag !== "Ratio" || state._tag !== "Ratio") return mismatch(config, state)
  return [true, { ...state, retries: Window.add(retriesWindow(config), state.retries, false, nowMillis * steps) }]
}

/** A call succeeded, at the first attempt or after it was repeated. */
export const succeeded = (config: Config, state: State, repeated: boolean): State =>
  config._tag === "Tokens" && state._tag === "Tokens" && state.tokens < config.capacity
    ? { _tag: "Tokens", tokens: Math.min(config.capacity, state.tokens + (repeated ? config.cost : 1)) }
    : state

/** How much is left of what there could be, 0 to 1: of the bucket, or of what the recent calls allow. */
export const remainingRatio = (config: Config, state: State, nowMillis: number): number => {
  if (config._tag === "Tokens" && state._tag === "Tokens")
    return config.capacity === 0 ? 0 : state.tokens / config.capacity
  if (config._tag !== "Ratio" || state._tag !== "Ratio") return mismatch(config, state)
  const most = allowed(config, Window.advance(callsWindow(config), state.calls, nowMillis * steps).calls)
  return most === 0 ? 0 : available(config, state, nowMillis) / most
}
