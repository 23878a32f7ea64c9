/**
 * Options of a standard policy from the environment: `RESILIENCE_<NAME>_<VARIABLE>`, the name in upper case with `_` for
 * whatever is neither a letter nor a digit. Spans are written like `2 seconds`; deadline and timeout may be `none`.
 */
import { Config, ConfigError, Effect, Either, Option } from "effect"
import * as Backoff from "../Backoff.js"
import { type Checked, orDie, type Problem } from "../InvalidOptions.js"
import * as RetryBudget from "../RetryBudget.js"
import * as TripOptions from "../TripOptions.js"
import { type RateLimitOptions, type Settings, type StandardOptions, strict } from "./Options.js"
import { type Given, mentions, type Name, names, rateNames, variableOf, variables } from "./Variables.js"

const orNone = (millis: number | undefined) => (millis === Infinity ? "none" : millis)

const partOf = <O extends object>(option: O | "none" | undefined): Partial<O> =>
  option === undefined || option === "none" ? {} : option

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

/** What is left to its default where the environment says nothing, and the defaults are of another kind. */
const ratioBudget = ({ retryBudget }: StandardOptions): RetryBudget.RatioOptions =>
  retryBudget === undefined || retryBudget === "none" || RetryBudget.isRetryBudget(retryBudget) || "_tag" in retryBudget
    ? {}
    : retryBudget

type SomeRateLimit = { readonly [K in keyof RateLimitOptions]?: RateLimitOptions[K] | undefined }

/** A wait that is given is one that calls may make. */
const rateLimit = (given: Given, own: SomeRateLimit): SomeRateLimit => ({
  ...own,
  ...defined({
    limit: given.RATE_LIMIT_LIMIT,
    window: given.RATE_LIMIT_WINDOW,
    burst: given.RATE_LIMIT_BURST,
    maxWait: given.RATE_LIMIT_MAX_WAIT,
    onExceeded: given.RATE_LIMIT_MAX_WAIT === undefined ? undefined : ("wait" as const)
  })
})

/** The parts of load control. */
const control = (defaults: StandardOptions, given: Given): StandardOptions => {
  const { limit, window, ...more } = rateLimit(given, partOf(defaults.rateLimit))
  return {
    ...(mentions(given, "retryBudget") && {
      retryBudget: {
        ...ratioBudget(defaults),
        ...defined({
          ratio: given.RETRY_BUDGET_RATIO,
          minPerSecond: given.RETRY_BUDGET_MIN_PER_SECOND,
          ttl: given.RETRY_BUDGET_TTL
        })
      }
    }),
    ...(mentions(given, "throttle") && {
      throttle: {
        ...partOf(defaults.throttle),
        ...defined({ k: given.THROTTLE_K, maxRejection: given.THROTTLE_MAX_REJECTION, window: given.THROTTLE_WINDOW })
      }
    }),
    ...(mentions(given, "rateLimit") &&
      limit !== undefined &&
      window !== undefined && {
        rateLimit: { ...more, limit, window }
      }),
    ...(mentions(given, "concurrency") && {
      concurrency: {
        ...(defaults.concurrency === "adaptive" ? {} : partOf(defaults.concurrency)),
        ...defined({
          min: given.CONCURRENCY_MIN,
          max: given.CONCURRENCY_MAX,
          initial: given.CONCURRENCY_INITIAL,
          maxQueue: given.CONCURRENCY_MAX_QUEUE,
          maxWait: given.CONCURRENCY_MAX_WAIT
        })
      }
    })
  }
}

const merged = (defaults: StandardOptions, given: Given): StandardOptions => ({
  ...defaults,
  ...control(defaults, given),
  ...defined({ deadline: orNone(given.DEADLINE), timeout: orNone(given.TIMEOUT) }),
  ...(mentions(given, "retry") && {
    retry: {
      ...partOf(defaults.retry),
      ...defined({
        maxRetries: given.RETRY_MAX_RETRIES,
        backoff: backoff(given),
        maxRetryAfter: given.RETRY_MAX_RETRY_AFTER
      })
    }
  }),
  ...(mentions(given, "circuitBreaker") && {
    circuitBreaker: {
      ...partOf(defaults.circuitBreaker),
      ...defined({
        tripPolicy: tripPolicy(given, partOf(defaults.circuitBreaker).tripPolicy),
        openDuration: given.CIRCUIT_BREAKER_OPEN_DURATION
      })
    }
  }),
  ...(mentions(given, "bulkhead") && {
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

/** A rate limit has no default: what is neither set nor among the defaults is missing. */
const missing = (
  policy: string,
  defaults: StandardOptions,
  given: Given,
  unreadable: ReadonlyArray<Name>
): ReadonlyArray<ConfigError.ConfigError> => {
  if (!mentions(given, "rateLimit")) return []
  const { limit, window } = rateLimit(given, partOf(defaults.rateLimit))
  const lacking: ReadonlyArray<Name> = [
    ...(limit === undefined ? (["RATE_LIMIT_LIMIT"] as const) : []),
    ...(window === undefined ? (["RATE_LIMIT_WINDOW"] as const) : [])
  ]
  const because = "must be set, since the policy has no rate limit of its own"
  return lacking
    .filter((name) => !unreadable.includes(name))
    .map((name) => ConfigError.MissingData([variableOf(policy, name)], because))
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
    const unread = all.flatMap((one) => (Either.isLeft(one) ? one.left : []))
    const unreadable = names.filter((_, at) => all.slice(at, at + 1).some(Either.isLeft))
    yield* failAll([...unread, ...contradictions(policy, given), ...missing(policy, defaults, given, unreadable)])
    const checked = strict(merged(defaults, given))
    if (Either.isRight(checked)) return checked.right
    // The defaults were fine by themselves: what does not fit is set, or does not fit the deadline that is.
    const named = ({ allowed, option: path, value }: Problem) => {
      // Of several rules the first is the variables' own.
      const option = path.replace(".rules[0]", "")
      const set = names.filter((each) => given[each] !== undefined)
      const name = set.find((each) => variables[each].option === option)
      if (name !== undefined) return invalid(variableOf(policy, name), value, allowed)
      const beside = set.find((each) => variables[each].option.split(".")[0] === option.split(".")[0]) ?? "DEADLINE"
      const message = `does not fit: ${option} is ${value}, but must be ${allowed}`
      return ConfigError.InvalidData([variableOf(policy, beside)], message)
    }
    yield* failAll(checked.left.map(named))
    return yield* orDie(policy, checked)
  })
