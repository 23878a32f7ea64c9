/**
 * The options of a circuit breaker, their defaults and their checks.
 */
import { type CircuitBreaker as Machine, TripPolicy as Trip, type Window } from "@effect-resilience/machines"
import type { Duration } from "effect"
import { also, type Checked, every, fraction, integer, map, span, valid } from "./InvalidOptions.js"

/** A window that was named but not checked yet. */
export type WindowOptions =
  | { readonly _tag: "Count"; readonly size: number; readonly maxAge: Duration.DurationInput }
  | { readonly _tag: "Time"; readonly duration: Duration.DurationInput; readonly buckets: number }

/** A trip policy that was named but not checked yet. */
export type TripPolicy = { readonly _tag: "Consecutive"; readonly failures: number } | Rate

/** A share of failures over a window. */
export interface Rate {
  readonly _tag: "Rate"
  readonly threshold: number
  readonly window: WindowOptions
  readonly minimumCalls: number
}

/** How a circuit is tried out once its opening is over. */
export interface HalfOpenOptions {
  /** How many probes may be under way at a time. From 1; default 1. */
  readonly probes?: number | undefined
  /** How many probes must succeed for the circuit to close. From 1; default 1. */
  readonly successThreshold?: number | undefined
  /**
   * A probe that has not settled by then loses its place and the circuit opens again. From 1 ms; default in a
   * `Policy.standard` its deadline, else twice its attempt timeout; else the opening.
   */
  readonly timeout?: Duration.DurationInput | undefined
}

/** When a circuit opens, for how long, and how it is tried out after. */
export interface Options {
  /** When to open. Default `rate({ threshold: 0.5, window: time("30 seconds"), minimumCalls: 20 })`. */
  readonly tripPolicy?: TripPolicy | undefined
  /** How long it stays open before a probe is let through. From 1 ms; default 30 seconds. */
  readonly openDuration?: Duration.DurationInput | undefined
  /** Each opening is stretched or shrunk by up to this share, or a fleet probes in step. 0..1; default 0.1. */
  readonly openJitter?: number | undefined
  /** A dependency's own wish (`retryAfter`) can lengthen an opening up to this. From 1 ms; default 5 minutes. */
  readonly maxOpenDuration?: Duration.DurationInput | undefined
  /**
   * A call cut short from outside counts as a failure if the dependency had had this long, and otherwise not at all.
   * From 0 ms; default in a `Policy.standard` half its attempt timeout; else 1 second.
   */
  readonly patience?: Duration.DurationInput | undefined
  readonly halfOpen?: HalfOpenOptions | undefined
}

/** Options that were checked. */
export interface Settings {
  readonly machine: Machine.Config
  readonly patienceMillis: number
}

/** Opens after `failures` failures in a row, none of them older than 10 minutes. From 1. */
export const consecutive = (failures: number): TripPolicy => ({ _tag: "Consecutive", failures })

/**
 * Opens when failures / calls in the window is `>= threshold` (above 0, up to 1) and there were at least `minimumCalls`
 * (from 1, at most the size of a count window; default 20, or the size of a count window if that is less).
 */
export const rate = (options: {
  readonly threshold: number
  readonly window: WindowOptions
  readonly minimumCalls?: number | undefined
}): Rate => ({
  _tag: "Rate",
  threshold: options.threshold,
  window: options.window,
  minimumCalls: options.minimumCalls ?? (options.window._tag === "Count" ? Math.min(20, options.window.size) : 20)
})

/** The last `size` outcomes (1 to 1,000,000), none of them as old as `maxAge` (default 10 minutes). */
export const count = (size: number, maxAge: Duration.DurationInput = Trip.defaultMaxAgeMillis): WindowOptions => ({
  _tag: "Count",
  size,
  maxAge
})

/** The outcomes of the last `duration`; they leave in `buckets` equal steps (1 to 1,000; default 10). */
export const time = (duration: Duration.DurationInput, buckets: number = 10): WindowOptions => ({
  _tag: "Time",
  duration,
  buckets
})

/** When a circuit opens unless told otherwise: at half of at least 20 calls in the last 30 seconds. */
export const defaultRate: Rate = rate({ threshold: 0.5, window: time("30 seconds"), minimumCalls: 20 })

const checkedWindow = (window: WindowOptions, path: string): Checked<Window.Config> =>
  window._tag === "Count"
    ? every<Window.CountConfig>({
        _tag: valid("Count"),
        size: integer(`${path}.size`, window.size, 1, 1_000_000),
        maxAgeMillis: span(`${path}.maxAge`, window.maxAge)
      })
    : every<Window.TimeConfig>({
        _tag: valid("Time"),
        spanMillis: span(`${path}.duration`, window.duration),
        buckets: integer(`${path}.buckets`, window.buckets, 1, 1_000)
      })

const checkedRate = (policy: Rate, path: string): Checked<Trip.Rate> => {
  const { window } = policy
  return also(
    every<Trip.Rate>({
      _tag: valid("Rate"),
      threshold: fraction(`${path}.threshold`, policy.threshold, "0 excluded"),
      minimumCalls: integer(`${path}.minimumCalls`, policy.minimumCalls, 1),
      window: checkedWindow(window, `${path}.window`)
    }),
    ({ minimumCalls }) => window._tag === "Time" || minimumCalls <= window.size,
    ({ minimumCalls }) => ({
      option: `${path}.minimumCalls`,
      value: String(minimumCalls),
      allowed: "at most the size of the count window, or it can never trip"
    })
  )
}

const checkedTrip = (policy: TripPolicy, path: string): Checked<Trip.TripPolicy> =>
  policy._tag === "Rate"
    ? checkedRate(policy, path)
    : every<Trip.Consecutive>({
        _tag: valid("Consecutive"),
        failures: integer(`${path}.failures`, policy.failures, 1, 1_000_000),
        window: valid(Trip.consecutive(policy.failures).window)
      })

/** What a circuit breaker takes from the policy that it is part of. */
export interface Defaults {
  readonly patienceMillis?: number | undefined
  readonly probeTimeoutMillis?: number | undefined
}

/** Checks the options; `path` names them in what is said of them. */
export const settings = (options: Options, path: string, defaults: Defaults = {}): Checked<Settings> => {
  const halfOpen = options.halfOpen ?? {}
  const openDuration = options.openDuration ?? "30 seconds"
  const probeTimeout = halfOpen.timeout ?? defaults.probeTimeoutMillis ?? openDuration
  const numbers = every<Omit<Machine.Config, "openMillis"> & { openMillis: number; patienceMillis: number }>({
    tripPolicy: checkedTrip(options.tripPolicy ?? defaultRate, `${path}tripPolicy`),
    openMillis: span(`${path}openDuration`, openDuration),
    openJitter: fraction(`${path}openJitter`, options.openJitter ?? 0.1, "0 included"),
    maxOpenMillis: span(`${path}maxOpenDuration`, options.maxOpenDuration ?? "5 minutes"),
    patienceMillis: span(`${path}patience`, options.patience ?? defaults.patienceMillis ?? "1 second", 0),
    probes: integer(`${path}halfOpen.probes`, halfOpen.probes ?? 1, 1),
    successThreshold: integer(`${path}halfOpen.successThreshold`, halfOpen.successThreshold ?? 1, 1),
    probeTimeoutMillis: span(`${path}halfOpen.timeout`, probeTimeout)
  })
  return map(numbers, ({ openMillis, patienceMillis, ...machine }) => ({
    machine: { ...machine, openMillis: () => openMillis },
    patienceMillis
  }))
}
