/**
 * How long the circuit of a standard policy takes to open once the dependency hangs, at a given rate of calls.
 *
 * Every call is assumed to run into its limits, as in the expected case, and nothing that went well before to be in the
 * window any more: successes that still are delay a rule on a share of calls until the failures outweigh them. What the
 * bulkhead refuses never reaches the circuit, and what the adaptive limit refuses counts for nothing, so no more calls count
 * than they let in; that limit is taken to be what it is at first.
 */
import type { TripPolicy } from "@effect-resilience/machines"
import { type ExpectedCase, expectedCase, type Subject } from "./Budget.js"
import { counted, ruleText, seconds, span } from "./Wording.js"

/** How long one rule takes to open the circuit. */
export interface RuleToOpen {
  /** What the rule waits for. */
  readonly rule: string
  /** How many calls must have ended badly. */
  readonly calls: number
  /** From the moment the dependency hangs until the circuit opens, in milliseconds; Infinity: never. */
  readonly millis: number
  /** Why never. */
  readonly because: string | undefined
}

/** How long the circuit takes to open once the dependency hangs. */
export interface TimeToOpen {
  readonly callsPerSecond: number
  /** By the rule that is first, in milliseconds; Infinity: never. */
  readonly millis: number
  readonly rules: ReadonlyArray<RuleToOpen>
}

/**
 * From the start of one call to that of the call `after` it, as the bulkhead lets them in: `limit` of them at the rate at
 * which they come, and the next as soon as the first of those have ended.
 */
const apartMillis = (after: number, intervalMillis: number, limit: number, lastMillis: number): number =>
  limit === Infinity
    ? after * intervalMillis
    : Math.floor(after / limit) * Math.max(lastMillis, limit * intervalMillis) + (after % limit) * intervalMillis

const ofRule = (
  rule: TripPolicy.Rule,
  intervalMillis: number,
  limit: number,
  { lastAttemptMillis, millis }: ExpectedCase
): RuleToOpen => {
  const calls = rule._tag === "Consecutive" ? rule.failures : rule.minimumCalls
  const reachMillis = rule.window._tag === "Count" ? rule.window.maxAgeMillis : rule.window.spanMillis
  const described = { rule: ruleText(rule), calls }
  const never = (because: string): RuleToOpen => ({ ...described, millis: Infinity, because })
  if (millis === Infinity) return never("a call that hangs never ends")
  if (rule._tag === "Slow" && lastAttemptMillis < rule.slowerThanMillis) {
    return never(`the last attempt of a call lasts ${span(Math.round(lastAttemptMillis))}, which is not slow`)
  }
  const apart = apartMillis(calls - 1, intervalMillis, limit, millis)
  return apart >= reachMillis
    ? never(
        `the first of ${counted(calls, "call")} ends ${seconds(apart)} before the last, and is forgotten after ${span(reachMillis)}`
      )
    : { ...described, millis: intervalMillis + apart + millis, because: undefined }
}

/** How long the circuit takes to open once the dependency hangs; undefined for a policy without one. */
export const timeToOpen = (subject: Subject, callsPerSecond: number): TimeToOpen | undefined => {
  const { bulkhead, circuit, concurrency } = subject.settings
  if (circuit === undefined) return undefined
  const { tripPolicy } = circuit.machine
  const expected = expectedCase(subject)
  const limit = Math.min(bulkhead?.limit ?? Infinity, concurrency?.learning.initial ?? Infinity)
  const rules = (tripPolicy._tag === "Any" ? tripPolicy.rules : [tripPolicy]).map((rule) =>
    ofRule(rule, 1_000 / callsPerSecond, limit, expected)
  )
  return { callsPerSecond, millis: Math.min(...rules.map(({ millis }) => millis)), rules }
}
