/**
 * How an explanation puts numbers into words.
 */
import type { RetryBudget, TripPolicy } from "@effect-resilience/machines"
import { Duration } from "effect"
import type { Settings as HedgeSettings } from "../hedge/Options.js"
import type { RateLimitSettings, Settings } from "./Options.js"

/** A span of time as an option would name it: `8s 700ms`. */
export const span = (millis: number): string =>
  millis === Infinity ? "for ever" : Duration.format(Duration.millis(millis))

/** A span of time in seconds, to be compared with others: `8.7 s`. */
export const seconds = (millis: number): string =>
  millis === Infinity ? "for ever" : `${Math.round(millis) / 1_000} s`

/** How many there are, with the noun in the right number. */
export const counted = (n: number, noun: string): string => `${n} ${n === 1 ? noun : `${noun}s`}`

/** How many retries a budget pays for. */
export const budgetText = (budget: RetryBudget.Config): string =>
  budget._tag === "Tokens"
    ? `pays for ${Math.floor(budget.capacity / budget.cost)} retries, and what successes give back`
    : `pays for retries of ${budget.ratio} of the calls, and ${budget.minPerSecond} a second`

/** How many attempts a rate limit lets through. */
export const rateLimitText = ({ limit, maxWaitMillis, of }: RateLimitSettings): string => {
  const wait = maxWaitMillis === Infinity ? "others wait" : `others wait, ${span(maxWaitMillis)} at most`
  return `${counted(limit, "attempt")} in ${span(of.windowMillis)}, ${maxWaitMillis === 0 ? "nobody waits" : wait}`
}

/** Who waits in a line, and for how long. */
export const lineText = ({ maxQueue, maxWaitMillis }: NonNullable<Settings["bulkhead"]>): string => {
  if (maxQueue === 0) return "nobody waits"
  return maxWaitMillis === Infinity ? `${maxQueue} may wait` : `${maxQueue} may wait, ${span(maxWaitMillis)} at most`
}

/** How many attempts an adaptive limit lets through at a time. */
export const concurrencyText = ({ learning, line }: NonNullable<Settings["concurrency"]>): string =>
  `${learning.min} to ${learning.max} attempts at a time, ${learning.initial} at first (${learning.algorithm}), ${lineText(line)}`

/** How many copies of an attempt a hedge makes, and when. */
export const hedgeText = ({ delay, maxHedges }: HedgeSettings): string => {
  const when =
    delay._tag === "Fixed"
      ? span(delay.millis)
      : `as long as ${delay.of.quantile} of the calls take, at first ${span(delay.initialMillis)}`
  return `${maxHedges === 1 ? "a second copy" : `up to ${maxHedges} more copies, each`} after ${when}`
}

/** What a rule of a trip policy waits for. */
export const ruleText = (rule: TripPolicy.Rule): string => {
  if (rule._tag === "Consecutive") return `${counted(rule.failures, "failure")} in a row`
  const { window } = rule
  const over = window._tag === "Count" ? counted(window.size, "call") : span(window.spanMillis)
  const bad = rule._tag === "Rate" ? "failed" : `took ${span(rule.slowerThanMillis)} or longer`
  return `${rule.threshold} of at least ${counted(rule.minimumCalls, "call")} ${bad} over ${over}`
}
