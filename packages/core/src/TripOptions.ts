/**
 * When a circuit opens, as options name it: the constructors of trip policies, and their checks.
 */
import { TripPolicy as Trip, type Window } from "@effect-resilience/machines"
import type { Duration } from "effect"
import { all, also, type Checked, every, fraction, integer, map, span, valid } from "./InvalidOptions.js"

/** A window that was named but not checked yet. */
export type WindowOptions =
  | { readonly _tag: "Count"; readonly size: number; readonly maxAge: Duration.DurationInput }
  | { readonly _tag: "Time"; readonly duration: Duration.DurationInput; readonly buckets: number }

/** Failures in a row. */
export interface Consecutive {
  readonly _tag: "Consecutive"
  readonly failures: number
}

/** A share of failures over a window. */
export interface Rate {
  readonly _tag: "Rate"
  readonly threshold: number
  readonly window: WindowOptions
  readonly minimumCalls: number
}

/** A share of slow calls over a window. */
export interface Slow {
  readonly _tag: "Slow"
  readonly threshold: number
  readonly slowerThan: Duration.DurationInput
  readonly window: WindowOptions
  readonly minimumCalls: number
}

/** One condition on recent calls. */
export type Rule = Consecutive | Rate | Slow

/** Any of several conditions. */
export interface AnyOf {
  readonly _tag: "Any"
  readonly rules: ReadonlyArray<Rule>
}

/** A trip policy that was named but not checked yet. */
export type TripPolicy = Rule | AnyOf

/** Opens after `failures` failures in a row, none of them older than 10 minutes. From 1. */
export const consecutive = (failures: number): Consecutive => ({ _tag: "Consecutive", failures })

const orFewCalls = (minimumCalls: number | undefined, window: WindowOptions): number =>
  minimumCalls ?? (window._tag === "Count" ? Math.min(20, window.size) : 20)

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
  minimumCalls: orFewCalls(options.minimumCalls, options.window)
})

/**
 * Opens when slow calls / calls in the window is `>= threshold` (above 0, up to 1) and there were at least `minimumCalls`
 * (as for `rate`). A call, failed or not, is slow when it lasted `>= slowerThan` (from 1 ms); in a `Policy.standard` its
 * last attempt counts, so `slowerThan` above the attempt timeout never opens. A probe that is slow opens the circuit again.
 *
 * @example
 * ```ts
 * import { CircuitBreaker } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const breaker = yield* CircuitBreaker.make("search", {
 *     tripPolicy: CircuitBreaker.slow({
 *       threshold: 0.5,
 *       slowerThan: "10 millis",
 *       window: CircuitBreaker.time("30 seconds"),
 *       minimumCalls: 1
 *     })
 *   })
 *   yield* breaker.protect(Effect.sleep("20 millis"))
 *   return yield* breaker.state
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * // Open
 * ```
 */
export const slow = (options: {
  readonly threshold: number
  readonly slowerThan: Duration.DurationInput
  readonly window: WindowOptions
  readonly minimumCalls?: number | undefined
}): Slow => ({
  _tag: "Slow",
  threshold: options.threshold,
  slowerThan: options.slowerThan,
  window: options.window,
  minimumCalls: orFewCalls(options.minimumCalls, options.window)
})

/**
 * Opens as soon as one of the rules says so; of several at once the first one is the reason. At least one rule.
 *
 * @example
 * ```ts
 * import { CircuitBreaker } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const window = CircuitBreaker.time("30 seconds")
 * const tripPolicy = CircuitBreaker.any(
 *   CircuitBreaker.consecutive(5),
 *   CircuitBreaker.rate({ threshold: 0.5, window }),
 *   CircuitBreaker.slow({ threshold: 0.8, slowerThan: "1 second", window })
 * )
 * const program = Effect.flatMap(CircuitBreaker.make("search", { tripPolicy }), (breaker) => breaker.state)
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * // Closed
 * ```
 */
export const any = (...rules: ReadonlyArray<Rule>): AnyOf => ({ _tag: "Any", rules })

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

const share = ({ minimumCalls, threshold, window }: Rate | Slow, path: string) => ({
  threshold: fraction(`${path}.threshold`, threshold, "0 excluded"),
  minimumCalls: integer(`${path}.minimumCalls`, minimumCalls, 1),
  window: checkedWindow(window, `${path}.window`)
})

/** A share of more calls than its window holds would never be one. */
const reachable = <R extends Trip.Rate | Trip.Slow>(checked: Checked<R>, path: string): Checked<R> =>
  also(
    checked,
    ({ minimumCalls, window }) => window._tag === "Time" || minimumCalls <= window.size,
    ({ minimumCalls }) => ({
      option: `${path}.minimumCalls`,
      value: String(minimumCalls),
      allowed: "at most the size of the count window, or it can never trip"
    })
  )

const checkedRule = (rule: Rule, path: string): Checked<Trip.Rule> => {
  if (rule._tag === "Rate") {
    return reachable(every<Trip.Rate>({ _tag: valid("Rate"), ...share(rule, path) }), path)
  }
  if (rule._tag === "Slow") {
    const slowerThanMillis = span(`${path}.slowerThan`, rule.slowerThan)
    return reachable(every<Trip.Slow>({ _tag: valid("Slow"), slowerThanMillis, ...share(rule, path) }), path)
  }
  return every<Trip.Consecutive>({
    _tag: valid("Consecutive"),
    failures: integer(`${path}.failures`, rule.failures, 1, 1_000_000),
    window: valid(Trip.consecutive(rule.failures).window)
  })
}

/** Checks a trip policy; `path` names it in what is said of it. */
export const checked = (policy: TripPolicy, path: string): Checked<Trip.TripPolicy> =>
  policy._tag === "Any"
    ? also(
        map(all(policy.rules.map((rule, place) => checkedRule(rule, `${path}.rules[${place}]`))), Trip.any),
        ({ rules }) => rules.length > 0,
        () => ({ option: `${path}.rules`, value: "none", allowed: "at least one rule" })
      )
    : checkedRule(policy, path)
