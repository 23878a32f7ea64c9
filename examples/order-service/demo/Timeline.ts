/**
 * The outage of a Tuesday afternoon, compressed: when payment slows down, refuses, and is back. All times are
 * milliseconds from the start; the arrivals before it (negative times) warm the server up and are not counted.
 */

/** What payment does at a time. */
export type PhaseName = "normal" | "slow" | "refused" | "recovered"

export interface Timeline {
  readonly warmUpMillis: number
  readonly slowAt: number
  readonly refusedAt: number
  readonly backAt: number
  readonly endAt: number
}

/** Long enough for a page to wait longer than its client does (10 s) while payment is slow. */
export const full: Timeline = { warmUpMillis: 6_000, slowAt: 4_000, refusedAt: 24_000, backAt: 26_000, endAt: 36_000 }

/** A look at the whole thing in half the time. Too short for a page to wait 10 s. */
export const quick: Timeline = { warmUpMillis: 4_000, slowAt: 2_000, refusedAt: 7_000, backAt: 8_500, endAt: 16_500 }

export interface Phase {
  readonly name: PhaseName
  readonly from: number
  readonly to: number
}

export const phases = (timeline: Timeline): ReadonlyArray<Phase> => [
  { name: "normal", from: 0, to: timeline.slowAt },
  { name: "slow", from: timeline.slowAt, to: timeline.refusedAt },
  { name: "refused", from: timeline.refusedAt, to: timeline.backAt },
  { name: "recovered", from: timeline.backAt, to: timeline.endAt }
]
