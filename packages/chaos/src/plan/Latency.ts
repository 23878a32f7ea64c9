/**
 * How long a call is delayed: fixed, or drawn from a distribution.
 */
import { InvalidOptions } from "@effect-resilience/core"
import type { Duration } from "effect"
import type { Span } from "./Model.js"

const { all, also, atLeast, every, map, span } = InvalidOptions

type Checked<A> = InvalidOptions.Checked<A>

/** What a latency is, in milliseconds, for two numbers drawn from [0, 1). */
export type Latency = (first: number, second: number) => number

/** The longest span that a timer keeps, in milliseconds. */
const mostMillis = 2_147_483_647

/** 99 % of a normal distribution lie below this many standard deviations. */
const deviationsAt99 = 2.326_347_874

const whole = (millis: number): number => Math.min(mostMillis, Math.round(millis))

/** From one span to another one, which may not be shorter. */
const rising = (path: string, least: number, [low, high]: readonly [Duration.DurationInput, Duration.DurationInput]) =>
  also(
    every({ low: span(`${path}[0]`, low, least), high: span(`${path}[1]`, high, least) }),
    (bounds) => bounds.low <= bounds.high,
    (bounds) => ({ option: `${path}[1]`, value: `${bounds.high} ms`, allowed: `at least ${bounds.low} ms` })
  )

const uniform =
  (low: number, high: number): Latency =>
  (first) =>
    low + Math.floor(first * (high - low + 1))

/** By Box and Muller, from two even numbers to a normal one. */
const lognormal = (median: number, p99: number): Latency => {
  const sigma = Math.log(p99 / median) / deviationsAt99
  return (first, second) =>
    whole(median * Math.exp(sigma * Math.sqrt(-2 * Math.log(1 - first)) * Math.cos(2 * Math.PI * second)))
}

interface Row {
  readonly quantile: number
  readonly millis: number
}

const table =
  (rows: ReadonlyArray<Row>): Latency =>
  (first) => {
    const above = rows.findIndex(({ quantile }) => first < quantile)
    const high = above === -1 ? rows.at(-1) : rows[above]
    const low = above > 0 ? rows[above - 1] : high
    if (low === undefined || high === undefined) return 0
    if (low === high) return high.millis
    const share = (first - low.quantile) / (high.quantile - low.quantile)
    return whole(low.millis + share * (high.millis - low.millis))
  }

const rowsOf = (path: string, rows: ReadonlyArray<readonly [number, Duration.DurationInput]>) =>
  also(
    also(
      all(
        rows.map(([quantile, millis], i) =>
          every({
            quantile: also(
              atLeast(`${path}[${i}][0]`, quantile, 0),
              (value) => value <= 1,
              (value) => ({ option: `${path}[${i}][0]`, value: `${value}`, allowed: "a number from 0 to 1" })
            ),
            millis: span(`${path}[${i}][1]`, millis, 0)
          })
        )
      ),
      (checked) => checked.length > 0,
      () => ({ option: path, value: "empty", allowed: "at least one row" })
    ),
    isRising,
    () => ({ option: path, value: "not in order", allowed: "rows whose quantiles rise and whose spans do not fall" })
  )

const isRising = (rows: ReadonlyArray<Row>): boolean =>
  rows.every((row, i) => {
    const before = rows[i - 1]
    return before === undefined || (before.quantile < row.quantile && before.millis <= row.millis)
  })

/** Checks a latency. */
export const check = (path: string, given: Span): Checked<Latency> => {
  if (typeof given === "object" && "uniform" in given) {
    return map(rising(`${path}.uniform`, 0, given.uniform), ({ high, low }) => uniform(low, high))
  }
  if (typeof given === "object" && "lognormal" in given) {
    const { median, p99 } = given.lognormal
    return map(
      also(
        every({ median: span(`${path}.lognormal.median`, median), p99: span(`${path}.lognormal.p99`, p99) }),
        (of) => of.median <= of.p99,
        (of) => ({ option: `${path}.lognormal.p99`, value: `${of.p99} ms`, allowed: `at least ${of.median} ms` })
      ),
      (of) => lognormal(of.median, of.p99)
    )
  }
  if (typeof given === "object" && "quantiles" in given) {
    return map(rowsOf(`${path}.quantiles`, given.quantiles), table)
  }
  return map(span(path, given, 0), (millis) => () => millis)
}
