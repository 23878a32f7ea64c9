/**
 * How long a call under a standard policy takes, in the worst case and in the expected one, and how many retries fit.
 *
 * The times begin with the permit of the bulkhead. They are of work that ends when it is interrupted: what is
 * uninterruptible is waited for, however long it takes.
 */
import { Deadline, Backoff as Machine } from "@effect-resilience/machines"
import * as Backoff from "../Backoff.js"
import * as Retry from "../Retry.js"
import type { Settings, StandardOptions } from "./Options.js"

/** One policy to be looked at. */
export interface Subject {
  readonly name: string
  readonly options: StandardOptions
  readonly settings: Settings
}

/**
 * What to expect of a call while the dependency hangs: every attempt runs into its limit, every wait is the mean of what
 * can be drawn, and the retry stops where it would, at the deadline too.
 */
export interface ExpectedCase {
  /** How often the dependency is asked. */
  readonly attempts: number
  /** When the caller hears of it, in milliseconds; Infinity where nothing ends an attempt. */
  readonly millis: number
  /** How long the last attempt lasts, in milliseconds. */
  readonly lastAttemptMillis: number
}

const backoffOf = ({ options }: Subject): Backoff.Backoff | undefined => {
  const backoff = options.retry === "none" ? undefined : (options.retry?.backoff ?? Retry.defaultBackoff)
  return Backoff.isBackoff(backoff) ? backoff : undefined
}

const ceilingOf = (subject: Subject) => {
  const numbers = backoffOf(subject)?.[Backoff.TypeId]
  return (n: number) => Math.min(Machine.maxDelayMillis, numbers?.ceilingMillis(n) ?? 0)
}

const meanOf = (subject: Subject) => {
  const numbers = backoffOf(subject)?.[Backoff.TypeId]
  return (n: number) => Math.min(Machine.maxDelayMillis, numbers?.expectedMillis(n) ?? 0)
}

/** Whether the retry's schedule tells how long its waits are; those of one that does not are taken for none. */
export const waitsKnown = (subject: Subject): boolean =>
  (subject.settings.retry?.maxRetries ?? 0) === 0 || backoffOf(subject) !== undefined

// Waits do not get shorter: those beyond these are taken to be as long as the last, so that a retry without end is
// reckoned as fast as any other.
const reckoned = 10_000

/** How many copies there may be of an attempt. */
export const copiesOf = ({ hedge }: Settings): number => 1 + (hedge?.maxHedges ?? 0)

/** The longest that it may take until another copy begins. */
const latestHedge = ({ delay }: NonNullable<Settings["hedge"]>): number =>
  delay._tag === "Fixed" ? delay.millis : Math.max(delay.initialMillis, delay.maxMillis)

/** How long an attempt may take, all copies of it: each begins after the delay, or when the one before has failed. */
export const attemptMillis = ({ hedge, timeoutMillis }: Settings): number =>
  hedge === undefined ? timeoutMillis : timeoutMillis + hedge.maxHedges * Math.min(timeoutMillis, latestHedge(hedge))

/** All attempts and waits, the budget aside. */
const allAttempts = ({ settings }: Subject, wait: (n: number) => number): number => {
  const retries = settings.retry?.maxRetries ?? 0
  const waits = Array.from({ length: Math.min(retries, reckoned) }, (_, n) => wait(n))
  const beyond = retries > reckoned ? (retries - reckoned) * wait(retries - 1) : 0
  return waits.reduce((sum, each) => sum + each, beyond) + (retries + 1) * attemptMillis(settings)
}

/** How long a call can take when every attempt and every wait is as long as it can be, the budget aside. */
export const worstCaseMillis = (subject: Subject): number => allAttempts(subject, ceilingOf(subject))

/** What to expect of a call while the dependency hangs. */
export const expectedCase = (subject: Subject): ExpectedCase => {
  const { settings } = subject
  const { deadlineMillis, retry } = settings
  const timeoutMillis = attemptMillis(settings)
  const copies = copiesOf(settings)
  const retries = retry?.maxRetries ?? 0
  const mean = meanOf(subject)
  if (deadlineMillis === Infinity || timeoutMillis === Infinity) {
    const attempts = timeoutMillis === Infinity ? 1 : retries + 1
    const limit = Math.min(timeoutMillis, deadlineMillis)
    return {
      attempts: attempts * copies,
      millis: Math.min(allAttempts(subject, mean), deadlineMillis),
      lastAttemptMillis: limit
    }
  }
  let lastAttemptMillis = Math.min(timeoutMillis, deadlineMillis)
  let millis = lastAttemptMillis
  let attempts = 1
  while (attempts <= retries) {
    const wait = mean(attempts - 1)
    const left = deadlineMillis - millis
    if (!Deadline.leavesRoom(wait, retry?.minAttemptMillis ?? 0, left)) break
    lastAttemptMillis = Math.min(timeoutMillis, left - wait)
    millis += wait + lastAttemptMillis
    attempts += 1
  }
  return { attempts: attempts * copies, millis, lastAttemptMillis: Math.min(lastAttemptMillis, settings.timeoutMillis) }
}

/** How many retries fit the budget in the worst case; -1 if not even the first attempt does. */
export const fittingRetries = (subject: Subject): number => {
  const { deadlineMillis, retry } = subject.settings
  const most = retry?.maxRetries ?? 0
  if (deadlineMillis === Infinity) return most
  return Deadline.retriesThatFit({
    budgetMillis: deadlineMillis,
    timeoutMillis: attemptMillis(subject.settings),
    overheadMillis: 0,
    ceilingMillis: ceilingOf(subject),
    most
  })
}
