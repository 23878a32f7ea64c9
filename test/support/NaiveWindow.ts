/** What a window must say, from a plain list of every outcome that was ever told. */
import type { Window } from "@effect-resilience/machines"

export interface Told {
  readonly atMillis: number
  readonly failed: boolean
}

export interface Totals {
  readonly calls: number
  readonly failures: number
}

/** Ages go in tenths of a count window's `maxAge` and in buckets of a time window. */
const stepOf = (config: Window.Config, millis: number): number =>
  config._tag === "Count"
    ? Math.floor((millis * 10) / config.maxAgeMillis)
    : Math.floor((millis * config.buckets) / config.spanMillis)

const stepsOf = (config: Window.Config): number => (config._tag === "Count" ? 10 : config.buckets)

export const reachOf = (config: Window.Config): number =>
  config._tag === "Count" ? config.maxAgeMillis : config.spanMillis

export const totals = (outcomes: ReadonlyArray<Told>): Totals => ({
  calls: outcomes.length,
  failures: outcomes.filter((outcome) => outcome.failed).length
})

/** The outcomes that no `size` newer ones have displaced. */
export const held = (config: Window.Config, told: ReadonlyArray<Told>): ReadonlyArray<Told> =>
  config._tag === "Count" ? told.slice(-config.size) : told

/** The outcomes that count at `nowMillis`. */
export const counted = (config: Window.Config, told: ReadonlyArray<Told>, nowMillis: number): ReadonlyArray<Told> =>
  held(config, told).filter((outcome) => stepOf(config, nowMillis) - stepOf(config, outcome.atMillis) < stepsOf(config))
