/**
 * The options of a client and what they may be, also for callers that no compiler checks: a name that is misspelled would
 * go unnoticed otherwise, and a value of another kind would end in an error that names neither.
 */
import { InvalidOptions } from "@effect-resilience/core"
import { Predicate } from "effect"
import * as CriticalityHeader from "../CriticalityHeader.js"
import * as DeadlineHeader from "../DeadlineHeader.js"
import type { ClientOptions, Options } from "../ResilientHttpClient.js"
import { Quotas } from "./Quotas.js"

/** Options that were checked. */
export interface Settings {
  readonly idleMillis: number
  readonly maxRedirects: number
  readonly deadlineHeader: DeadlineHeader.Send | undefined
  readonly criticalityHeader: CriticalityHeader.Send | undefined
}

/** Checks the values of what every client has. */
export const settings = (options: ClientOptions): InvalidOptions.Checked<Settings> =>
  InvalidOptions.every<Settings>({
    idleMillis: InvalidOptions.span("bodyIdle", options.bodyIdle ?? "10 seconds"),
    maxRedirects: InvalidOptions.integer("maxRedirects", options.maxRedirects ?? 0, 0),
    deadlineHeader: DeadlineHeader.sending("deadlineHeader.", options.deadlineHeader),
    criticalityHeader: CriticalityHeader.sending("criticalityHeader.", options.criticalityHeader)
  })

/** What becomes of the quotas that servers tell of. */
export const quotas = ({ rateLimitHeaders = {} }: Options): InvalidOptions.Checked<Quotas | undefined> =>
  rateLimitHeaders === "none"
    ? InvalidOptions.valid(undefined)
    : InvalidOptions.map(
        InvalidOptions.span("rateLimitHeaders.maxWait", rateLimitHeaders.maxWait ?? "30 seconds", 0),
        (millis) => new Quotas(millis)
      )

const anything: InvalidOptions.Kind = { allowed: "anything", holds: () => true }
const aFunction: InvalidOptions.Kind = { allowed: "a function", holds: Predicate.isFunction }
const anObject: InvalidOptions.Kind = { allowed: "an object of options", holds: Predicate.isRecord }
const aPart: InvalidOptions.Kind = {
  allowed: 'an object of options or "none"',
  holds: (value) => value === "none" || Predicate.isRecord(value)
}

const aLimit: InvalidOptions.Kind = {
  allowed: 'an object of options, "adaptive" or "none"',
  holds: (value) => value === "adaptive" || aPart.holds(value)
}

/** The options of every client. Spans and numbers are checked with what they may be. */
const ofClients: { readonly [K in keyof Required<ClientOptions>]: InvalidOptions.Kind } = {
  statuses: { ...anObject, allowed: "an object of rulings by status" },
  bodyIdle: anything,
  holdUntil: { allowed: '"body" or "headers"', holds: (value) => value === "body" || value === "headers" },
  maxRedirects: anything,
  beforeAttempt: aFunction,
  deadlineHeader: anObject,
  criticalityHeader: anObject
}

const ofStandard: { readonly [K in keyof Required<Options>]: InvalidOptions.Kind } = {
  ...ofClients,
  key: aFunction,
  rateLimitHeaders: aPart,
  capacity: anything,
  idleTimeToLive: anything,
  deadline: anything,
  timeout: anything,
  retry: aPart,
  retryBudget: aPart,
  throttle: aPart,
  rateLimit: aPart,
  concurrency: aLimit,
  circuitBreaker: aPart,
  bulkhead: aPart,
  pool: anObject
}

/** Checks the options of a client under policies of one's own. */
export const clientKinds = (options: ClientOptions): InvalidOptions.Checked<void> =>
  InvalidOptions.kinds(options, ofClients)

/** Checks the options of a client under standard policies. */
export const standardKinds = (options: Options): InvalidOptions.Checked<void> =>
  InvalidOptions.kinds(options, ofStandard)
