/**
 * The `Retry-After` header (RFC 9110, section 10.2.3): a number of seconds, also with decimals, or an HTTP date.
 */
import { Duration, Option } from "effect"

const seconds = /^\d{1,10}(\.\d{1,9})?$/
const httpDate = /^[A-Z][a-z]{2,8}, /

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
  const date = httpDate.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(date) ? Option.none() : Option.some(Duration.millis(Math.max(0, date - nowMillis)))
}
