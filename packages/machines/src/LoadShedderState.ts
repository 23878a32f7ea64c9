/**
 * What a load shedder's machine is told and answers: plain data, milliseconds for times and spans.
 */

/** How much a request matters, the most first. */
export const classes = ["CRITICAL_PLUS", "CRITICAL", "SHEDDABLE_PLUS", "SHEDDABLE"] as const

/** How much a request matters. */
export type Class = (typeof classes)[number]

/** The numbers of a load shedder. */
export interface Config {
  /** How many may wait in all classes together, >= 0. */
  readonly maxWaiting: number
  /** With more than this many in its line a class serves the newest first, >= 0. */
  readonly newestFirstAbove: number
  /** In a line that does not empty nobody waits longer than this, in milliseconds, > 0. */
  readonly targetMillis: number
  /** A line that was not empty for as long as this does not empty; and nobody waits longer, in milliseconds, > 0. */
  readonly intervalMillis: number
  /** From this delay of the event loop on the lowest class is refused, in milliseconds, > 0. */
  readonly maxDelayMillis: number
  /** The least and the most that a refused caller is told to stay away, in milliseconds, >= 0. */
  readonly minRetryAfterMillis: number
  readonly maxRetryAfterMillis: number
}

/** Someone who asks to be served. */
export interface Request {
  /** By which it is known when its turn comes. */
  readonly id: number
  readonly class: Class
  /** When it must begin at the latest to end in time; Infinity without a deadline. */
  readonly latestMillis: number
}

/**
 * Why a request is refused: all that may run do, and the lines are full; a higher class took its place in them; it waited
 * too long; its deadline leaves no time; the event loop is late.
 */
export type Reason = "Full" | "Displaced" | "Waited" | "Deadline" | "EventLoop"

/** A request that is not served. */
export interface Refusal {
  readonly id: number
  readonly class: Class
  readonly reason: Reason
  /** When to come back; longer, the longer the overload has lasted. */
  readonly retryAfterMillis: number
}

/** Whose turn it is, and who is sent away. Who is in neither waits. */
export interface Outcome {
  readonly admitted: ReadonlyArray<number>
  readonly refused: ReadonlyArray<Refusal>
}
