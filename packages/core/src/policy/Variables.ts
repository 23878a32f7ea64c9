/**
 * The variables of the environment that set options of a standard policy.
 */
import { atLeast, type Checked, fraction, integer, span, spanOrNone } from "../InvalidOptions.js"

/** Unlike `Number` it finds none in an empty text. */
const numberIn = (text: string): number => (text === "" ? Number.NaN : Number(text))

/** What each variable sets, and how its text is read; every value is a number, Infinity for `none`. */
export const variables = {
  DEADLINE: { option: "deadline", read: spanOrNone },
  TIMEOUT: { option: "timeout", read: spanOrNone },
  RETRY_MAX_RETRIES: { option: "retry.maxRetries", read: (at, text) => integer(at, numberIn(text), 0) },
  RETRY_BASE: { option: "retry.backoff.base", read: (at, text) => span(at, text) },
  RETRY_CAP: { option: "retry.backoff.cap", read: (at, text) => span(at, text) },
  RETRY_MAX_RETRY_AFTER: { option: "retry.maxRetryAfter", read: (at, text) => span(at, text, 0) },
  CIRCUIT_BREAKER_CONSECUTIVE: {
    option: "circuitBreaker.tripPolicy.failures",
    read: (at, text) => integer(at, numberIn(text), 1, 1_000_000)
  },
  CIRCUIT_BREAKER_RATE: {
    option: "circuitBreaker.tripPolicy.threshold",
    read: (at, text) => fraction(at, numberIn(text), "0 excluded")
  },
  CIRCUIT_BREAKER_WINDOW: { option: "circuitBreaker.tripPolicy.window.duration", read: (at, text) => span(at, text) },
  CIRCUIT_BREAKER_MINIMUM_CALLS: {
    option: "circuitBreaker.tripPolicy.minimumCalls",
    read: (at, text) => integer(at, numberIn(text), 1)
  },
  CIRCUIT_BREAKER_OPEN_DURATION: { option: "circuitBreaker.openDuration", read: (at, text) => span(at, text) },
  BULKHEAD_MAX_CONCURRENT: { option: "bulkhead.maxConcurrent", read: (at, text) => integer(at, numberIn(text), 1) },
  BULKHEAD_MAX_QUEUE: { option: "bulkhead.maxQueue", read: (at, text) => integer(at, numberIn(text), 0) },
  BULKHEAD_MAX_WAIT: { option: "bulkhead.maxWait", read: (at, text) => span(at, text) },
  RETRY_BUDGET_RATIO: { option: "retryBudget.ratio", read: (at, text) => atLeast(at, numberIn(text), 0) },
  RETRY_BUDGET_MIN_PER_SECOND: {
    option: "retryBudget.minPerSecond",
    read: (at, text) => atLeast(at, numberIn(text), 0)
  },
  RETRY_BUDGET_TTL: { option: "retryBudget.ttl", read: (at, text) => span(at, text) },
  THROTTLE_K: { option: "throttle.k", read: (at, text) => atLeast(at, numberIn(text), 1) },
  THROTTLE_MAX_REJECTION: {
    option: "throttle.maxRejection",
    read: (at, text) => fraction(at, numberIn(text), "0 included")
  },
  THROTTLE_WINDOW: { option: "throttle.window", read: (at, text) => span(at, text, 10) },
  RATE_LIMIT_LIMIT: { option: "rateLimit.limit", read: (at, text) => integer(at, numberIn(text), 1) },
  RATE_LIMIT_WINDOW: { option: "rateLimit.window", read: (at, text) => span(at, text) },
  RATE_LIMIT_BURST: { option: "rateLimit.burst", read: (at, text) => integer(at, numberIn(text), 1) },
  RATE_LIMIT_MAX_WAIT: { option: "rateLimit.maxWait", read: (at, text) => span(at, text, 0) },
  CONCURRENCY_MIN: { option: "concurrency.min", read: (at, text) => integer(at, numberIn(text), 1) },
  CONCURRENCY_MAX: { option: "concurrency.max", read: (at, text) => integer(at, numberIn(text), 1) },
  CONCURRENCY_INITIAL: { option: "concurrency.initial", read: (at, text) => integer(at, numberIn(text), 1) },
  CONCURRENCY_MAX_QUEUE: { option: "concurrency.maxQueue", read: (at, text) => integer(at, numberIn(text), 0) },
  CONCURRENCY_MAX_WAIT: { option: "concurrency.maxWait", read: (at, text) => span(at, text) }
} satisfies Record<string, { option: string; read: (option: string, text: string) => Checked<number> }>

/** The name of a variable, without what it begins with. */
export type Name = keyof typeof variables
/** What the environment sets. */
export type Given = { readonly [N in Name]?: number }

/** The variables of the other trip policy than `CIRCUIT_BREAKER_CONSECUTIVE`. */
export const rateNames = ["CIRCUIT_BREAKER_RATE", "CIRCUIT_BREAKER_WINDOW", "CIRCUIT_BREAKER_MINIMUM_CALLS"] as const

const isName = (name: string): name is Name => Object.hasOwn(variables, name)
/** All names. */
export const names: ReadonlyArray<Name> = Object.keys(variables).filter(isName)

/** `payment-eu` reads its timeout from `RESILIENCE_PAYMENT_EU_TIMEOUT`. */
export const variableOf = (policy: string, name: Name): string =>
  `RESILIENCE_${policy.toUpperCase().replaceAll(/[^A-Z0-9]+/g, "_")}_${name}`

/** Whether any variable of an option's part was given; a part that none mentions stays as it was, also when that is `"none"`. */
export const mentions = (given: Given, part: string): boolean =>
  names.some((name) => variables[name].option.startsWith(`${part}.`) && given[name] !== undefined)
