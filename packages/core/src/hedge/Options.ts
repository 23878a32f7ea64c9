/**
 * The options of a hedge, their defaults and their checks.
 */
import type { RetryBudget as BudgetMachine } from "@effect-resilience/machines"
import { type Duration, Predicate } from "effect"
import * as InvalidOptions from "../InvalidOptions.js"
import * as Latencies from "../Latencies.js"
import type * as Outcome from "../Outcome.js"
import * as RetryBudget from "../RetryBudget.js"

/** A delay that is learned: a quantile of how long calls take. */
export interface LearnedDelay extends Latencies.Options {
  /** The delay before there were calls enough to learn from. From 1 ms. */
  readonly initial: Duration.DurationInput
  /** The shortest. From 1 ms; default 1 ms. */
  readonly min?: Duration.DurationInput | undefined
  /** The longest. From `min`; default as long as it takes. */
  readonly max?: Duration.DurationInput | undefined
}

/** The options of a hedge. */
export interface Options {
  /** After how long without an answer another copy begins. From 1 ms, or learned. */
  readonly delay: Duration.DurationInput | LearnedDelay
  /** Says that the operation may happen twice, also at the same time. */
  readonly idempotent: true
  /** How many copies beside the first there may be of a call. From 1; default 1. */
  readonly maxHedges?: number | undefined
  /**
   * What hedges are paid from: options for a budget of the hedge's own, or one that it shares, with a `Retry` for instance.
   * Default one of its own: 0.05 of the calls in any 10 seconds, and one in that time; in `Policy.standard` the policy's.
   */
  readonly budget?: RetryBudget.Options | RetryBudget.RetryBudget | "none" | undefined
  /** No copy begins that would have less of the budget of time. From 0 ms; default 1 ms, or a tenth of the attempt timeout. */
  readonly minAttempt?: Duration.DurationInput | undefined
}

/** The options of a hedge that stands alone: it also says how exits count. */
export interface MakeOptions extends Options {
  /** How an exit counts: what is transient has the next copy begin at once, other failures end the call. Default `Outcome.classify`. */
  readonly classify?: Outcome.Classify | undefined
}

/** A delay that was checked. */
export type DelaySettings =
  | { readonly _tag: "Fixed"; readonly millis: number }
  | {
      readonly _tag: "Learned"
      readonly of: Latencies.Settings
      readonly initialMillis: number
      readonly minMillis: number
      readonly maxMillis: number
    }

/** Options that were checked. */
export interface Settings {
  readonly delay: DelaySettings
  readonly maxHedges: number
  /** The numbers of a budget of its own, or one that is there; undefined for none. */
  readonly budget: BudgetMachine.Config | RetryBudget.RetryBudget | undefined
  /** Whether nothing was said of the budget. */
  readonly isBudgetGiven: boolean
  readonly minAttemptMillis: number
  readonly idempotent: true
}

const isLearned = (delay: Options["delay"]): delay is LearnedDelay => Predicate.hasProperty(delay, "quantile")

const delaySettings = (delay: Options["delay"], path: string): InvalidOptions.Checked<DelaySettings> => {
  if (!isLearned(delay)) {
    return InvalidOptions.map(InvalidOptions.span(path, delay), (millis) => ({ _tag: "Fixed", millis }))
  }
  const { initial, max, min } = delay
  const checked = InvalidOptions.every<Extract<DelaySettings, { _tag: "Learned" }>>({
    _tag: InvalidOptions.valid("Learned"),
    of: Latencies.settings(delay, `${path}.`),
    initialMillis: InvalidOptions.span(`${path}.initial`, initial),
    minMillis: InvalidOptions.span(`${path}.min`, min ?? 1),
    maxMillis: InvalidOptions.spanOrNone(`${path}.max`, max ?? "none")
  })
  return InvalidOptions.also(
    checked,
    ({ maxMillis, minMillis }) => minMillis <= maxMillis,
    ({ maxMillis, minMillis }) => ({
      option: `${path}.max`,
      value: `${maxMillis} ms`,
      allowed: `at least ${path}.min, ${minMillis} ms`
    })
  )
}

const budgetSettings = (budget: Options["budget"], path: string): InvalidOptions.Checked<Settings["budget"]> => {
  if (budget === "none" || RetryBudget.isRetryBudget(budget)) {
    return InvalidOptions.valid(budget === "none" ? undefined : budget)
  }
  return RetryBudget.settings(budget ?? { ratio: 0.05, minPerSecond: 0.1 }, `${path}.`)
}

/** Options that were not written in TypeScript may lack it. */
const said = (idempotent: unknown, option: string): InvalidOptions.Checked<true> =>
  idempotent === undefined
    ? InvalidOptions.missing(option, "true")
    : InvalidOptions.map(
        InvalidOptions.kinds(
          { [option]: idempotent },
          { [option]: { allowed: "true", holds: (value) => value === true } }
        ),
        () => true
      )

/** Checks the options; `path` names them in what is said of them. */
export const settings = (
  options: Options,
  path: string,
  minAttemptMillis: number = 1
): InvalidOptions.Checked<Settings> =>
  InvalidOptions.every<Settings>({
    delay: delaySettings(options.delay, `${path}delay`),
    maxHedges: InvalidOptions.integer(`${path}maxHedges`, options.maxHedges ?? 1, 1),
    budget: budgetSettings(options.budget, `${path}budget`),
    isBudgetGiven: InvalidOptions.valid(options.budget !== undefined),
    minAttemptMillis: InvalidOptions.span(`${path}minAttempt`, options.minAttempt ?? minAttemptMillis, 0),
    idempotent: said(options.idempotent, `${path}idempotent`)
  })
