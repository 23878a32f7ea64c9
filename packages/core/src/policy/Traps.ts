/**
 * The well-known mistakes in composing policies, found from the options alone.
 */
import { Deadline, Backoff as Machine } from "@effect-resilience/machines"
import { Duration } from "effect"
import * as Backoff from "../Backoff.js"
import * as Retry from "../Retry.js"
import type { Settings, StandardOptions } from "./Options.js"

/** The names of the mistakes that can be found. */
export type Rule =
  | "budget"
  | "contradiction"
  | "pool"
  | "shared-pool"
  | "queue"
  | "window"
  | "no-timeout"
  | "not-idempotent"
  | "amplification"
  | "remote-fallback"

/** A mistake that was found: what it leads to, in numbers, and what to do about it. */
export interface Trap {
  readonly rule: Rule
  readonly severity: "error" | "warning"
  readonly message: string
  readonly fix: string
}

/** What stands around a policy, as far as it is known. */
export interface Surroundings {
  /** Other policies, for instance over the same pool. */
  readonly beside?: ReadonlyArray<{ readonly name: string; readonly options: StandardOptions }> | undefined
  /** How often a caller further out repeats the whole call. */
  readonly outerRetries?: number | undefined
  /** The tiers of the fallback outside. */
  readonly fallback?:
    | ReadonlyArray<{ readonly tier: string; readonly remote: boolean; readonly policy?: string | undefined }>
    | undefined
}

/** One policy to be looked at. */
export interface Subject {
  readonly name: string
  readonly options: StandardOptions
  readonly settings: Settings
}

const show = (millis: number): string => (millis === Infinity ? "for ever" : Duration.format(Duration.millis(millis)))

/** The longest that wait n of the retry can be; 0 for a schedule that does not tell. */
const ceilingOf =
  ({ options }: Subject) =>
  (n: number): number => {
    const backoff = options.retry === "none" ? undefined : (options.retry?.backoff ?? Retry.defaultBackoff)
    return Backoff.isBackoff(backoff) ? Math.min(Machine.maxDelayMillis, backoff[Backoff.TypeId].ceilingMillis(n)) : 0
  }

/** How long a call can take when every attempt and every wait is as long as it can be, the budget aside. */
export const worstCaseMillis = (subject: Subject): number => {
  const { retry, timeoutMillis } = subject.settings
  const ceiling = ceilingOf(subject)
  const waits = Array.from({ length: Math.min(retry?.maxRetries ?? 0, 10_000) }, (_, n) => ceiling(n))
  return waits.reduce((sum, wait) => sum + wait + timeoutMillis, timeoutMillis)
}

/** How many retries fit the budget in the worst case; -1 if not even the first attempt does. */
export const fittingRetries = (subject: Subject): number => {
  const { deadlineMillis, retry, timeoutMillis } = subject.settings
  return Deadline.retriesThatFit({
    budgetMillis: deadlineMillis,
    timeoutMillis,
    overheadMillis: 0,
    ceilingMillis: ceilingOf(subject),
    most: retry?.maxRetries ?? 0
  })
}

const budget = (subject: Subject): ReadonlyArray<Trap> => {
  const { deadlineMillis, retry, timeoutMillis } = subject.settings
  const worst = worstCaseMillis(subject)
  if (retry === undefined || timeoutMillis > deadlineMillis || worst <= deadlineMillis) return []
  const fit = Math.max(0, fittingRetries(subject))
  return [
    {
      rule: "budget",
      severity: "warning",
      message:
        `${retry.maxRetries} retries of ${show(timeoutMillis)} each take up to ${show(worst)} in a budget of ` +
        `${show(deadlineMillis)}: ${fit} ${fit === 1 ? "retry fits" : "retries fit"}`,
      fix: `set retry.maxRetries to ${fit}, shorten the timeout, or give a deadline of ${show(worst)}`
    }
  ]
}

const contradiction = ({ settings: { deadlineMillis, timeoutMillis } }: Subject): ReadonlyArray<Trap> =>
  timeoutMillis === Infinity || timeoutMillis <= deadlineMillis
    ? []
    : [
        {
          rule: "contradiction",
          severity: "error",
          message: `the attempt timeout of ${show(timeoutMillis)} is above the deadline of ${show(deadlineMillis)}: it never fires`,
          fix: "set timeout to at most the deadline"
        }
      ]

const pool = ({ options, settings: { bulkhead } }: Subject): ReadonlyArray<Trap> =>
  options.pool === undefined || bulkhead === undefined || bulkhead.limit <= options.pool.size
    ? []
    : [
        {
          rule: "pool",
          severity: "warning",
          message:
            `the bulkhead lets ${bulkhead.limit} calls in, the pool "${options.pool.name}" has ${options.pool.size}: ` +
            `${bulkhead.limit - options.pool.size} callers wait inside for a connection, each holding a permit`,
          fix: `set bulkhead.maxConcurrent to at most ${options.pool.size}`
        }
      ]

const count = (limit: number): string => (limit === Infinity ? "unlimited" : String(limit))

const sharedPool = (subject: Subject, sharers: ReadonlyArray<Subject>): ReadonlyArray<Trap> => {
  const shared = subject.options.pool
  if (shared === undefined) return []
  const users = [subject, ...sharers.filter(({ options }) => options.pool?.name === shared.name)]
  const limits = users.map(({ settings }) => settings.bulkhead?.limit ?? Infinity)
  const sum = limits.reduce((total, limit) => total + limit, 0)
  const greedy = users.filter(({ settings }) => (settings.bulkhead?.limit ?? Infinity) > shared.size / 2)
  if (users.length < 2 || (sum <= shared.size && greedy.length === 0)) return []
  const over = sum > shared.size ? [`bulkheads ${limits.map(count).join(" + ")} add up to ${count(sum)}`] : []
  const half = greedy.map(({ name }) => `"${name}" alone may take over half`)
  return [
    {
      rule: "shared-pool",
      severity: "warning",
      message: `over the pool "${shared.name}" of ${shared.size}: ${[...over, ...half].join("; ")}`,
      fix: `let the bulkheads add up to at most ${shared.size}, none above ${Math.floor(shared.size / 2)}, or give each dependency a pool of its own`
    }
  ]
}

const queue = ({ settings: { bulkhead, deadlineMillis } }: Subject): ReadonlyArray<Trap> =>
  bulkhead === undefined ||
  bulkhead.maxQueue === 0 ||
  bulkhead.maxWaitMillis < deadlineMillis ||
  deadlineMillis === Infinity
    ? []
    : [
        {
          rule: "queue",
          severity: "warning",
          message: `a call may wait ${show(bulkhead.maxWaitMillis)} in line with a deadline of ${show(deadlineMillis)}: some wait only to be refused`,
          fix: "set bulkhead.maxWait to what is left of the deadline after one attempt"
        }
      ]

const windowTooShort = ({ settings: { circuit, timeoutMillis } }: Subject): ReadonlyArray<Trap> => {
  const window = circuit?.machine.tripPolicy.window
  if (window === undefined || window._tag !== "Time" || timeoutMillis === Infinity) return []
  if (window.spanMillis >= 2 * timeoutMillis) return []
  return [
    {
      rule: "window",
      severity: "warning",
      message: `the window of ${show(window.spanMillis)} is shorter than two attempts of ${show(timeoutMillis)}: timeouts leave it before there are enough to trip`,
      fix: `make the window at least ${show(2 * timeoutMillis)}`
    }
  ]
}

const noTimeout = ({ settings: { deadlineMillis, timeoutMillis } }: Subject): ReadonlyArray<Trap> => {
  if (timeoutMillis !== Infinity) return []
  const fix = "set timeout, unless what is inside has one of its own"
  return deadlineMillis === Infinity
    ? [
        {
          rule: "no-timeout",
          severity: "error",
          message:
            "an attempt may take for ever: a dependency that hangs holds its callers, and a circuit breaker never hears of it",
          fix
        }
      ]
    : [
        {
          rule: "no-timeout",
          severity: "warning",
          message: `only the deadline of ${show(deadlineMillis)} ends an attempt: one that hangs uses up the whole budget`,
          fix
        }
      ]
}

const notIdempotent = ({ options, settings: { retry } }: Subject): ReadonlyArray<Trap> =>
  options.idempotent !== false || retry === undefined || retry.maxRetries === 0
    ? []
    : [
        {
          rule: "not-idempotent",
          severity: "error",
          message: `${retry.maxRetries} retries of an operation that must not be repeated: a lost reply makes it happen twice`,
          fix: 'set retry to "none", or carry an idempotency key that the dependency honours'
        }
      ]

const amplification = (subject: Subject, outerRetries: number): ReadonlyArray<Trap> => {
  const inner = subject.settings.retry?.maxRetries ?? 0
  if (outerRetries <= 0 || inner === 0) return []
  return [
    {
      rule: "amplification",
      severity: "warning",
      message: `${outerRetries} retries around ${inner} retries: one request can become ${(outerRetries + 1) * (inner + 1)} calls`,
      fix: "retry in one place, the one nearest to the dependency"
    }
  ]
}

const remoteFallback = (tiers: NonNullable<Surroundings["fallback"]>): ReadonlyArray<Trap> =>
  tiers
    .filter(({ policy, remote }) => remote && policy === undefined)
    .map(({ tier }) => ({
      rule: "remote-fallback",
      severity: "warning",
      message: `the fallback tier "${tier}" calls out without a policy: it hangs when what it calls hangs`,
      fix: `put a policy of its own around "${tier}"`
    }))

/** Every trap that can be found from the options. */
export const find = (
  subject: Subject,
  sharers: ReadonlyArray<Subject>,
  surroundings: Surroundings
): ReadonlyArray<Trap> => [
  ...contradiction(subject),
  ...noTimeout(subject),
  ...budget(subject),
  ...pool(subject),
  ...sharedPool(subject, sharers),
  ...queue(subject),
  ...windowTooShort(subject),
  ...notIdempotent(subject),
  ...amplification(subject, surroundings.outerRetries ?? 0),
  ...remoteFallback(surroundings.fallback ?? [])
]
