/** The numbers of a run, from what happened to each arrival. Pure. */
import type { Outcome } from "./Messages.js"

/** How long a client waits, milliseconds; a failure counts as this long. */
export const clientLimitMillis = 10_000

/** The smallest value that at least the share `q` (0..1) of all values do not exceed; 0 when there are none. */
export const quantile = (values: ReadonlyArray<number>, q: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? 0
}

/** Shares (0..1) of all intended arrivals, and latencies in milliseconds in which a failure counts as the limit. */
export interface Route {
  readonly answered: number
  readonly degraded: number
  readonly failed: number
  readonly p50: number
  readonly p99: number
}

export const route = (outcomes: ReadonlyArray<Outcome>): Route => {
  const share = (result: Outcome["result"]): number =>
    outcomes.length === 0 ? 0 : outcomes.filter((outcome) => outcome.result === result).length / outcomes.length
  const latencies = outcomes.map(({ latencyMillis }) => latencyMillis)
  return {
    answered: share("answered"),
    degraded: share("degraded"),
    failed: share("failed"),
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99)
  }
}

/** The outcomes whose arrival was intended in [from, to). */
export const between = (outcomes: ReadonlyArray<Outcome>, from: number, to: number): ReadonlyArray<Outcome> =>
  outcomes.filter(({ at }) => at >= from && at < to)

export interface Second {
  readonly answered: number
  readonly degraded: number
  readonly failed: number
}

/** How many arrivals of each second from zero to `endAt` ended how. */
export const perSecond = (outcomes: ReadonlyArray<Outcome>, endAt: number): ReadonlyArray<Second> => {
  const seconds = Array.from({ length: Math.ceil(endAt / 1000) }, () => ({ answered: 0, degraded: 0, failed: 0 }))
  for (const { at, result } of outcomes) {
    const second = at < 0 ? undefined : seconds[Math.floor(at / 1000)]
    if (second !== undefined) second[result] += 1
  }
  return seconds
}

/** How many good seconds in a row are a recovery. */
const recoveryRun = 5

/** A second is good when this share of its pages is answered in full and of its orders confirmed at once. */
const goodShare = 0.99

const isGood = (outcomes: ReadonlyArray<Outcome>): boolean => {
  const reaches = (kind: Outcome["kind"], good: (outcome: Outcome) => boolean): boolean => {
    const ofKind = outcomes.filter((outcome) => outcome.kind === kind)
    return ofKind.filter(good).length >= goodShare * ofKind.length
  }
  return (
    outcomes.length > 0 &&
    reaches("page", ({ result }) => result === "answered") &&
    reaches("order", ({ confirmed }) => confirmed)
  )
}

/** Seconds from payment's return to the first of five good seconds in a row; `null` if there were none before the end. */
export const secondsToRecover = (outcomes: ReadonlyArray<Outcome>, backAt: number, endAt: number): number | null => {
  const good = Array.from({ length: Math.max(0, Math.floor((endAt - backAt) / 1000)) }, (_, second) =>
    isGood(between(outcomes, backAt + second * 1000, backAt + (second + 1) * 1000))
  )
  const first = good.findIndex(
    (_, second) => second + recoveryRun <= good.length && good.slice(second, second + recoveryRun).every(Boolean)
  )
  return first === -1 ? null : first
}
