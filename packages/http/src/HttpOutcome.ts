/**
 * What an HTTP status says about the server that sent it: one pure table, for breaker and retry alike. Whether a request
 * may be repeated at all, its method decides, and that is the caller's to know (`repeatable`).
 */
import { Outcome } from "@effect-resilience/core"
import type { Duration } from "effect"

/** What else than the status says how an answer counts. */
export interface Details {
  /** What the server asked for in `Retry-After`. */
  readonly retryAfter?: Duration.Duration | undefined
  /** Whether a 500 is worth repeating: only for a request that reads (GET, HEAD). Default false. */
  readonly reads?: boolean | undefined
}

const busy: ReadonlySet<number> = new Set([408, 425, 502, 503, 504])

/**
 * How an answer with this status counts.
 *
 * - 408, 425, 502, 503, 504: a transient failure
 * - 500: a failure, transient for a request that only reads
 * - other 5xx: a failure
 * - 429: says nothing about the server's health, and is worth repeating after `retryAfter`
 * - all others: a success, for the server did its part
 *
 * @example
 * ```ts
 * import { HttpOutcome } from "@effect-resilience/http"
 *
 * console.log(HttpOutcome.fromStatus(503), HttpOutcome.fromStatus(404))
 * ```
 */
export const fromStatus = (status: number, { reads = false, retryAfter }: Details = {}): Outcome.Outcome => {
  if (busy.has(status)) return Outcome.failure({ transient: true, retryAfter })
  if (status === 429) return Outcome.ignored({ transient: true, retryAfter })
  if (status >= 500 && status <= 599) return Outcome.failure({ transient: status === 500 && reads, retryAfter })
  return Outcome.success
}
