/**
 * How the exit of a call counts. One classifier serves retry and breaker: the breaker counts failures, the retry repeats
 * what is transient.
 *
 * The default, `classify`, in order:
 *
 * 1. A success is a success. A defect is a failure and not transient.
 * 2. An error that speaks for itself, by carrying an outcome under `OutcomeTypeId`, is what it says.
 * 3. A transport error of `@effect/platform` and Effect's own `TimeoutException` are transient failures.
 * 4. Any other typed error is a failure and not transient. In Effect a typed failure is often an answer (a card was
 *    declined), and repeating an answer by default would be wrong. Telemetry says so once per tag (`UnclassifiedError`).
 *
 * A call that was interrupted from outside never reaches a classifier: the breaker counts it as a failure if the
 * dependency had had its `patience` already, and otherwise not at all.
 */
import { Cause, Duration, type Exit, Option, Predicate } from "effect"

/** Under this an error carries the outcome that it counts as. */
export const OutcomeTypeId: unique symbol = Symbol.for("@effect-resilience/core/Outcome")
/** The type of the key under which an error carries its outcome. */
export type OutcomeTypeId = typeof OutcomeTypeId

/** The dependency did its part. */
export interface Success {
  readonly _tag: "Success"
}

/** The dependency did not do its part. `transient`: the same call may succeed a moment later. */
export interface Failure {
  readonly _tag: "Failure"
  readonly transient: boolean
  /** The dependency asked not to be called again before. */
  readonly retryAfter: Option.Option<Duration.Duration>
}

/** Says nothing about the dependency's health: it was not asked, or it was right to refuse. */
export interface Ignored {
  readonly _tag: "Ignored"
  readonly transient: boolean
  /** The dependency asked not to be called again before. */
  readonly retryAfter: Option.Option<Duration.Duration>
}

/** How the exit of a call counts, for breaker and retry alike. */
export type Outcome = Success | Failure | Ignored

/** Tells how an exit counts. It sees results too: a response that says "I am ill" can be a failure. */
export type Classify = (exit: Exit.Exit<unknown, unknown>) => Outcome

interface Details {
  readonly transient?: boolean | undefined
  readonly retryAfter?: Duration.Duration | undefined
}

/** The dependency did its part. */
export const success: Outcome = { _tag: "Success" }

/** The dependency did not do its part; `transient` (false): worth repeating; `retryAfter`: not before. */
export const failure = (details: Details = {}): Outcome => ({
  _tag: "Failure",
  transient: details.transient ?? false,
  retryAfter: Option.fromNullable(details.retryAfter)
})

/** Says nothing about the dependency; `transient` (false): worth repeating all the same; `retryAfter`: not before. */
export const ignored = (details: Details = {}): Outcome => ({
  _tag: "Ignored",
  transient: details.transient ?? false,
  retryAfter: Option.fromNullable(details.retryAfter)
})

/** Whether a retry would repeat this. */
export const isTransient = (outcome: Outcome): boolean => outcome._tag !== "Success" && outcome.transient

/** What the dependency asked for, if it asked. */
export const retryAfter = (outcome: Outcome): Option.Option<Duration.Duration> =>
  outcome._tag === "Success" ? Option.none() : outcome.retryAfter

/** Marks the errors by which our policies refuse a call. They are never repeated: the dependency was not asked. */
export const RejectionTypeId: unique symbol = Symbol.for("@effect-resilience/core/Rejection")

/** Whether an error is a refusal by one of our policies. */
export const isRejection = (error: unknown): boolean => Predicate.hasProperty(error, RejectionTypeId)

/** An outcome as it is meant: one that somebody wrote by hand may lack what is not said of it. None if it is no outcome. */
export const asOutcome = (u: unknown): Outcome | undefined => {
  if (Predicate.isTagged(u, "Success")) return success
  const details = {
    transient: Predicate.hasProperty(u, "transient") && u.transient === true,
    retryAfter:
      Predicate.hasProperty(u, "retryAfter") && Option.isOption(u.retryAfter)
        ? Option.getOrUndefined(Option.filter(u.retryAfter, Duration.isDuration))
        : undefined
  }
  if (Predicate.isTagged(u, "Failure")) return failure(details)
  return Predicate.isTagged(u, "Ignored") ? ignored(details) : undefined
}

/** What an error says of itself. */
const ownWord = (error: unknown): Outcome | undefined =>
  Predicate.isObject(error) && OutcomeTypeId in error ? asOutcome(error[OutcomeTypeId]) : undefined

const tagOf = (error: unknown): unknown => (Predicate.isObject(error) && "_tag" in error ? error._tag : undefined)

const isTransportError = (error: unknown): boolean => {
  const tag = tagOf(error)
  if (tag === "TimeoutException") return true
  return tag === "RequestError" && Predicate.hasProperty(error, "reason") && error.reason === "Transport"
}

/** The typed error of a cause that holds no defect. */
export const errorIn = <E>(cause: Cause.Cause<E>): Option.Option<E> => {
  // Nearly all are of this kind, and searching a cause takes longer than a whole policy.
  if (cause._tag === "Fail") return Option.some(cause.error)
  return Option.isSome(Cause.dieOption(cause)) ? Option.none() : Cause.failureOption(cause)
}

/** The typed error of an exit that holds no defect. */
export const typedError = <A, E>(exit: Exit.Exit<A, E>): Option.Option<E> =>
  exit._tag === "Success" ? Option.none() : errorIn(exit.cause)

const permanent = failure()
const transient = failure({ transient: true })

const classifyError = (error: unknown): Outcome | undefined =>
  ownWord(error) ?? (isTransportError(error) ? transient : undefined)

/** The default classifier, as this module's header tells it. */
export const classify: Classify = (exit) => {
  if (exit._tag === "Success") return success
  const error = typedError(exit)
  return Option.isSome(error) ? (classifyError(error.value) ?? permanent) : permanent
}

/** The tag of a typed error that the default classifier knows nothing about. */
export const unclassifiedTag = (exit: Exit.Exit<unknown, unknown>): Option.Option<string> =>
  Option.filterMap(typedError(exit), (error) =>
    classifyError(error) === undefined ? Option.some(errorTag(error)) : Option.none()
  )

/** Whether the call was cut short: interrupted, with neither an error nor a defect to show. */
export const wasCutShort = (exit: Exit.Exit<unknown, unknown>): boolean =>
  exit._tag === "Failure" && exit.cause._tag !== "Fail" && Cause.isInterruptedOnly(exit.cause)

/** What may be said of an error in telemetry: its tag, never itself. */
export const errorTag = (error: unknown): string => {
  const tag = tagOf(error)
  if (typeof tag === "string") return tag.slice(0, 100)
  return error instanceof Error ? error.name.slice(0, 100) : typeof error
}

/** The tag of what a cause tells of. */
export const causeTag = (cause: Cause.Cause<unknown>): string => {
  const error = errorIn(cause)
  if (Option.isSome(error)) return errorTag(error.value)
  return Cause.isInterruptedOnly(cause) ? "Interrupted" : "Defect"
}

/** The tag of what an exit failed with. */
export const exitTag = (exit: Exit.Exit<unknown, unknown>): string =>
  exit._tag === "Success" ? "Success" : causeTag(exit.cause)
