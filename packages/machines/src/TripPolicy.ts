/**
 * When recent outcomes are bad enough to open a circuit. Rates trip at `>=`, and a call is slow at `>=`.
 *
 * `consecutive(n)` is the window of the last n outcomes with nothing but failures in it, so that a failure that is too
 * old to count breaks the run as a success would.
 *
 * Each rule remembers outcomes in a window of its own, which calls a failure whatever the rule counts: a failed call, or
 * for `slow` a slow one, failed or not. A policy of one rule keeps that window alone, since every call writes it.
 */
import * as Window from "./Window.js"

/** n failures in a row. */
export interface Consecutive {
  readonly _tag: "Consecutive"
  /** How many, >= 1. */
  readonly failures: number
  readonly window: Window.CountConfig
}

/** A share of failures among the calls in a window. */
export interface Rate {
  readonly _tag: "Rate"
  /** Trips when failures / calls >= threshold; 0 < threshold <= 1. */
  readonly threshold: number
  /** Never trips with fewer calls in the window, >= 1. */
  readonly minimumCalls: number
  readonly window: Window.Config
}

/** A share of slow calls among the calls in a window. */
export interface Slow {
  readonly _tag: "Slow"
  /** Trips when slow calls / calls >= threshold; 0 < threshold <= 1. */
  readonly threshold: number
  /** A call that lasted this long or longer is slow, in milliseconds, > 0. */
  readonly slowerThanMillis: number
  /** Never trips with fewer calls in the window, >= 1. */
  readonly minimumCalls: number
  readonly window: Window.Config
}

/** One condition on recent outcomes. */
export type Rule = Consecutive | Rate | Slow

/** Trips as soon as one of its rules does; of several at once the first one says why. */
export interface Any {
  readonly _tag: "Any"
  readonly rules: ReadonlyArray<Rule>
}

/** When recent outcomes are bad enough: failures in a row, a share of failures or of slow calls, or any of these. */
export type TripPolicy = Rule | Any

/** The numbers that made a circuit trip. */
export type Breach =
  | { readonly _tag: "Consecutive"; readonly failures: number; readonly threshold: number }
  | { readonly _tag: "Rate"; readonly failures: number; readonly calls: number; readonly threshold: number }
  | {
      readonly _tag: "Slow"
      readonly slow: number
      readonly calls: number
      readonly threshold: number
      readonly slowerThanMillis: number
    }

/** What the rules of `Any` remember, each in its place. */
export interface Windows {
  readonly _tag: "Any"
  readonly windows: ReadonlyArray<Window.Window>
}

/** What a trip policy remembers of recent outcomes; of use only with the policy that it was made for. */
export type Memory = Window.Window | Windows

/** What is counted, as readers are told it. */
export interface Totals {
  /** Calls in the window of the first rule. */
  readonly calls: number
  /** Failures, and their share of the calls, in the window of the first rule that counts them; 0 without one. */
  readonly failures: number
  readonly failureRate: number
  /** Slow calls, and their share of the calls, in the window of the first rule that counts them; 0 without one. */
  readonly slow: number
  readonly slowRate: number
}

/** Outcomes older than this never count in a count window that names no other age: 10 minutes. */
export const defaultMaxAgeMillis = 600_000

/** Trips after `failures` (>= 1) failures in a row, none of them as old as `maxAgeMillis` (default 10 minutes). */
export const consecutive = (failures: number, maxAgeMillis: number = defaultMaxAgeMillis): Consecutive => ({
  _tag: "Consecutive",
  failures,
  window: { _tag: "Count", size: failures, maxAgeMillis }
})

/** Trips when failures / calls in the window is `>= threshold` and there were at least `minimumCalls` in it. */
export const rate = (options: Omit<Rate, "_tag">): Rate => ({ _tag: "Rate", ...options })

/**
 * Trips when the share of calls in the window that lasted `>= slowerThanMillis` is `>= threshold` and there were at
 * least `minimumCalls` in it.
 */
export const slow = (options: Omit<Slow, "_tag">): Slow => ({ _tag: "Slow", ...options })

/** Trips when one of the rules does. */
export const any = (rules: ReadonlyArray<Rule>): Any => ({ _tag: "Any", rules })

const rulesOf = (policy: TripPolicy): ReadonlyArray<Rule> => (policy._tag === "Any" ? policy.rules : [policy])

/** The windows of a memory, each beside its rule. */
const paired = (policy: TripPolicy, memory: Memory) => {
  const windows = memory._tag === "Any" ? memory.windows : [memory]
  return rulesOf(policy).map((rule, place) => ({ rule, window: windows[place] ?? Window.empty(rule.window) }))
}

const slowBy = (rule: Rule): number => (rule._tag === "Slow" ? rule.slowerThanMillis : Infinity)

/** From how long on a call is slow by any of the rules; Infinity where none asks. */
export const slowerThanMillis = (policy: TripPolicy): number =>
  policy._tag === "Any" ? policy.rules.reduce((least, rule) => Math.min(least, slowBy(rule)), Infinity) : slowBy(policy)

/** What a trip policy remembers before it was told anything. */
export const empty = (policy: TripPolicy): Memory =>
  policy._tag === "Any"
    ? { _tag: "Any", windows: policy.rules.map((rule) => Window.empty(rule.window)) }
    : Window.empty(policy.window)

const addTo = (rule: Rule, window: Window.Window, failed: boolean, lastedMillis: number, nowMillis: number) =>
  Window.add(rule.window, window, rule._tag === "Slow" ? lastedMillis >= rule.slowerThanMillis : failed, nowMillis)

/** What is remembered after one more call, which ended at `nowMillis` after `lastedMillis`. */
export const add = (
  policy: TripPolicy,
  memory: Memory,
  failed: boolean,
  lastedMillis: number,
  nowMillis: number
): Memory =>
  policy._tag !== "Any" && memory._tag !== "Any"
    ? addTo(policy, memory, failed, lastedMillis, nowMillis)
    : {
        _tag: "Any",
        windows: paired(policy, memory).map(({ rule, window }) => addTo(rule, window, failed, lastedMillis, nowMillis))
      }

const breachOf = (rule: Rule, { calls, failures }: Window.Window): Breach | undefined => {
  if (rule._tag === "Consecutive") {
    return failures >= rule.failures ? { _tag: "Consecutive", failures, threshold: rule.failures } : undefined
  }
  // The quotient, not threshold * calls: 0.07 * 100 is more than 7 in binary fractions.
  if (calls < rule.minimumCalls || failures / calls < rule.threshold) return undefined
  const { threshold } = rule
  return rule._tag === "Rate"
    ? { _tag: "Rate", failures, calls, threshold }
    : { _tag: "Slow", slow: failures, calls, threshold, slowerThanMillis: rule.slowerThanMillis }
}

/** What the rules say of what is remembered; undefined while they hold. */
export const breach = (policy: TripPolicy, memory: Memory): Breach | undefined => {
  if (policy._tag !== "Any" && memory._tag !== "Any") return breachOf(policy, memory)
  for (const { rule, window } of paired(policy, memory)) {
    const found = breachOf(rule, window)
    if (found !== undefined) return found
  }
  return undefined
}

const share = (window: Window.Window | undefined): number =>
  window === undefined || window.calls === 0 ? 0 : window.failures / window.calls

/** What is counted at `nowMillis`. */
export const totals = (policy: TripPolicy, memory: Memory, nowMillis: number): Totals => {
  const present = paired(policy, memory).map(({ rule, window }) => ({
    ofSlow: rule._tag === "Slow",
    window: Window.advance(rule.window, window, nowMillis)
  }))
  const failing = present.find(({ ofSlow }) => !ofSlow)?.window
  const slowOnes = present.find(({ ofSlow }) => ofSlow)?.window
  return {
    calls: present[0]?.window.calls ?? 0,
    failures: failing?.failures ?? 0,
    failureRate: share(failing),
    slow: slowOnes?.failures ?? 0,
    slowRate: share(slowOnes)
  }
}
