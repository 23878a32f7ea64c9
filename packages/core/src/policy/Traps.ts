/**
 * The well-known mistakes in composing policies, found from the options alone.
 */
import { attemptMillis, copiesOf, fittingRetries, type Subject, worstCaseMillis } from "./Budget.js"
import { budgetConfig, type StandardOptions } from "./Options.js"
import { pool, sharedPool } from "./PoolTraps.js"
import type { Trap } from "./Trap.js"
import { span } from "./Wording.js"

export type { Rule, Trap } from "./Trap.js"

/** What stands around a policy, as far as it is known. */
export interface Surroundings {
  /** Other policies, for instance over the same pool. */
  readonly beside?: ReadonlyArray<{ readonly name: string; readonly options: StandardOptions }> | undefined
  /** How many calls are made in a second, for the time to open. Above 0; without it none is told. */
  readonly callsPerSecond?: number | undefined
  /** How often a caller further out repeats the whole call. From 0; default 0. */
  readonly outerRetries?: number | undefined
  /** The tiers of the fallback outside, as `Fallback.tiers` tells them of a chain, or written by hand. */
  readonly fallback?:
    | ReadonlyArray<{ readonly tier: string; readonly remote: boolean; readonly policy?: string | undefined }>
    | undefined
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
        `${retry.maxRetries + 1} attempts of ${span(attemptMillis(subject.settings))} and their waits take up to ${span(worst)} in a budget of ` +
        `${span(deadlineMillis)}: ${fit} ${fit === 1 ? "retry fits" : "retries fit"}`,
      fix: `set retry.maxRetries to ${fit}, shorten the timeout, or give a deadline of ${span(worst)}`
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
          message: `the attempt timeout of ${span(timeoutMillis)} is above the deadline of ${span(deadlineMillis)}: it never fires`,
          fix: `set timeout to at most the deadline, ${span(deadlineMillis)}`
        }
      ]

const queue = ({ settings }: Subject): ReadonlyArray<Trap> => {
  const { bulkhead, concurrency, deadlineMillis, timeoutMillis } = settings
  const left = deadlineMillis - timeoutMillis
  const lines = [
    { line: bulkhead, who: "bulkhead" },
    { line: concurrency?.line, who: "concurrency" }
  ]
  return lines.flatMap(({ line, who }): ReadonlyArray<Trap> => {
    if (line === undefined || line.maxQueue === 0 || deadlineMillis === Infinity) return []
    if (line.maxWaitMillis < deadlineMillis) return []
    return [
      {
        rule: "queue",
        severity: "warning",
        message: `a call may wait ${span(line.maxWaitMillis)} in line with a deadline of ${span(deadlineMillis)}: some wait only to be refused`,
        fix:
          left >= 1
            ? `set ${who}.maxWait to at most ${span(left)}, what is left of the deadline after one attempt`
            : `set ${who}.maxQueue to 0, or a timeout that leaves some of the deadline for the line`
      }
    ]
  })
}

const limitTrap = (message: string, fix: string): Trap => ({
  rule: "adaptive-limit",
  severity: "warning",
  message,
  fix
})

const adaptiveLimit = ({ settings }: Subject): ReadonlyArray<Trap> => {
  const { bulkhead, concurrency, deadlineMillis, timeoutMillis } = settings
  if (concurrency === undefined) return []
  const { min } = concurrency.learning
  return [
    ...(timeoutMillis === Infinity && deadlineMillis === Infinity
      ? [
          limitTrap(
            "nothing ends an attempt that hangs: the adaptive limit never hears of it, and loses a permit",
            "set timeout, unless what is inside has one of its own"
          )
        ]
      : []),
    ...(bulkhead !== undefined && bulkhead.limit <= min
      ? [
          limitTrap(
            `the bulkhead lets ${bulkhead.limit} calls in, the adaptive limit never falls below ${min}: it refuses nothing`,
            'set bulkhead to "none", or concurrency.min lower'
          )
        ]
      : [])
  ]
}

const rateLimitWait = ({ settings: { deadlineMillis, rateLimit, timeoutMillis } }: Subject): ReadonlyArray<Trap> => {
  if (rateLimit === undefined || deadlineMillis === Infinity || rateLimit.maxWaitMillis < deadlineMillis) return []
  const left = deadlineMillis - timeoutMillis
  return [
    {
      rule: "rate-limit",
      severity: "warning",
      message: `an attempt may wait ${span(rateLimit.maxWaitMillis)} for the rate limit with a deadline of ${span(deadlineMillis)}: some are let through with no time left`,
      fix:
        left >= 1
          ? `set rateLimit.maxWait to at most ${span(left)}, what is left of the deadline after one attempt`
          : 'set rateLimit.onExceeded to "reject", or a timeout that leaves some of the deadline for the wait'
    }
  ]
}

const windowTooShort = ({ settings: { circuit, timeoutMillis } }: Subject): ReadonlyArray<Trap> => {
  if (circuit === undefined || timeoutMillis === Infinity) return []
  const { tripPolicy } = circuit.machine
  const windows = (tripPolicy._tag === "Any" ? tripPolicy.rules : [tripPolicy]).map(({ window }) => window)
  const spans = windows.flatMap((window) => (window._tag === "Time" ? [window.spanMillis] : []))
  return [...new Set(spans)]
    .filter((millis) => millis < 2 * timeoutMillis)
    .map((millis) => ({
      rule: "window",
      severity: "warning",
      message: `the window of ${span(millis)} is shorter than two attempts of ${span(timeoutMillis)}: timeouts leave it before there are enough to trip`,
      fix: `make the window at least ${span(2 * timeoutMillis)}`
    }))
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
          message: `only the deadline of ${span(deadlineMillis)} ends an attempt: one that hangs uses up the whole budget`,
          fix
        }
      ]
}

const notIdempotent = ({ options, settings: { hedge, retry } }: Subject): ReadonlyArray<Trap> => {
  if (options.idempotent !== false) return []
  const retries = retry?.maxRetries ?? 0
  const rule = "not-idempotent"
  const severity = "error"
  return [
    ...(retries === 0
      ? []
      : [
          {
            rule,
            severity,
            message: `${retries} retries of an operation that must not be repeated: a lost reply makes it happen twice`,
            fix: 'set retry to "none", or carry an idempotency key that the dependency honours'
          } as const
        ]),
    ...(hedge === undefined
      ? []
      : [
          {
            rule,
            severity,
            message: "a hedge of an operation that must not be repeated: each slow call makes it happen twice",
            fix: 'set hedge to "none", or carry an idempotency key that the dependency honours at one time as well'
          } as const
        ])
  ]
}

const lateHedge = ({ settings: { deadlineMillis, hedge, timeoutMillis } }: Subject): ReadonlyArray<Trap> => {
  const limit = Math.min(timeoutMillis, deadlineMillis)
  if (hedge === undefined || limit === Infinity) return []
  const { delay } = hedge
  const option = delay._tag === "Fixed" ? "hedge.delay" : "hedge.delay.min"
  const millis = delay._tag === "Fixed" ? delay.millis : delay.minMillis
  if (millis < limit) return []
  return [
    {
      rule: "hedge",
      severity: "warning",
      message: `${option} of ${span(millis)} is not below the limit of an attempt, ${span(limit)}: no slow call ever has a second copy`,
      fix: `set ${option} below ${span(limit)}, best to what 0.95 of the calls take`
    }
  ]
}

const amplification = (subject: Subject, outerRetries: number): ReadonlyArray<Trap> => {
  const inner = subject.settings.retry?.maxRetries ?? 0
  if (outerRetries <= 0 || inner === 0) return []
  const copies = copiesOf(subject.settings)
  const paidBy = budgetConfig(subject.settings)
  const share = paidBy?._tag === "Ratio" ? Math.min(inner, paidBy.ratio) : inner
  const hedges = subject.settings.hedge?.isBudgetGiven === false && share !== inner ? 1 : copies
  const paid =
    share === inner
      ? ""
      : `; its budget pays for ${share} retries of each of the ${outerRetries + 1}, which makes it ` +
        `${Math.round((outerRetries + 1) * (share + 1) * hedges * 100) / 100} for each request while all fail`
  const around = copies === 1 ? "" : ` of ${copies} copies each`
  const most = (outerRetries + 1) * (inner + 1) * copies
  return [
    {
      rule: "amplification",
      severity: "warning",
      message: `${outerRetries} retries around ${inner} retries${around}: one request can become ${most} calls${paid}`,
      fix: "retry in one place, the one nearest to the dependency"
    }
  ]
}

const remoteFallback = (name: string, tiers: NonNullable<Surroundings["fallback"]>): ReadonlyArray<Trap> =>
  tiers
    .filter(({ policy, remote }) => remote && (policy === undefined || policy === name))
    .map(({ policy, tier }) => ({
      rule: "remote-fallback",
      severity: "warning",
      message:
        policy === undefined
          ? `the fallback tier "${tier}" calls out without a policy: it hangs when what it calls hangs`
          : `the fallback tier "${tier}" calls out under "${name}", the policy that it stands in for: what that refuses, the tier is refused too`,
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
  ...rateLimitWait(subject),
  ...adaptiveLimit(subject),
  ...windowTooShort(subject),
  ...notIdempotent(subject),
  ...lateHedge(subject),
  ...amplification(subject, surroundings.outerRetries ?? 0),
  ...remoteFallback(subject.name, surroundings.fallback ?? [])
]
