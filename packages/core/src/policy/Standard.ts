/**
 * The canonical composition, outermost first:
 *
 *     deadline -> (open circuit? refuse at once) -> bulkhead -> circuit breaker -> retry -> attempt timeout -> the call
 *
 * The breaker stands outside the retry, so one request counts once however often it was repeated, and an open circuit
 * ends the repeating. An open circuit is seen before the line, so nobody queues to hear that it is open. The deadline has
 * no timer of its own: it is enforced where time passes, by the attempt's timer (inside the breaker, so that a dependency
 * that hangs longer than every budget still opens its circuit), by the retry's wait and by the bulkhead's line.
 */
import { Deadline as Machine } from "@effect-resilience/machines"
import { Effect, Either, Exit, Option, type Scope } from "effect"
import type { Duration } from "effect"
import * as Bulkhead from "../Bulkhead.js"
import { type Circuit, type CircuitOpen, isPermit, type Permit, settleExit } from "../Circuit.js"
import * as CircuitBreaker from "../CircuitBreaker.js"
import { Classifier } from "../Classifier.js"
import { type DeadlineExceeded, inForce, missed, publish } from "../Deadline.js"
import { type AnyFiber, nowMillis } from "../FiberTime.js"
import * as InvalidOptions from "../InvalidOptions.js"
import type * as Outcome from "../Outcome.js"
import * as PolicyRegistry from "../PolicyRegistry.js"
import * as Repetition from "../Repetition.js"
import * as Retry from "../Retry.js"
import { type TimedOut, timedOut } from "../Timeout.js"
import { limited } from "../Timer.js"
import { Base, PartsTypeId, type Policy } from "./Model.js"
import { type Settings, type StandardOptions, strict } from "./Options.js"

/** What a standard policy can refuse or fail with by itself. */
export type StandardError = CircuitOpen | Bulkhead.BulkheadFull | TimedOut | DeadlineExceeded

/** What a call can say for itself. */
export interface Overrides {
  /** The limit of one attempt, up to the policy's deadline. */
  readonly timeout?: Duration.DurationInput | "none" | undefined
  /** How an exit counts. */
  readonly classify?: Outcome.Classify | undefined
  /** Whether the call may be repeated; `false`: exactly one attempt. */
  readonly repeatable?: boolean | undefined
}

/** A standard policy, with the breaker and the bulkhead inside it for whoever wants to look at them. */
export interface Standard extends Policy<StandardError> {
  /** None where the options said `"none"`. */
  readonly circuitBreaker: Option.Option<CircuitBreaker.CircuitBreaker>
  /** None where the options said `"none"`. */
  readonly bulkhead: Option.Option<Bulkhead.Bulkhead>
  /** The same policy, with the same circuit and permits, for calls that differ. */
  readonly with: (overrides: Overrides) => Standard
}

interface Parts {
  readonly circuitBreaker: Option.Option<CircuitBreaker.CircuitBreaker>
  readonly bulkhead: Option.Option<Bulkhead.Bulkhead>
  readonly classifier: Classifier
}

class StandardPolicy extends Base implements Standard {
  private readonly circuit: Circuit | undefined
  private readonly permits: Bulkhead.Permits | undefined

  constructor(
    name: string,
    private readonly settings: Settings,
    private readonly parts: Parts
  ) {
    super(name)
    this.circuit = Option.getOrUndefined(Option.map(parts.circuitBreaker, CircuitBreaker.circuitOf))
    this.permits = Option.getOrUndefined(Option.map(parts.bulkhead, Bulkhead.permitsOf))
  }

  get circuitBreaker(): Option.Option<CircuitBreaker.CircuitBreaker> {
    return this.parts.circuitBreaker
  }

  get bulkhead(): Option.Option<Bulkhead.Bulkhead> {
    return this.parts.bulkhead
  }

  get [PartsTypeId](): ReadonlyArray<Policy<unknown>> {
    return [...Option.toArray(this.bulkhead), ...Option.toArray(this.circuitBreaker)]
  }

  readonly with = (overrides: Overrides): Standard =>
    new StandardPolicy(
      this.name,
      {
        ...this.settings,
        timeoutMillis: overrides.timeout === undefined ? this.settings.timeoutMillis : this.limitOf(overrides.timeout),
        retry: overrides.repeatable === false ? undefined : this.settings.retry
      },
      { ...this.parts, classifier: this.parts.classifier.with(overrides.classify) }
    )

  readonly protect = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | StandardError, R> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.withFiberRuntime<A, E | StandardError, R>((fiber) => {
        const outer = inForce(fiber)
        const now = nowMillis(fiber)
        if (outer !== undefined && Machine.remainingMillis(outer, now) === 0) {
          return Effect.fail(missed(fiber, outer, "before-start", this.name))
        }
        const { deadlineMillis } = this.settings
        const deadline = deadlineMillis === Infinity ? outer : Machine.start(this.name, deadlineMillis, outer, now)
        const refusing = this.circuit?.refusing(fiber, now)
        if (refusing !== undefined) return refusing
        const own = deadline === outer ? undefined : deadline
        const within = (call: Effect.Effect<A, E | StandardError, R>) =>
          restore(own === undefined ? call : publish(call, own))
        const call = this.admitted(fiber, (permit) => within(this.repeated(self, deadline, permit)))
        return this.permits === undefined ? call : this.inLine(fiber, restore, deadline, this.permits, call)
      })
    )

  /** Takes a permit of the bulkhead, waiting no longer than the budget allows, and gives it back. */
  private inLine<A, E, R>(
    fiber: AnyFiber,
    restore: <A1, E1, R1>(self: Effect.Effect<A1, E1, R1>) => Effect.Effect<A1, E1, R1>,
    deadline: Machine.Deadline | undefined,
    permits: Bulkhead.Permits,
    call: Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | Bulkhead.BulkheadFull | DeadlineExceeded, R> {
    const budget = deadline && {
      millis: Machine.remainingMillis(deadline, nowMillis(fiber)),
      onEnd: () => missed(fiber, deadline, "waiting", this.name)
    }
    return Effect.zipRight(permits.acquire(fiber, restore, budget), permits.occupied(fiber, call))
  }

  /** Asks the circuit, and tells it how the call ended. */
  private admitted<A, E, R>(
    fiber: AnyFiber,
    call: (permit: Permit | undefined) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | CircuitOpen, R> {
    const { circuit } = this
    if (circuit === undefined) return call(undefined)
    const { judge } = this.parts.classifier
    const admitted = (permit: Permit) =>
      Effect.matchCauseEffect(call(permit), {
        onSuccess: (value) => settleExit<A, E>(fiber, circuit, permit, judge, Exit.succeed(value)),
        onFailure: (cause) => settleExit<A, E>(fiber, circuit, permit, judge, Exit.failCause(cause))
      })
    return Effect.suspend(() => {
      const permit = circuit.acquire(fiber, nowMillis(fiber))
      return isPermit(permit) ? admitted(permit) : Effect.flatMap(permit, admitted)
    })
  }

  private repeated<A, E, R>(
    self: Effect.Effect<A, E, R>,
    deadline: Machine.Deadline | undefined,
    permit: Permit | undefined
  ): Effect.Effect<A, E | TimedOut | DeadlineExceeded, R> {
    const { circuit } = this
    const { retry } = this.settings
    const attempt = this.attempt(self, deadline)
    if (retry === undefined) return attempt
    const mayRepeat = () => circuit === undefined || permit === undefined || circuit.mayRepeat(permit)
    return Repetition.run(attempt, Retry.plan(this.name, retry, this.parts.classifier, mayRepeat))
  }

  /** One attempt, under its own limit or what is left of the budget, whichever ends first. */
  private attempt<A, E, R>(
    self: Effect.Effect<A, E, R>,
    deadline: Machine.Deadline | undefined
  ): Effect.Effect<A, E | TimedOut | DeadlineExceeded, R> {
    const { timeoutMillis } = this.settings
    if (deadline === undefined && timeoutMillis === Infinity) return self
    return Effect.withFiberRuntime<A, E | TimedOut | DeadlineExceeded, R>((fiber) => {
      const remaining = Machine.remainingMillis(deadline, nowMillis(fiber))
      if (deadline !== undefined && remaining === 0) {
        return Effect.fail(missed(fiber, deadline, "before-start", this.name))
      }
      const { by, millis } = Machine.attemptLimit(timeoutMillis, remaining)
      const onLimit = (): TimedOut | DeadlineExceeded =>
        deadline !== undefined && by === "deadline"
          ? missed(fiber, deadline, "in-flight", this.name)
          : timedOut(fiber, this.name, millis)
      return limited(self, millis, onLimit)
    })
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

/** Makes a standard policy of settings that were checked. */
export const fromSettings = (
  name: string,
  settings: Settings,
  classify: Outcome.Classify | undefined
): Effect.Effect<Standard, never, Scope.Scope> =>
  Effect.gen(function* () {
    const classifier = new Classifier(name, classify)
    const circuitBreaker =
      settings.circuit === undefined
        ? Option.none()
        : Option.some(yield* CircuitBreaker.fromSettings(name, settings.circuit, classifier))
    const bulkhead =
      settings.bulkhead === undefined
        ? Option.none()
        : Option.some(yield* Bulkhead.fromSettings(name, settings.bulkhead))
    return yield* PolicyRegistry.register(new StandardPolicy(name, settings, { circuitBreaker, bulkhead, classifier }))
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
