/**
 * The options of `Policy.standard`, their defaults and their checks.
 */
import type { AdaptiveThrottle as ThrottleMachine, RetryBudget as Machine } from "@effect-resilience/machines"
import { Duration, Either } from "effect"
import * as AdaptiveLimiter from "../AdaptiveLimiter.js"
import * as AdaptiveThrottle from "../AdaptiveThrottle.js"
import * as Bulkhead from "../Bulkhead.js"
import * as CircuitOptions from "../CircuitOptions.js"
import * as Hedge from "../hedge/Options.js"
import { type Checked, every, map, span, spanOrNone, valid } from "../InvalidOptions.js"
import type * as Outcome from "../Outcome.js"
import * as RateLimiter from "../RateLimiter.js"
import * as Retry from "../Retry.js"
import * as RetryBudget from "../RetryBudget.js"

/** The pool of connections or sockets that the calls draw from, for `explain`. */
export interface Pool {
  readonly name: string
  /** How many connections it has. From 1. */
  readonly size: number
}

/** As `Bulkhead.Options`; `maxConcurrent` defaults to 50. */
export type BulkheadOptions = { readonly [K in keyof Bulkhead.Options]?: Bulkhead.Options[K] | undefined }

/** How many attempts the policy makes in a span of time, as `RateLimiter.Options`, and what becomes of those beyond. */
export interface RateLimitOptions extends Omit<RateLimiter.Options, "limit" | "maxKeys"> {
  /** How many in a window. From 1. */
  readonly limit: number
  /** Default `"reject"`. */
  readonly onExceeded?: "reject" | "wait" | undefined
  /** How long an attempt may wait. From 0 ms; default as long as the deadline allows. */
  readonly maxWait?: Duration.DurationInput | undefined
}

/** Options of a rate limit that were checked; `maxWaitMillis` is 0 where nobody waits. */
export interface RateLimitSettings {
  readonly of: RateLimiter.Settings
  readonly limit: number
  readonly maxWaitMillis: number
}

/** The options of a standard policy; `"none"` leaves a layer out. */
export interface StandardOptions {
  /** The budget of a call, retries and waits included. From 1 ms; default 10 seconds, or `timeout` if that is longer. */
  readonly deadline?: Duration.DurationInput | "none" | undefined
  /** The limit of one attempt. From 1 ms to `deadline`; default 2 seconds, or `deadline` if that is shorter. */
  readonly timeout?: Duration.DurationInput | "none" | undefined
  /** Default 2 retries with full jitter, base 100 ms, cap 2 seconds. */
  readonly retry?: Retry.Options | "none" | undefined
  /**
   * What retries are paid from: options for one of the policy's own, or one that it shares with others. Default
   * `RetryBudget.make`'s: in any 10 seconds, 0.2 of the calls and 1 a second.
   */
  readonly retryBudget?: RetryBudget.Options | RetryBudget.RetryBudget | "none" | undefined
  /** Refuses by chance what a dependency would not accept, repetitions included. Default none. */
  readonly throttle?: AdaptiveThrottle.Options | "none" | undefined
  /** A limit on what is sent, repetitions included, for a dependency with a quota. Default none. */
  readonly rateLimit?: RateLimitOptions | "none" | undefined
  /**
   * A second copy of an attempt that is slow, for operations that may happen twice; paid from `retryBudget` unless it has a
   * budget of its own. Each copy is an attempt, with a limit of its own. Default none.
   */
  readonly hedge?: Hedge.Options | "none" | undefined
  /** Default a rate of 0.5 over 30 seconds with at least 20 calls, open for 30 seconds. */
  readonly circuitBreaker?: CircuitOptions.Options | "none" | undefined
  /**
   * How many attempts may run at a time: learned from how long they take, in the place of `bulkhead`, which is then left
   * out unless it is given. Default `"none"`: a bulkhead alone.
   */
  readonly concurrency?: AdaptiveLimiter.Options | "adaptive" | "none" | undefined
  /** Default 50 at a time, without a line; none where `concurrency` is given. */
  readonly bulkhead?: BulkheadOptions | "none" | undefined
  /** How an exit counts, for retry and breaker alike. Default `Outcome.classify`. */
  readonly classify?: Outcome.Classify | undefined
  /** Whether the operation may be repeated without harm; `explain` warns of retries where it may not. */
  readonly idempotent?: boolean | undefined
  /** What the calls draw from; `explain` compares it with the bulkhead. */
  readonly pool?: Pool | undefined
}

/** Options that were checked. Infinity stands for "none". */
export interface Settings {
  readonly deadlineMillis: number
  readonly timeoutMillis: number
  readonly retry: Retry.Settings | undefined
  /** The numbers of a budget of the policy's own, or one that is there. */
  readonly retryBudget: Machine.Config | RetryBudget.RetryBudget | undefined
  readonly throttle: ThrottleMachine.Config | undefined
  readonly rateLimit: RateLimitSettings | undefined
  readonly concurrency: AdaptiveLimiter.Settings | undefined
  readonly hedge: Hedge.Settings | undefined
  readonly circuit: CircuitOptions.Settings | undefined
  readonly bulkhead: Bulkhead.Settings | undefined
}

const defaultDeadlineMillis = 10_000
const defaultTimeoutMillis = 2_000
const defaultMaxConcurrent = 50

const orElse = (checked: Checked<number>, otherwise: number): number => Either.getOrElse(checked, () => otherwise)

const part = <O extends object, A>(option: O | "none" | undefined, check: (options: Partial<O>) => Checked<A>) =>
  option === "none" ? valid<A | undefined>(undefined) : map(check(option ?? {}), (value): A | undefined => value)

/** The budget of a call and the limit of an attempt, which follow from each other where one is not given. */
const spans = (options: StandardOptions): { readonly deadline: Checked<number>; readonly timeout: Checked<number> } => {
  const given = orElse(spanOrNone("timeout", options.timeout ?? defaultTimeoutMillis), defaultTimeoutMillis)
  const least = options.timeout === undefined || given === Infinity ? 0 : given
  const deadline = spanOrNone("deadline", options.deadline ?? Math.max(defaultDeadlineMillis, least))
  const most = orElse(deadline, defaultDeadlineMillis)
  return { deadline, timeout: spanOrNone("timeout", options.timeout ?? Math.min(defaultTimeoutMillis, most)) }
}

/** What is never repeated needs no budget; one that is shared hears of the calls all the same. */
const retryBudget = ({
  hedge = "none",
  retry,
  retryBudget: given = {}
}: StandardOptions): Checked<Settings["retryBudget"]> => {
  if (given === "none" || RetryBudget.isRetryBudget(given)) return valid(given === "none" ? undefined : given)
  const config = RetryBudget.settings(given, "retryBudget.")
  const isNeeded = (retry !== "none" && retry?.maxRetries !== 0) || (hedge !== "none" && hedge.budget === undefined)
  return map(config, (own) => (isNeeded ? own : undefined))
}

const throttle = ({ throttle: given = "none" }: StandardOptions): Checked<Settings["throttle"]> =>
  given === "none" ? valid(undefined) : AdaptiveThrottle.settings(given, "throttle.")

const rateLimit = ({ rateLimit: given = "none" }: StandardOptions): Checked<Settings["rateLimit"]> => {
  if (given === "none") return valid(undefined)
  const { limit, maxWait, onExceeded } = given
  const waits = maxWait === undefined ? valid(Infinity) : span("rateLimit.maxWait", maxWait, 0)
  return every<RateLimitSettings>({
    of: RateLimiter.settings(given, "rateLimit."),
    limit: valid(limit),
    maxWaitMillis: onExceeded === "wait" ? waits : map(waits, () => 0)
  })
}

const isAdaptive = ({ concurrency = "none" }: StandardOptions): boolean => concurrency !== "none"

const concurrency = ({ concurrency: given = "none" }: StandardOptions): Checked<Settings["concurrency"]> => {
  if (given === "none") return valid(undefined)
  return AdaptiveLimiter.settings(given === "adaptive" ? {} : given, "concurrency.")
}

/** The numbers of what retries are paid from. */
export const budgetConfig = ({ retryBudget: budget }: Settings): Machine.Config | undefined =>
  RetryBudget.isRetryBudget(budget) ? RetryBudget.accountOf(budget).config : budget

/** Checks each option by itself; how they fit together, `standard` and `explain` say. */
export const loose = (options: StandardOptions): Checked<Settings> => {
  const { deadline, timeout } = spans(options)
  const deadlineMillis = orElse(deadline, defaultDeadlineMillis)
  const timeoutMillis = orElse(timeout, defaultTimeoutMillis)
  const attempt = Math.min(timeoutMillis, deadlineMillis)
  const probe = Math.min(deadlineMillis, 2_147_483_647)
  const least = attempt === Infinity ? undefined : Math.ceil(attempt / 10)
  const { hedge = "none" } = options
  return every<Settings>({
    deadlineMillis: deadline,
    timeoutMillis: timeout,
    retry: part(options.retry, (retry) => Retry.settings(retry, "retry.", least ?? 0)),
    retryBudget: retryBudget(options),
    throttle: throttle(options),
    rateLimit: rateLimit(options),
    concurrency: concurrency(options),
    hedge: hedge === "none" ? valid(undefined) : Hedge.settings(hedge, "hedge.", least),
    circuit: part(options.circuitBreaker, (circuit) =>
      CircuitOptions.settings(circuit, "circuitBreaker.", {
        patienceMillis: attempt === Infinity ? undefined : Math.ceil(attempt / 2),
        probeTimeoutMillis:
          deadlineMillis !== Infinity ? probe : timeoutMillis !== Infinity ? 2 * timeoutMillis : undefined
      })
    ),
    bulkhead: part<BulkheadOptions, Bulkhead.Settings>(
      options.bulkhead ?? (isAdaptive(options) ? "none" : undefined),
      (bulkhead) =>
        Bulkhead.settings({ ...bulkhead, maxConcurrent: bulkhead.maxConcurrent ?? defaultMaxConcurrent }, "bulkhead.")
    )
  })
}

const fitting = ({ deadline, timeout }: ReturnType<typeof spans>): Checked<void> => {
  const deadlineMillis = orElse(deadline, Infinity)
  const timeoutMillis = orElse(timeout, 0)
  return timeoutMillis === Infinity || timeoutMillis <= deadlineMillis
    ? valid(undefined)
    : Either.left([
        {
          option: "timeout",
          value: Duration.format(Duration.millis(timeoutMillis)),
          allowed: `at most the deadline, ${Duration.format(Duration.millis(deadlineMillis))}`
        }
      ])
}

/** As `loose`, and refuses options that contradict each other. */
export const strict = (options: StandardOptions): Checked<Settings> =>
  map(
    every<{ settings: Settings; fit: void }>({ settings: loose(options), fit: fitting(spans(options)) }),
    ({ settings }) => settings
  )
