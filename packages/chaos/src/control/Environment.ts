/**
 * What the environment says of chaos.
 */
import { Config, ConfigError, DateTime, Effect, Either, Option } from "effect"
import { InvalidOptions } from "@effect-resilience/core"
import { longestMillis } from "./Settings.js"

/** What the variables say, each checked. */
export interface Environment {
  readonly enabled: boolean
  readonly nodeEnv: string | undefined
  readonly allowProduction: boolean
  readonly failureRate: number | undefined
  readonly latencyMillis: number | undefined
  readonly services: ReadonlyArray<string> | undefined
  /** How long it may go on, in milliseconds; 0 or less if that is over. */
  readonly leftMillis: number | undefined
}

type Errors = ReadonlyArray<ConfigError.ConfigError>

/** One variable: its value as `parse` reads it, nothing if it is not set, or what is wrong with it. */
const read = <A>(
  variable: string,
  parse: (text: string) => Either.Either<A, string>
): Effect.Effect<Either.Either<A | undefined, Errors>> =>
  Effect.map(Effect.either(Config.option(Config.string(variable))), (text) => {
    if (Either.isLeft(text)) return Either.left([text.left])
    if (Option.isNone(text.right)) return Either.right(undefined)
    const { value } = text.right
    return Either.mapLeft(parse(value.trim()), (allowed) => [
      ConfigError.InvalidData([variable], `is ${JSON.stringify(value)}, but must be ${allowed}`)
    ])
  })

const flag = (text: string): Either.Either<boolean, string> =>
  text === "true" || text === "false" ? Either.right(text === "true") : Either.left("true or false")

const allowedBy = <A>(checked: InvalidOptions.Checked<A>): Either.Either<A, string> =>
  Either.mapLeft(checked, (problems) => problems.map(({ allowed }) => allowed).join(" and "))

/** Unlike `Number` it finds none in an empty text. */
const numberIn = (text: string): number => (text === "" ? Number.NaN : Number(text))

const rate = (text: string) => allowedBy(InvalidOptions.fraction("rate", numberIn(text), "0 included"))

const millis = (text: string) => allowedBy(InvalidOptions.integer("latency", numberIn(text), 0, 2_147_483_647))

const list = (text: string): Either.Either<ReadonlyArray<string>, string> => {
  const names = text.split(",").map((name) => name.trim())
  return names.every((name) => name !== "")
    ? Either.right(names)
    : Either.left("names of services, separated by commas")
}

const leftUntil =
  (now: number) =>
  (text: string): Either.Either<number, string> =>
    Option.match(DateTime.make(text), {
      onNone: () => Either.left("a time, as 2030-01-31T12:00:00Z"),
      onSome: (until) => {
        const left = DateTime.toEpochMillis(until) - now
        return left <= longestMillis ? Either.right(left) : Either.left("a time at most an hour from now")
      }
    })

const valueOf = <A>(one: Either.Either<A | undefined, Errors>): A | undefined => Either.getOrElse(one, () => undefined)

const problemsOf = (one: Either.Either<unknown, Errors>): Errors => (Either.isLeft(one) ? one.left : [])

/** Every variable. What is wrong is told at once; while chaos is off, only what is wrong with `CHAOS_ENABLED`. */
export const environment: Effect.Effect<Environment, ConfigError.ConfigError> = Effect.gen(function* () {
  const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
  const enabled = yield* read("CHAOS_ENABLED", flag)
  const all = {
    nodeEnv: yield* read("NODE_ENV", (text) => Either.right(text)),
    allowProduction: yield* read("CHAOS_ALLOW_PRODUCTION", flag),
    failureRate: yield* read("CHAOS_FAILURE_RATE", rate),
    latencyMillis: yield* read("CHAOS_LATENCY_MS", millis),
    services: yield* read("CHAOS_SERVICES", list),
    leftMillis: yield* read("CHAOS_UNTIL", leftUntil(now))
  }
  const isOff = Either.isRight(enabled) && enabled.right !== true
  const wrong = [enabled, ...(isOff ? [] : Object.values(all))].flatMap(problemsOf)
  const [first, ...others] = wrong
  if (first !== undefined) return yield* Effect.fail(others.reduce(ConfigError.And, first))
  return {
    enabled: valueOf(enabled) ?? false,
    nodeEnv: valueOf(all.nodeEnv),
    allowProduction: valueOf(all.allowProduction) ?? false,
    failureRate: valueOf(all.failureRate),
    latencyMillis: valueOf(all.latencyMillis),
    services: valueOf(all.services),
    leftMillis: valueOf(all.leftMillis)
  }
})
