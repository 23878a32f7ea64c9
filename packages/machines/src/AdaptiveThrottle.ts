/**
 * Rejects calls where they are made, by chance, so that a dependency that accepts few is asked little more than it can
 * take. The chance is max(0, (requests - k * accepts) / (requests + 1)) over a trailing span: nothing is rejected as long as
 * the dependency accepts more than one request in `k`, and when it accepts `c` a second about `k * c` are sent.
 *
 * What was rejected here counts as a request, and the chance never exceeds `maxRejection`, so that probes always flow.
 * `random` is a number in [0, 1) that the caller draws.
 *
 * Times are monotonic milliseconds. Source: "Site Reliability Engineering", 2016, chapter 21, "Client-Side Throttling".
 */
import * as Window from "./Window.js"

/** The numbers of an adaptive throttle. */
export interface Config {
  /** How many requests are sent for each that is accepted, >= 1. */
  readonly k: number
  /** The highest chance of a rejection, 0 to 1. */
  readonly maxRejection: number
  /** How far back requests count, in milliseconds, > 0. */
  readonly windowMillis: number
  /** In how many steps they are forgotten, >= 1. */
  readonly buckets: number
}

/** Recent requests, of which those that were not accepted are the window's failures. */
export type State = Window.Window

const window = ({ buckets, windowMillis }: Config): Window.Config => ({
  _tag: "Time",
  spanMillis: windowMillis,
  buckets
})

/** A throttle that has seen no request. */
export const initial = (config: Config): State => Window.empty(window(config))

/** How many requests there were of late, those that were rejected here included, and how many of them were accepted. */
export const seen = (
  config: Config,
  state: State,
  nowMillis: number
): { readonly requests: number; readonly accepts: number } => {
  const { calls, failures } = Window.advance(window(config), state, nowMillis)
  return { requests: calls, accepts: calls - failures }
}

/** The chance that a request is rejected now, 0 to `maxRejection`. */
export const rejection = (config: Config, state: State, nowMillis: number): number => {
  const { accepts, requests } = seen(config, state, nowMillis)
  return Math.min(config.maxRejection, Math.max(0, (requests - config.k * accepts) / (requests + 1)))
}

/** A request ended: the dependency accepted it, or refused it, or it was rejected here. */
export const told = (config: Config, state: State, accepted: boolean, nowMillis: number): State =>
  Window.add(window(config), state, !accepted, nowMillis)

/** May a request go out? One that may not is counted already; one that may is told of when it ends. */
export const acquire = (
  config: Config,
  state: State,
  random: number,
  nowMillis: number
): readonly [admitted: boolean, State] =>
  random >= rejection(config, state, nowMillis) ? [true, state] : [false, told(config, state, false, nowMillis)]
