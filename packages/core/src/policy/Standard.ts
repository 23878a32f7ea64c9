/**
 * The canonical composition, outermost first:
 *
 *     deadline -> (open circuit? refuse at once) -> bulkhead -> circuit breaker -> retry, its budget
 *         -> hedge -> throttle -> rate limit -> adaptive limit -> attempt timeout -> the call
 *
 * The breaker stands outside the retry, so one request counts once however often it was repeated, and an open circuit
 * ends the repeating. An open circuit is seen before the line, so nobody queues to hear that it is open. The deadline has
 * no timer of its own: it is enforced where time passes, by the attempt's timer (inside the breaker, so that a dependency
 * that hangs longer than every budget still opens its circuit), by the retry's wait, and by the lines of bulkhead and limiter.
 *
 * Throttle and rate limit stand inside the retry, because what a dependency is sent is attempts: a repetition takes of its
 * quota too. They stand outside the attempt's limit, so that a wait for a permit is not taken for a dependency that hangs,
 * and inside the breaker, which lets nothing be taken for calls that it refuses, and ignores what they refuse. The adaptive
 * limit is the innermost of them: what it learns from are attempts, without their waits.
 *
 * A hedge stands outside of them for the same reason: each copy is an attempt, which is counted and limited by itself. It
 * stands inside the retry, so that one repetition waits for what all copies of an attempt have come to.
 */
import { Duration, Effect, Either, type Exit, Option, type Scope } from "effect"
import * as AdaptiveLimiter from "../AdaptiveLimiter.js"
import * as AdaptiveThrottle from "../AdaptiveThrottle.js"
import * as Bulkhead from "../Bulkhead.js"
import * as CircuitBreaker from "../CircuitBreaker.js"
import { Classifier } from "../Classifier.js"
import * as Hedge from "../Hedge.js"
import * as InvalidOptions from "../InvalidOptions.js"
import type * as Outcome from "../Outcome.js"
import * as PolicyRegistry from "../PolicyRegistry.js"
import * as RateLimiter from "../RateLimiter.js"
import * as RetryBudget from "../RetryBudget.js"
import { type Gate, type StandardError, through, type Way } from "./Call.js"
import { gateOf } from "./Gate.js"
import { Base, PartsTypeId, type Policy } from "./Model.js"
import { type Settings, type StandardOptions, strict } from "./Options.js"
import type { Told } from "./Told.js"

export type { StandardError } from "./Call.js"

/** What a call can say for itself. */
export interface Overrides {
  /**
   * The limit of one attempt, up to the policy's deadline. A probe that takes longer than the policy's `halfOpen.timeout`
   * closes no circuit: where calls may take much longer than the policy's own limit, give that too.
   */
  readonly timeout?: Duration.DurationInput | "none" | undefined
  /** How an exit counts. */
  readonly classify?: Outcome.Classify | undefined
  /** Whether the call may be repeated; `false`: exactly one attempt, without a retry or a hedge. */
  readonly repeatable?: boolean | undefined
  /**
   * What the call is for, in telemetry: a name of few, such as that of a method; never a URL, which may hold what must not
   * be told.
   */
  readonly operation?: string | undefined
  /**
   * What a call or attempt ended with, in telemetry, where there is more to say than `ok` or `error`: one of few words,
   * such as a status code. Asked only where a sink wants to be told of every call.
   */
  readonly status?: ((exit: Exit.Exit<unknown, unknown>) => string | undefined) | undefined
  /**
   * What each attempt runs before it begins, where the rate limit stands and besides the policy's own: as that it may let
   * the attempt wait for its turn, which counts for the deadline and not for the attempt, or refuse it.
   */
  readonly inTurn?: Effect.Effect<void, RateLimiter.RateLimited> | undefined
}

/** A standard policy, with the breaker and the bulkhead inside it for whoever wants to look at them. */
export interface Standard extends Policy<StandardError> {
  /** None where the options said `"none"`. */
  readonly circuitBreaker: Option.Option<CircuitBreaker.CircuitBreaker>
  /** None where the options said `"none"`, or asked for an adaptive limit in its place. */
  readonly bulkhead: Option.Option<Bulkhead.Bulkhead>
  /** What retries are paid from; none where the options said `"none"`, or that there are no retries. */
  readonly retryBudget: Option.Option<RetryBudget.RetryBudget>
  /** None unless the options ask for one. */
  readonly throttle: Option.Option<AdaptiveThrottle.AdaptiveThrottle>
  /** None unless the options ask for one. */
  readonly rateLimiter: Option.Option<RateLimiter.RateLimiter>
  /** None unless the options ask for one. */
  readonly adaptiveLimiter: Option.Option<AdaptiveLimiter.AdaptiveLimiter>
  /** None unless the options ask for one. */
  readonly hedge: Option.Option<Hedge.Hedge>
  /** The limit of one attempt; none where the options said `"none"`. */
  readonly timeout: Option.Option<Duration.Duration>
  /** How long a dependency must have had before a call that is cut short counts against it; none without a breaker. */
  readonly patience: Option.Option<Duration.Duration>
  /** The same policy, with the same circuit and permits, for calls that differ. */
  readonly with: (overrides: Overrides) => Standard
}

interface Parts {
  readonly circuitBreaker: Option.Option<CircuitBreaker.CircuitBreaker>
  readonly bulkhead: Option.Option<Bulkhead.Bulkhead>
  readonly retryBudget: Option.Option<RetryBudget.RetryBudget>
  readonly throttle: Option.Option<AdaptiveThrottle.AdaptiveThrottle>
  readonly rateLimiter: Option.Option<RateLimiter.RateLimiter>
  readonly adaptiveLimiter: Option.Option<AdaptiveLimiter.AdaptiveLimiter>
  readonly hedge: Option.Option<Hedge.Hedge>
  readonly inTurn: Option.Option<Effect.Effect<void, RateLimiter.RateLimited>>
  readonly classifier: Classifier
  /** How calls are repeated that may be. */
  readonly retry: Settings["retry"]
  readonly told: Told
}

const ungated: Gate = (attempt) => attempt

class StandardPolicy extends Base implements Standard {
  private readonly way: Way

  constructor(
    name: string,
    private readonly settings: Settings,
    private readonly parts: Parts,
    private readonly hedges = true
  ) {
    super(name)
    const hedge = hedges ? Option.getOrUndefined(Option.map(parts.hedge, Hedge.hedgerOf)) : undefined
    const gate = gateOf(parts, settings.rateLimit)
    this.way = {
      name,
      of: parts.told,
      settings,
      classifier: parts.classifier,
      circuit: Option.getOrUndefined(Option.map(parts.circuitBreaker, CircuitBreaker.circuitOf)),
      permits: Option.getOrUndefined(Option.map(parts.bulkhead, Bulkhead.permitsOf)),
      budget: Option.getOrUndefined(Option.map(parts.retryBudget, RetryBudget.accountOf)),
      gate: gate ?? (hedge && ungated),
      hedge,
      throttle: Option.getOrUndefined(Option.map(parts.throttle, AdaptiveThrottle.gateOf))
    }
  }

  get circuitBreaker(): Option.Option<CircuitBreaker.CircuitBreaker> {
    return this.parts.circuitBreaker
  }

  get bulkhead(): Option.Option<Bulkhead.Bulkhead> {
    return this.parts.bulkhead
  }

  get retryBudget(): Option.Option<RetryBudget.RetryBudget> {
    return this.parts.retryBudget
  }

  get throttle(): Option.Option<AdaptiveThrottle.AdaptiveThrottle> {
    return this.parts.throttle
  }

  get rateLimiter(): Option.Option<RateLimiter.RateLimiter> {
    return this.parts.rateLimiter
  }

  get adaptiveLimiter(): Option.Option<AdaptiveLimiter.AdaptiveLimiter> {
    return this.parts.adaptiveLimiter
  }

  get hedge(): Option.Option<Hedge.Hedge> {
    return this.parts.hedge
  }

  get timeout(): Option.Option<Duration.Duration> {
    const { timeoutMillis } = this.settings
    return timeoutMillis === Infinity ? Option.none() : Option.some(Duration.millis(timeoutMillis))
  }

  get patience(): Option.Option<Duration.Duration> {
    const { circuit } = this.settings
    return circuit === undefined ? Option.none() : Option.some(Duration.millis(circuit.patienceMillis))
  }

  get [PartsTypeId](): ReadonlyArray<Policy<unknown>> {
    const { adaptiveLimiter, bulkhead, circuitBreaker, hedge, throttle } = this.parts
    return [bulkhead, circuitBreaker, hedge, throttle, adaptiveLimiter].flatMap((part) =>
      Option.toArray<Policy<unknown>>(part)
    )
  }

  readonly with = (overrides: Overrides): Standard =>
    new StandardPolicy(
      this.name,
      {
        ...this.settings,
        timeoutMillis: overrides.timeout === undefined ? this.settings.timeoutMillis : this.limitOf(overrides.timeout),
        retry: this.retryOf(overrides.repeatable)
      },
      {
        ...this.parts,
        inTurn: Option.orElse(Option.fromNullable(overrides.inTurn), () => this.parts.inTurn),
        classifier: this.parts.classifier.with(overrides.classify),
        told: {
          ...this.parts.told,
          operation: overrides.operation ?? this.parts.told.operation,
          status: overrides.status ?? this.parts.told.status
        }
      },
      overrides.repeatable ?? this.hedges
    )

  readonly protect = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | StandardError, R> =>
    through(this.way, self)

  /** What may be repeated where that is said, of a policy whose calls mostly may not, too. */
  private retryOf(repeatable: boolean | undefined): Settings["retry"] {
    if (repeatable === undefined) return this.settings.retry
    return repeatable ? this.parts.retry : undefined
  }

  private limitOf(timeout: Duration.DurationInput | "none"): number {
    const { deadlineMillis } = this.settings
    const checked = InvalidOptions.also(
      InvalidOptions.spanOrNone("timeout", timeout),
      (millis) => millis === Infinity || millis <= deadlineMillis,
      (millis) => ({ option: "timeout", value: `${millis} ms`, allowed: `at most the deadline, ${deadlineMillis} ms` })
    )
    return Either.getOrThrowWith(
      checked,
      (problems) => new InvalidOptions.InvalidOptions({ policy: this.name, problems })
    )
  }
}

const budgetOf = (
  name: string,
  budget: Settings["retryBudget"]
): Effect.Effect<Option.Option<RetryBudget.RetryBudget>, never, Scope.Scope> => {
  if (budget === undefined || RetryBudget.isRetryBudget(budget)) return Effect.succeed(Option.fromNullable(budget))
  return Effect.asSome(RetryBudget.fromSettings(name, budget))
}

/** Makes a standard policy of settings that were checked. */
export const fromSettings = (
  name: string,
  settings: Settings,
  classify: Outcome.Classify | undefined
): Effect.Effect<Standard, never, Scope.Scope> =>
  Effect.gen(function* () {
    const told = { policy: name, keyed: yield* PolicyRegistry.keyed, operation: undefined, status: undefined }
    const classifier = new Classifier(told, classify)
    const circuitBreaker =
      settings.circuit === undefined
        ? Option.none()
        : Option.some(yield* CircuitBreaker.fromSettings(name, settings.circuit, classifier))
    const bulkhead =
      settings.bulkhead === undefined
        ? Option.none()
        : Option.some(yield* Bulkhead.fromSettings(name, settings.bulkhead))
    const retryBudget = yield* budgetOf(name, settings.retryBudget)
    const throttle =
      settings.throttle === undefined
        ? Option.none()
        : Option.some(yield* AdaptiveThrottle.fromSettings(name, settings.throttle, classify))
    const rateLimiter =
      settings.rateLimit === undefined
        ? Option.none()
        : Option.some(yield* RateLimiter.fromSettings(name, settings.rateLimit.of))
    const adaptiveLimiter =
      settings.concurrency === undefined
        ? Option.none()
        : Option.some(yield* AdaptiveLimiter.fromSettings(name, settings.concurrency, classify))
    const hedge =
      settings.hedge === undefined
        ? Option.none()
        : Option.some(yield* Hedge.fromSettings(name, settings.hedge, classify, Option.getOrUndefined(retryBudget)))
    const { retry } = settings
    const control = { retryBudget, throttle, rateLimiter, adaptiveLimiter, hedge, inTurn: Option.none() }
    return yield* PolicyRegistry.register(
      new StandardPolicy(name, settings, { circuitBreaker, bulkhead, ...control, classifier, retry, told })
    )
  })

/**
 * The canonical composition under one name. `Policy.standard(name, {})` is a sane policy; what it does not need is spelled
 * `"none"`. Dies with `InvalidOptions` if an option is out of range or options contradict each other.
 *
 * @example
 * ```ts
 * import { Backoff, CircuitBreaker, Policy } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const payment = yield* Policy.standard("payment", {
 *     deadline: "5 seconds",
 *     timeout: "2 seconds",
 *     retry: { maxRetries: 1, backoff: Backoff.fullJitter({ base: "200 millis", cap: "2 seconds" }) },
 *     circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(5), openDuration: "30 seconds" },
 *     bulkhead: { maxConcurrent: 20 }
 *   })
 *   return yield* Effect.succeed("paid").pipe(payment.protect)
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * ```
 */
export const standard = (name: string, options: StandardOptions = {}): Effect.Effect<Standard, never, Scope.Scope> =>
  Effect.flatMap(InvalidOptions.orDie(name, strict(options)), (settings) =>
    fromSettings(name, settings, options.classify)
  )
