/**
 * What is told of a mistake in composing policies.
 */

/** The names of the mistakes that can be found. */
export type Rule =
  | "budget"
  | "contradiction"
  | "pool"
  | "shared-pool"
  | "queue"
  | "rate-limit"
  | "adaptive-limit"
  | "window"
  | "no-timeout"
  | "not-idempotent"
  | "hedge"
  | "amplification"
  | "remote-fallback"

/** A mistake that was found: what it leads to, in numbers, and what to do about it. */
export interface Trap {
  readonly rule: Rule
  readonly severity: "error" | "warning"
  readonly message: string
  readonly fix: string
}
