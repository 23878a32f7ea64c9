/**
 * Retry by `Schedule`: repeats what is transient, waits as the schedule says or as long as the dependency asked for, and
 * stops at the deadline.
 *
 * Retries are for failures that pass by themselves. Never repeated: a defect, an interruption, a refusal by one of our
 * own policies. The first call is not a retry: `maxRetries: 0` makes exactly one call. After the last attempt the caller
 * gets the last error, unchanged and typed.
 *
 * Every layer that retries multiplies the load that a struggling dependency sees: retry in one place.
 */
import { type Duration, Effect, type Exit, Option, type Predicate, type Schedule, type Scope } from "effect"
import { dual } from "effect/Function"
import * as Backoff from "./Backoff.js"
import { Classifier } from "./Classifier.js"
import * as InvalidOptions from "./InvalidOptions.js"
import * as Outcome from "./Outcome.js"
import { Base, type Policy } from "./policy/Model.js"
import * as PolicyRegistry from "./PolicyRegistry.js"
import * as Repetition from "./Repetition.js"
import * as RetryBudget from "./RetryBudget.js"
import type * as Telemetry from "./Telemetry.js"

/** The options of a retry. */
export interface Options {
  /** How often at the most a call is made again; the first call is not a retry. From 0; default 2. */
  readonly maxRetries?: number | undefined
  /** How long to wait before each. Default full jitter, base 100 ms, cap 2 seconds. */
  readonly backoff?: Schedule.Schedule<unknown> | undefined
  /** A dependency that asks for a longer wait than this is not asked again. From 0 ms; default 30 seconds. */
  readonly maxRetryAfter?: Duration.DurationInput | undefined
  /** No wait that would leave less of the budget than this. From 0 ms; default a tenth of the attempt timeout, if known. */
  readonly minAttempt?: Duration.DurationInput | undefined
}

/** The options of a retry that stands alone: it also says what is transient. */
export interface MakeOptions extends Options {
  /** How an exit counts. Default `Outcome.classify`. */
  readonly classify?: Outcome.Classify | undefined
  /** What the retries are paid from; several may share it. Default none: every call has all of its `maxRetries`. */
  readonly budget?: RetryBudget.RetryBudget | undefined
}

/** Options that were checked. */
export interface Settings {
  readonly maxRetries: number
  readonly schedule: Schedule.Schedule<unknown>
  readonly maxRetryAfterMillis: number
  readonly minAttemptMillis: number
}

/** The default backoff: full jitter, base 100 ms, cap 2 seconds. */
export const defaultBackoff: Backoff.Backoff = Backoff.fullJitter({ base: "100 millis", cap: "2 seconds" })

/** Checks the options; `path` names them in what is said of them. */
export const settings = (
  options: Options,
  path: string,
  minAttemptMillis: number = 0
): InvalidOptions.Checked<Settings> =>
  InvalidOptions.every<Settings>({
    maxRetries: InvalidOptions.integer(`${path}maxRetries`, options.maxRetries ?? 2, 0),
    schedule: InvalidOptions.valid(options.backoff ?? defaultBackoff),
    maxRetryAfterMillis: InvalidOptions.span(`${path}maxRetryAfter`, options.maxRetryAfter ?? "30 seconds", 0),
    minAttemptMillis: InvalidOptions.span(`${path}minAttempt`, options.minAttempt ?? minAttemptMillis, 0)
  })

/** The plan that settings make for a policy. Named one by one: copying what is there would cost more than all else here. */
export const plan = <A, E>(
  of: Telemetry.Subject,
  { maxRetries, maxRetryAfterMillis, minAttemptMillis, schedule }: Settings,
  admitted: () => boolean,
  budget: RetryBudget.Account | undefined,
  judge: Repetition.Plan<A, E, unknown, never>["judge"]
): Repetition.Plan<A, E, unknown, never> => ({
  of,
  maxRetries,
  schedule,
  maxRetryAfterMillis,
  minAttemptMillis,
  judge,
  admitted,
  budget
})

/** A retry: it has no error of its own, the last one of the call goes out unchanged. */
export interface Retry extends Policy<never> {
  readonly maxRetries: number
}

const always = () => true

class RetryPolicy extends Base implements Retry {
  constructor(
    name: string,
    private readonly of: Settings,
    private readonly classifier: Classifier,
    private readonly keyed: string | undefined,
    private readonly budget: RetryBudget.Account | undefined
  ) {
    super(name)
  }
  get maxRetries(): number {
    return this.of.maxRetries
  }
  readonly protect = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Repetition.run(
      self,
      plan<A, E>({ policy: this.name, keyed: this.keyed }, this.of, always, this.budget, (fiber, answer) => {
        const { exit, outcome } = this.classifier.judge(fiber, answer)
        return Repetition.judgement(exit, outcome)
      })
    )
}

/**
 * Retry as a policy: it sees errors as `unknown`, so what is transient is said by `classify` or by the errors
 * themselves (`Outcome.OutcomeTypeId`). Dies with `InvalidOptions` if an option is out of range.
 *
 * @example
 * ```ts
 * import { Backoff, Retry } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const retry = yield* Retry.make("search", { maxRetries: 3, backoff: Backoff.fullJitter({ base: "50 millis" }) })
 *   return yield* Effect.succeed(["found"]).pipe(retry.protect)
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * ```
 */
export const make = (name: string, options: MakeOptions = {}): Effect.Effect<Retry, never, Scope.Scope> =>
  Effect.flatMap(Effect.zip(InvalidOptions.orDie(name, settings(options, "")), PolicyRegistry.keyed), ([of, keyed]) => {
    const classifier = new Classifier({ policy: name, keyed }, options.classify)
    const budget = options.budget && RetryBudget.accountOf(options.budget)
    return PolicyRegistry.register(new RetryPolicy(name, of, classifier, keyed, budget))
  })

/** Runs the effect under a retry policy. */
export const protect: {
  (retry: Retry): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, retry: Retry): Effect.Effect<A, E, R>
} = dual(2, <A, E, R>(self: Effect.Effect<A, E, R>, retry: Retry) => retry.protect(self))

/** The options of `retry`, which knows what the effect can fail with. */
export interface RetryOptions<E, R> {
  /** When to try again and how often: any schedule, which sees the errors. */
  readonly schedule: Schedule.Schedule<unknown, E, R>
  /** What to repeat. Default: what is transient by `Outcome.classify`. */
  readonly while?: Predicate.Predicate<E> | undefined
  /** What the retries are paid from. Default none. */
  readonly budget?: RetryBudget.RetryBudget | undefined
}

const repeats = <A, E>(
  exit: Exit.Exit<A, E>,
  by: Predicate.Predicate<E> | undefined
): Repetition.Judgement<A, E, E> => {
  const outcome = Outcome.classify(exit)
  const worthIt = by ?? (() => Outcome.isTransient(outcome))
  return {
    exit,
    again: Option.filter(Outcome.typedError(exit), (error) => !Outcome.isRejection(error) && worthIt(error)),
    retryAfter: Outcome.retryAfter(outcome)
  }
}

/**
 * Retries one effect, with typed errors: `schedule` and `while` see what the effect fails with.
 *
 * @example
 * ```ts
 * import { Backoff, Retry } from "@effect-resilience/core"
 * import { Data, Effect, Schedule } from "effect"
 *
 * class Busy extends Data.TaggedError("Busy") {}
 * const schedule = Schedule.intersect(Backoff.fullJitter({ base: "10 millis" }), Schedule.recurs(2))
 * const program = Effect.fail(new Busy()).pipe(Retry.retry({ schedule, while: (error) => error._tag === "Busy" }))
 * Effect.runPromiseExit(program).then((exit) => console.log(exit._tag))
 * ```
 */
export const retry: {
  <E, R2 = never>(
    options: RetryOptions<NoInfer<E>, R2>
  ): <A, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R | R2>
  <A, E, R, R2 = never>(
    self: Effect.Effect<A, E, R>,
    options: RetryOptions<NoInfer<E>, R2>
  ): Effect.Effect<A, E, R | R2>
} = dual(2, <A, E, R, R2>(self: Effect.Effect<A, E, R>, options: RetryOptions<E, R2>): Effect.Effect<A, E, R | R2> =>
  Repetition.run(self, {
    of: { policy: "retry" },
    maxRetries: Number.MAX_SAFE_INTEGER,
    schedule: options.schedule,
    maxRetryAfterMillis: 30_000,
    minAttemptMillis: 0,
    judge: (_, exit) => repeats(exit, options.while),
    admitted: always,
    budget: options.budget && RetryBudget.accountOf(options.budget)
  })
)
