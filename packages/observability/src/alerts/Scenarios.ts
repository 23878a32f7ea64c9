/**
 * Series of metrics, and what alerts make of them: the parts that the tests of the rules are written with.
 */
import type { Alert } from "./Alerts.js"
import { percent } from "./Alerts.js"
import type { Lasting, Settings } from "./Options.js"

/** The values of a series for so many scrapes, in the notation of `promtool`. */
export type Values = (scrapes: number) => string

/** A series as it is scraped from the beginning on. */
export interface Given {
  readonly series: string
  readonly values: Values
}

/** Which instances an alert fires for at a time, or that it fires for the service; nobody if there is none. */
export interface Check {
  readonly atMillis: number
  readonly firing: ReadonlyArray<{ readonly instance: string; readonly value: number }>
}

/** Some series, and what one alert makes of them. */
export interface Scenario {
  readonly name: string
  readonly alert: Alert
  /** The time from one scrape to the next. */
  readonly stepMillis: number
  readonly given: ReadonlyArray<Given>
  readonly checks: ReadonlyArray<Check>
}

/** Where the series come from. */
export const job = "shop"
export const instance = "shop-1:9090"
export const otherInstance = "shop-2:9090"

/** The labels of a series that tests are about. */
export const labelsOf = ({ service }: Settings) => ({ service: service ?? "payment", job, instance })

/** How the value of an alert is printed. */
export const valueText = ({ value }: Alert, number: number): string =>
  value === "share" ? percent(number) : String(number)

const number = (value: number): string => String(Number(value.toPrecision(12)))

/** The same value all the time. */
export const constant =
  (value: number): Values =>
  (scrapes) =>
    `${number(value)}+0x${scrapes}`

/** A counter that grows by so much from scrape to scrape. */
export const growing =
  (by: number): Values =>
  (scrapes) =>
    `0+${number(by)}x${scrapes}`

/** Values one after the other; the last one stays. */
export const turning =
  (...runs: ReadonlyArray<readonly [value: number, scrapes: number]>): Values =>
  (scrapes) =>
    runs.map(([value, length], i) => constant(value)(i === runs.length - 1 ? scrapes : length - 1)).join(" ")

/** The same after one scrape that saw the first value, and one that was missed. */
export const missedBefore =
  (first: number, values: Values): Values =>
  (scrapes) =>
    `${number(first)} _ ${values(scrapes)}`

const silent = (atMillis: number): Check => ({ atMillis, firing: [] })

/** It fires at that time, with that value. */
export const fires = (atMillis: number, value: number, who: string = instance): Check => ({
  atMillis,
  firing: [{ instance: who, value }]
})

/** It is silent at each of these times. */
export const silentAt = (...times: ReadonlyArray<number>): ReadonlyArray<Check> => times.map(silent)

/** When an alert fires, evaluated at every step, whose expression holds from `fromMillis` on. */
const dueMillis = ({ forMillis }: Pick<Lasting, "forMillis">, stepMillis: number, fromMillis: number): number =>
  fromMillis + Math.ceil(forMillis / stepMillis) * stepMillis

/** What is beyond its limit from `fromMillis` on: silent until it lasted, and not a step longer. */
export const firesWhenDue = (
  lasting: Pick<Lasting, "forMillis">,
  stepMillis: number,
  fromMillis: number,
  value: number
): ReadonlyArray<Check> => {
  const due = dueMillis(lasting, stepMillis, fromMillis)
  return [...(lasting.forMillis === 0 ? [] : silentAt(due - stepMillis)), fires(due, value)]
}

/** What is not beyond its limit: silent when it would be due, and as much later. */
export const neverFires = (
  lasting: Pick<Lasting, "forMillis">,
  stepMillis: number,
  fromMillis: number
): ReadonlyArray<Check> => {
  const due = dueMillis(lasting, stepMillis, fromMillis)
  return silentAt(due, 2 * due + stepMillis)
}

/** So much beyond a limit, or short of it, is enough to be told apart. */
export const aBitMore = 1.02
export const aBitLess = 0.98
