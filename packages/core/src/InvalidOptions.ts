/**
 * Options that cannot be meant: a programmer's mistake, so `make` and `layer` die with it rather than fail.
 *
 * Each option is checked by itself, and all that is wrong is said at once. The same checks serve values from the
 * environment (`Policy.layerConfig`), where they become a `ConfigError` instead.
 */
import { Cause, Data, Duration, Effect, Either, Option } from "effect"

/** One option that cannot be meant. */
export interface Problem {
  /** The path of the option, for instance `bulkhead.maxConcurrent`. */
  readonly option: string
  /** The value it was given, printed. */
  readonly value: string
  /** What it may be. */
  readonly allowed: string
}

/** The options of a policy contradict each other or are out of range. The message names each, its value, and what is allowed. */
export class InvalidOptions extends Data.TaggedError("InvalidOptions")<{
  readonly policy: string
  readonly problems: ReadonlyArray<Problem>
}> {
  override get message(): string {
    const lines = this.problems.map(({ allowed, option, value }) => `${option} is ${value}, but must be ${allowed}`)
    return `Invalid options for "${this.policy}": ${lines.join("; ")}`
  }
}

/** An option that was read: its value, or what is wrong with it. */
export type Checked<A> = Either.Either<A, ReadonlyArray<Problem>>

const problem = (option: string, value: unknown, allowed: string): Either.Either<never, ReadonlyArray<Problem>> =>
  Either.left([{ option, value: printed(value), allowed }])

const printed = (value: unknown): string => {
  if (typeof value === "string") return JSON.stringify(value)
  return Duration.isDuration(value) ? Duration.format(value) : String(value)
}

/** The longest span that a Node timer keeps, in milliseconds. */
const maxSpanMillis = 2_147_483_647

/** A span of time in whole milliseconds, from `min` (1) to 24.8 days. */
export const span = (option: string, value: unknown, min: number = 1): Checked<number> => {
  const millis = spanMillis(value)
  if (millis !== undefined && millis >= min && millis <= maxSpanMillis) return Either.right(millis)
  const isUnread = typeof value === "string" && millis === undefined && !isNegative(value)
  const what = isUnread ? 'a duration such as "2 seconds", ' : "a duration "
  return problem(option, value, `${what}from ${min} ms to ${maxSpanMillis} ms (24.8 days)`)
}

/** As `span`, or `"none"`, which reads as Infinity. */
export const spanOrNone = (option: string, value: unknown): Checked<number> =>
  value === "none"
    ? Either.right(Infinity)
    : Either.mapLeft(span(option, value), (problems) =>
        problems.map((each) => ({ ...each, allowed: `${each.allowed} or "none"` }))
      )

/** What `Duration` would read as no time at all. */
const isNegative = (value: unknown): boolean =>
  typeof value === "string" ? value.trimStart().startsWith("-") : typeof value === "number" && !(value >= 0)

const spanMillis = (value: unknown): number | undefined => {
  if (isNegative(value)) return undefined
  const decoded = Duration.decodeUnknown(value)
  return decoded._tag === "None" ? undefined : Math.ceil(Duration.toMillis(decoded.value))
}

/** A whole number from `min` to `max`. */
export const integer = (option: string, value: number, min: number, max: number = 1_000_000_000): Checked<number> =>
  Number.isInteger(value) && value >= min && value <= max
    ? Either.right(value)
    : problem(option, value, `a whole number from ${min} to ${max}`)

/** A number between two bounds; `low` itself is left out unless `from` says otherwise. */
export const fraction = (option: string, value: number, from: "0 included" | "0 excluded"): Checked<number> => {
  const inRange = typeof value === "number" && value <= 1 && (from === "0 included" ? value >= 0 : value > 0)
  return inRange ? Either.right(value) : problem(option, value, `a number from 0 (${from.slice(2)}) to 1`)
}

/** A number of at least `min`. */
export const atLeast = (option: string, value: number, min: number): Checked<number> =>
  Number.isFinite(value) && value >= min ? Either.right(value) : problem(option, value, `a number >= ${min}`)

/** One more thing that must hold of options that are fine by themselves. */
export const also = <A>(
  checked: Checked<A>,
  holds: (value: A) => boolean,
  otherwise: (value: A) => Problem
): Checked<A> => Either.flatMap(checked, (value) => (holds(value) ? checked : Either.left([otherwise(value)])))

/** What options that are fine mean. */
export const map: <A, B>(checked: Checked<A>, f: (value: A) => B) => Checked<B> = Either.map

/** All of these, or all that is wrong with them. */
export function every<T extends object>(checks: { readonly [K in keyof T]: Checked<T[K]> }): Checked<T>
export function every(checks: Readonly<Record<string, Checked<unknown>>>): Checked<unknown> {
  const problems = Object.values(checks).flatMap((checked) => (Either.isLeft(checked) ? checked.left : []))
  return problems.length > 0 ? Either.left(problems) : Either.all(checks)
}

/** The same of a list. */
export const all = <A>(checks: ReadonlyArray<Checked<A>>): Checked<ReadonlyArray<A>> => {
  const problems = checks.flatMap((checked) => (Either.isLeft(checked) ? checked.left : []))
  return problems.length > 0 ? Either.left(problems) : Either.all(checks)
}

/** The checked options, or death by `InvalidOptions`. */
export const orDie = <A>(policy: string, checked: Checked<A>): Effect.Effect<A> =>
  Either.match(checked, {
    onLeft: (problems) => Effect.die(new InvalidOptions({ policy, problems })),
    onRight: Effect.succeed
  })

/** An option that must be given, and was not. */
export const missing = (option: string, allowed: string): Checked<never> =>
  Either.left([{ option, value: "not given", allowed }])

/** A value that needs no check. */
export const valid = <A>(value: A): Checked<A> => Either.right(value)

/** What an option may be: in words, and whether a value is that. */
export interface Kind {
  readonly allowed: string
  readonly holds: (value: unknown) => boolean
}

/** Whether all options have names that are known and values of their kind; what is undefined was not given. */
export const kinds = (options: object, known: Readonly<Record<string, Kind>>): Checked<void> => {
  const names = Object.keys(known).join(", ")
  const problems = Object.entries(options).flatMap(([option, value]: [string, unknown]): ReadonlyArray<Problem> => {
    const kind = Object.hasOwn(known, option) ? known[option] : undefined
    if (kind === undefined) return [{ option, value: printed(value), allowed: `left out: there are ${names}` }]
    return value === undefined || kind.holds(value) ? [] : [{ option, value: printed(value), allowed: kind.allowed }]
  })
  return problems.length > 0 ? Either.left(problems) : Either.right(undefined)
}

const problemsOf = (making: Effect.Effect<unknown>): Effect.Effect<ReadonlyArray<Problem>> =>
  Effect.catchAllCause(Effect.as(making, []), (cause) => {
    const defect = Option.getOrUndefined(Cause.dieOption(cause))
    return defect instanceof InvalidOptions ? Effect.succeed(defect.problems) : Effect.failCause(cause)
  })

/** Runs what checks options, all of it, and dies of all that is wrong at once. */
export const together = (policy: string, checks: ReadonlyArray<Effect.Effect<unknown>>): Effect.Effect<void> =>
  Effect.flatMap(Effect.forEach(checks, problemsOf), (found) => {
    const problems = found.flat()
    return problems.length > 0 ? Effect.die(new InvalidOptions({ policy, problems })) : Effect.void
  })
