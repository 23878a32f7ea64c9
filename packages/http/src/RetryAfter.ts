/**
 * The `Retry-After` header (RFC 9110, section 10.2.3): a number of seconds, also with decimals, or an HTTP date.
 */
import { Duration, Option } from "effect"

const seconds = /^\d{1,10}(\.\d{1,9})?$/

/** The three forms that a reader of HTTP dates must know (section 5.6.7); all of them mean GMT. */
const httpDates: ReadonlyArray<RegExp> = [
  /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/,
  /^[A-Z][a-z]{5,8}, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/,
  /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/
]

const dateMillis = (text: string): number => {
  if (!httpDates.some((form) => form.test(text))) return Number.NaN
  return Date.parse(text.endsWith(" GMT") ? text : `${text} GMT`)
}

/**
 * How long the server asks to be left alone, from now; a moment that has passed is no time at all. None for whatever is
 * neither a number of seconds nor an HTTP date. `nowMillis` is the wall clock, which a date is meant by.
 *
 * @example
 * ```ts
 * import { RetryAfter } from "@effect-resilience/http"
 *
 * console.log(RetryAfter.parse("1.5", 0), RetryAfter.parse("soon", 0))
 * ```
 */
export const parse = (header: string, nowMillis: number): Option.Option<Duration.Duration> => {
  const text = header.trim()
  if (seconds.test(text)) return Option.some(Duration.seconds(Number(text)))
  const date = dateMillis(text)
  return Number.isNaN(date) ? Option.none() : Option.some(Duration.millis(Math.max(0, date - nowMillis)))
}
