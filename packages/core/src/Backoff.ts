/**
 * Capped exponential backoff with jitter, as Effect `Schedule`s: usable with plain `Effect.retry` as well as with
 * `Retry` and `Policy.standard`.
 *
 * Retries are counted from 0: the first wait uses n = 0, and its ceiling is min(cap, base * factor^n). The cap is applied
 * before the jitter and the jitter never exceeds it (`Schedule.jittered` multiplies by 0.8 to 1.2, and may). Delays are
 * whole milliseconds. No schedule here ends by itself: say how often with `maxRetries`, `Schedule.recurs` or `times`.
 *
 * Full jitter is the default choice: it spreads callers furthest apart, so that those that failed together do not come
 * back together. Source: "Exponential Backoff And Jitter", Marc Brooker, AWS Architecture Blog, 2015.
 */
import { Backoff as Machine } from "@effect-resilience/machines"
import { Duration, Effect, Either, Predicate, Random, Schedule, ScheduleDecision, ScheduleInterval } from "effect"
import { also, atLeast, type Checked, every, InvalidOptions, span } from "./InvalidOptions.js"

/** Marks a backoff; under it are the numbers from which worst cases are computed. */
export const TypeId: unique symbol = Symbol.for("@effect-resilience/core/Backoff")
/** The type of the mark of a backoff. */
export type TypeId = typeof TypeId

/** A schedule of waits that also tells how long each can be, for worst cases to be computed from it. */
export interface Backoff extends Schedule.Schedule<Duration.Duration> {
  readonly [TypeId]: {
    /** The longest that wait n (from 0) can be, in milliseconds. */
    readonly ceilingMillis: (n: number) => number
    /** The mean of wait n, in milliseconds; for decorrelated jitter near its cap an upper bound of it. */
    readonly expectedMillis: (n: number) => number
  }
}

/** Whether this is a backoff made here, and not just any schedule. */
export const isBackoff = (u: unknown): u is Backoff => Predicate.hasProperty(u, TypeId)

/** The numbers of a capped exponential backoff: the ceiling of wait n (from 0) is min(cap, base * factor^n). */
export interface ExponentialOptions {
  /** The ceiling of the first wait. From 1 ms. */
  readonly base: Duration.DurationInput
  /** No wait is longer. From `base` to 24.8 days; default 30 seconds, or `base` if that is longer. */
  readonly cap?: Duration.DurationInput | undefined
  /** How much the ceiling grows from wait to wait. From 1; default 2. */
  readonly factor?: number | undefined
}

/** The numbers of a linear backoff: wait n (from 0) is min(cap, base + n * increment). */
export interface LinearOptions {
  /** The first wait. From 1 ms. */
  readonly base: Duration.DurationInput
  /** How much longer each wait is than the one before. From 0 ms; default `base`. */
  readonly increment?: Duration.DurationInput | undefined
  /** No wait is longer. From `base` to 24.8 days; default 30 seconds, or `base` if that is longer. */
  readonly cap?: Duration.DurationInput | undefined
}

const defaultCapMillis = 30_000

const demand = <A>(policy: string, checked: Checked<A>): A =>
  Either.getOrThrowWith(checked, (problems) => new InvalidOptions({ policy, problems }))

const cappedBase = (base: Duration.DurationInput, cap: Duration.DurationInput | undefined) => {
  const baseMillis = span("base", base)
  const least = Either.getOrElse(baseMillis, () => defaultCapMillis)
  return also(
    every({ baseMillis, capMillis: span("cap", cap ?? Math.max(defaultCapMillis, least)) }),
    (given) => given.capMillis >= given.baseMillis,
    ({ capMillis }) => ({ option: "cap", value: `${capMillis} ms`, allowed: `at least the base, ${least} ms` })
  )
}

const config = (name: string, options: ExponentialOptions): Machine.Config =>
  demand(
    name,
    Either.map(
      every({
        spans: cappedBase(options.base, options.cap),
        factor: atLeast("factor", options.factor ?? 2, 1)
      }),
      ({ factor, spans }) => ({ ...spans, factor })
    )
  )

/** A schedule whose n-th wait, in milliseconds, is computed from the wait before it and perhaps a random number. */
const make = (
  draw: Effect.Effect<number>,
  firstMillis: number,
  next: (n: number, previousMillis: number, random: number) => number,
  ceilingMillis: (n: number) => number,
  expectedMillis: (n: number) => number
): Backoff => {
  const initial = { n: 0, previousMillis: firstMillis }
  const schedule = Schedule.makeWithState(initial, (now, _: unknown, { n, previousMillis }) =>
    Effect.map(draw, (random) => {
      const millis = next(n, previousMillis, random)
      const state = { n: n + 1, previousMillis: millis }
      const decision = ScheduleDecision.continueWith(ScheduleInterval.after(now + millis))
      return [state, Duration.millis(millis), decision] as const
    })
  )
  return Object.assign(schedule, { [TypeId]: { ceilingMillis, expectedMillis } })
}

const noDraw = Effect.succeed(0)

/**
 * Uniform over [0, ceiling(n)]. The default, and the one to use against a dependency that many callers share.
 *
 * Dies with `InvalidOptions` if `base`, `cap` or `factor` is out of range.
 *
 * @example
 * ```ts
 * import { Backoff } from "@effect-resilience/core"
 * import { Effect, Schedule } from "effect"
 *
 * const backoff = Backoff.fullJitter({ base: "100 millis", cap: "2 seconds" })
 * const flaky = Effect.fail("connection reset")
 * const program = Effect.retry(flaky, Schedule.intersect(backoff, Schedule.recurs(3)))
 * Effect.runPromiseExit(program).then((exit) => console.log(exit._tag))
 * ```
 */
export const fullJitter = (options: ExponentialOptions): Backoff => {
  const numbers = config("Backoff.fullJitter", options)
  const ceiling = (n: number) => Machine.ceilingMillis(numbers, n)
  const next = (n: number, _: number, random: number) => Machine.fullJitterMillis(numbers, n, random)
  return make(Random.next, 0, next, ceiling, (n) => ceiling(n) / 2)
}

/** Uniform over [ceiling(n) / 2, ceiling(n)]: spreads callers, and keeps at least half of every wait. */
export const equalJitter = (options: ExponentialOptions): Backoff => {
  const numbers = config("Backoff.equalJitter", options)
  const ceiling = (n: number) => Machine.ceilingMillis(numbers, n)
  const next = (n: number, _: number, random: number) => Machine.equalJitterMillis(numbers, n, random)
  return make(Random.next, 0, next, ceiling, (n) => (ceiling(n) * 3) / 4)
}

/** min(cap, uniform over [base, 3 * the wait before]): grows with what was drawn, so that callers drift apart. */
export const decorrelatedJitter = (options: Omit<ExponentialOptions, "factor">): Backoff => {
  const numbers = config("Backoff.decorrelatedJitter", options)
  const ceiling = (n: number) => Machine.ceilingMillis({ ...numbers, factor: 3 }, n + 1)
  const next = (_: number, previous: number, random: number) =>
    Machine.decorrelatedJitterMillis(numbers, previous, random)
  // E(wait n) = (base + 3 * E(wait n - 1)) / 2; with a cap that cuts some of what is drawn this is an upper bound.
  const expected = (n: number) => Math.min(numbers.capMillis, numbers.baseMillis * (2 * 1.5 ** (n + 1) - 1))
  return make(Random.next, numbers.baseMillis, next, ceiling, expected)
}

/** Exactly ceiling(n), without jitter: callers that fail together come back together. */
export const exponential = (options: ExponentialOptions): Backoff => {
  const numbers = config("Backoff.exponential", options)
  const ceiling = (n: number) => Machine.ceilingMillis(numbers, n)
  return make(noDraw, 0, ceiling, ceiling, ceiling)
}

/** Exactly min(cap, base + n * increment), without jitter. */
export const linear = (options: LinearOptions): Backoff => {
  const numbers = demand(
    "Backoff.linear",
    Either.map(
      every({
        spans: cappedBase(options.base, options.cap),
        incrementMillis: span("increment", options.increment ?? options.base, 0)
      }),
      ({ incrementMillis, spans }) => ({ ...spans, incrementMillis })
    )
  )
  const ceiling = (n: number) => Machine.linearMillis(numbers, n)
  return make(noDraw, 0, ceiling, ceiling, ceiling)
}

/** Always the same wait, without jitter. From 0 ms: no wait at all. */
export const constant = (wait: Duration.DurationInput): Backoff => {
  const millis = demand("Backoff.constant", span("wait", wait, 0))
  return make(
    noDraw,
    0,
    () => millis,
    () => millis,
    () => millis
  )
}
