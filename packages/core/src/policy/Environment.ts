/**
 * Options of a standard policy from the environment: `RESILIENCE_<NAME>_<VARIABLE>`, the name in upper case with `_` for
 * whatever is neither a letter nor a digit. Spans are written like `2 seconds`; deadline and timeout may be `none`.
 */
import { Config, ConfigError, Effect, Either, Option } from "effect"
import * as Backoff from "../Backoff.js"
import { type Checked, fraction, integer, orDie, type Problem, span, spanOrNone } from "../InvalidOptions.js"
import * as TripOptions from "../TripOptions.js"
import { type Settings, type StandardOptions, strict } from "./Options.js"

/** Unlike `Number` it finds none in an empty text. */
const numberIn = (text: string): number => (text === "" ? Number.NaN : Number(text))

/** What each variable sets, and how its text is read; every value is a number, Infinity for `none`. */
const variables = {
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
  BULKHEAD_MAX_WAIT: { option: "bulkhead.maxWait", read: (at, text) => span(at, text) }
} satisfies Record<string, { option: string; read: (option: string, text: string) => Checked<number> }>

type Name = keyof typeof variables
type Given = { readonly [N in Name]?: number }

/** The variables of the other trip policy than `CIRCUIT_BREAKER_CONSECUTIVE`. */
const rateNames = ["CIRCUIT_BREAKER_RATE", "CIRCUIT_BREAKER_WINDOW", "CIRCUIT_BREAKER_MINIMUM_CALLS"] as const

const isName = (name: string): name is Name => Object.hasOwn(variables, name)
const names: ReadonlyArray<Name> = Object.keys(variables).filter(isName)

/** `payment-eu` reads its timeout from `RESILIENCE_PAYMENT_EU_TIMEOUT`. */
const variableOf = (policy: string, name: Name): string =>
  `RESILIENCE_${policy.toUpperCase().replaceAll(/[^A-Z0-9]+/g, "_")}_${name}`

const orNone = (millis: number | undefined) => (millis === Infinity ? "none" : millis)

const partOf = <O extends object>(option: O | "none" | undefined): Partial<O> =>
  option === undefined || option === "none" ? {} : option

/** Whether any variable of a group was given; an unmentioned group stays as it was, also when that is `"none"`. */
const mentions = (given: Given, group: string): boolean =>
  names.some((n) => n.startsWith(group) && given[n] !== undefined)

/** Leaves out what is undefined, so that it does not hide a default. */
const defined = <O extends object>(options: O): O => {
  const copy = { ...options }
  for (const key of Reflect.ownKeys(copy)) if (Reflect.get(copy, key) === undefined) Reflect.deleteProperty(copy, key)
  return copy
}

const backoff = (given: Given): Backoff.Backoff | undefined =>
  given.RETRY_BASE === undefined && given.RETRY_CAP === undefined
    ? undefined
    : Backoff.fullJitter({
        base: given.RETRY_BASE ?? Math.min(100, given.RETRY_CAP ?? 100),
        cap: given.RETRY_CAP ?? Math.max(2_000, given.RETRY_BASE ?? 0)
      })

/** What the variables say of failures; undefined if nothing. */
const failureRule = (given: Given, own: ReadonlyArray<TripOptions.Rule>): TripOptions.Rule | undefined => {
  if (given.CIRCUIT_BREAKER_CONSECUTIVE !== undefined) return TripOptions.consecutive(given.CIRCUIT_BREAKER_CONSECUTIVE)
  if (rateNames.every((name) => given[name] === undefined)) return undefined
  const { CIRCUIT_BREAKER_MINIMUM_CALLS, CIRCUIT_BREAKER_RATE, CIRCUIT_BREAKER_WINDOW } = given
  const rate = own.find((rule) => rule._tag === "Rate") ?? TripOptions.defaultRate
  return TripOptions.rate({
    threshold: CIRCUIT_BREAKER_RATE ?? rate.threshold,
    window: CIRCUIT_BREAKER_WINDOW === undefined ? rate.window : TripOptions.time(CIRCUIT_BREAKER_WINDOW),
    minimumCalls: CIRCUIT_BREAKER_MINIMUM_CALLS ?? rate.minimumCalls
  })
}

/** The variables take the place of all rules on failures; rules on slow calls, which they do not speak of, stay. */
const tripPolicy = (given: Given, own: TripOptions.TripPolicy | undefined): TripOptions.TripPolicy | undefined => {
  const rules = own === undefined ? [] : own._tag === "Any" ? own.rules : [own]
  const failing = failureRule(given, rules)
  if (failing === undefined) return own
  const slow = rules.filter((rule) => rule._tag === "Slow")
  return slow.length === 0 ? failing : TripOptions.any(failing, ...slow)
}

const merged = (defaults: StandardOptions, given: Given): StandardOptions => ({
  ...defaults,
  ...defined({ deadline: orNone(given.DEADLINE), timeout: orNone(given.TIMEOUT) }),
  ...(mentions(given, "RETRY_") && {
    retry: {
      ...partOf(defaults.retry),
      ...defined({
        maxRetries: given.RETRY_MAX_RETRIES,
        backoff: backoff(given),
        maxRetryAfter: given.RETRY_MAX_RETRY_AFTER
      })
    }
  }),
  ...(mentions(given, "CIRCUIT_BREAKER_") && {
    circuitBreaker: {
      ...partOf(defaults.circuitBreaker),
      ...defined({
        tripPolicy: tripPolicy(given, partOf(defaults.circuitBreaker).tripPolicy),
        openDuration: given.CIRCUIT_BREAKER_OPEN_DURATION
      })
    }
  }),
  ...(mentions(given, "BULKHEAD_") && {
    bulkhead: {
      ...partOf(defaults.bulkhead),
      ...defined({
        maxConcurrent: given.BULKHEAD_MAX_CONCURRENT,
        maxQueue: given.BULKHEAD_MAX_QUEUE,
        maxWait: given.BULKHEAD_MAX_WAIT
      })
    }
  })
})

const invalid = (variable: string, value: string, allowed: string): ConfigError.ConfigError =>
  ConfigError.InvalidData([variable], `is ${value}, but must be ${allowed}`)

/** Reads one variable: its value, nothing if it is not set, or what is wrong with it. */
const read = (
  policy: string,
  name: Name
): Effect.Effect<Either.Either<Given, ReadonlyArray<ConfigError.ConfigError>>> => {
  const variable = variableOf(policy, name)
  return Effect.map(Effect.either(Config.option(Config.string(variable))), (text) => {
    if (Either.isLeft(text)) return Either.left([text.left])
    if (Option.isNone(text.right)) return Either.right({})
    const { value } = text.right
    const checked: Checked<number> = variables[name].read(variables[name].option, value.trim())
    return Either.mapBoth(checked, {
      onLeft: (problems) => problems.map(({ allowed }) => invalid(variable, JSON.stringify(value), allowed)),
      onRight: (number): Given => ({ [name]: number })
    })
  })
}

/** Variables that contradict each other, each fine by itself. */
const contradictions = (policy: string, given: Given): ReadonlyArray<ConfigError.ConfigError> => {
  const { CIRCUIT_BREAKER_CONSECUTIVE: failures, DEADLINE, RETRY_BASE, RETRY_CAP, TIMEOUT } = given
  const of = (name: Name) => variableOf(policy, name)
  const found: Array<ConfigError.ConfigError> = []
  if (TIMEOUT !== undefined && TIMEOUT !== Infinity && TIMEOUT > (DEADLINE ?? Infinity)) {
    found.push(invalid(of("TIMEOUT"), `${TIMEOUT} ms`, `at most ${of("DEADLINE")}, ${DEADLINE} ms`))
  }
  if (RETRY_CAP !== undefined && RETRY_CAP < (RETRY_BASE ?? 0)) {
    found.push(invalid(of("RETRY_CAP"), `${RETRY_CAP} ms`, `at least ${of("RETRY_BASE")}, ${RETRY_BASE} ms`))
  }
  const rate = rateNames.filter((name) => given[name] !== undefined).map(of)
  if (failures !== undefined && rate.length > 0) {
    found.push(invalid(of("CIRCUIT_BREAKER_CONSECUTIVE"), String(failures), `left out beside ${rate.join(", ")}`))
  }
  return found
}

/** All that is wrong as one error; nothing if nothing is. */
const failAll = ([first, ...others]: ReadonlyArray<ConfigError.ConfigError>): Effect.Effect<
  void,
  ConfigError.ConfigError
> => (first === undefined ? Effect.void : Effect.fail(others.reduce(ConfigError.And, first)))

/** The checked options: the defaults, and whatever the environment says instead. All bad values are told at once. */
export const settings = (policy: string, defaults: StandardOptions): Effect.Effect<Settings, ConfigError.ConfigError> =>
  Effect.gen(function* () {
    yield* orDie(policy, strict(defaults))
    const all = yield* Effect.forEach(names, (name) => read(policy, name))
    const given = all.reduce<Given>((sum, one) => (Either.isRight(one) ? { ...sum, ...one.right } : sum), {})
    const unreadable = all.flatMap((one) => (Either.isLeft(one) ? one.left : []))
    yield* failAll([...unreadable, ...contradictions(policy, given)])
    const checked = strict(merged(defaults, given))
    if (Either.isRight(checked)) return checked.right
    // The defaults were fine by themselves: what does not fit is set, or does not fit the deadline that is.
    const named = ({ allowed, option: path, value }: Problem) => {
      // Of several rules the first is the variables' own.
      const option = path.replace(".rules[0]", "")
      const name = names.find((each) => given[each] !== undefined && variables[each].option === option)
      return name === undefined
        ? ConfigError.InvalidData(
            [variableOf(policy, "DEADLINE")],
            `does not fit: ${option} is ${value}, but must be ${allowed}`
          )
        : invalid(variableOf(policy, name), value, allowed)
    }
    yield* failAll(checked.left.map(named))
    return yield* orDie(policy, checked)
  })
