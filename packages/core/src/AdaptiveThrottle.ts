/**
 * A throttle that adapts: refuses calls where they are made, by chance, once the dependency accepts fewer than one in `k`.
 * What is sent then settles at about `k` times what it accepts, however many calls there are. At its ease nothing is refused,
 * and no random number is drawn.
 *
 * Use it towards a dependency that says when it has enough, if saying so costs it something: a breaker is open or
 * closed, this lets through what can be served, and always some calls to find out. It knows nothing for its first calls.
 *
 * An exit counts as its `Outcome` says: accepted is what was answered (a success, or an error that is not transient: a
 * refusal of the request, not of the load); not accepted is what is transient, asks to come back later, or was cut off by
 * the deadline. A call that another policy refused inside, that died, or that its caller gave up says nothing.
 *
 * Source: "Site Reliability Engineering", 2016, chapter 21, "Client-Side Throttling".
 */
import { AdaptiveThrottle as Machine } from "@effect-resilience/machines"
import { Cause, Data, Duration, Effect, Exit, Option, Predicate, type Scope, type Types } from "effect"
import { dual } from "effect/Function"
import { Classifier } from "./Classifier.js"
import { type AnyFiber, drawn, nowMillis } from "./FiberTime.js"
import * as InvalidOptions from "./InvalidOptions.js"
import * as Outcome from "./Outcome.js"
import { Base, type Policy } from "./policy/Model.js"
import * as PolicyRegistry from "./PolicyRegistry.js"
import * as Telemetry from "./Telemetry.js"

/** The dependency accepts too few calls, and this one was not among those that are sent: use a fallback. */
export class Throttled extends Data.TaggedError("Throttled")<{
  readonly policy: string
  /** After so long the throttle begins to forget: the chance may be better. */
  readonly retryAfter: Option.Option<Duration.Duration>
}> {
  get [Outcome.RejectionTypeId](): true {
    return true
  }
  get [Outcome.OutcomeTypeId](): Outcome.Outcome {
    return Outcome.ignored()
  }
  override get message(): string {
    return `"${this.policy}" accepts too few calls, and this one was not sent: use a fallback or come back later`
  }
}

/** Makes the error without running `Error`'s constructor, as that of a circuit is made, and for the same reason. */
const throttled = (policy: string, retryAfterMillis: number): Throttled => {
  const error: Types.Mutable<Throttled> = Object.create(Throttled.prototype)
  error._tag = "Throttled"
  error.policy = policy
  error.retryAfter = Option.some(Duration.millis(retryAfterMillis))
  return error
}

/** The options of a throttle. */
export interface Options {
  /** How many calls are sent for each that is accepted. From 1, which sends no more than is accepted; default 2. */
  readonly k?: number | undefined
  /** The highest chance of a refusal. 0 to 1; default 0.9, so that a tenth always flows. */
  readonly maxRejection?: number | undefined
  /** How far back calls count, in 10 steps. From 10 ms; default 2 minutes. */
  readonly window?: Duration.DurationInput | undefined
}

/** The options of a throttle that stands alone: it also says how exits count. */
export interface MakeOptions extends Options {
  /** How an exit counts. Default `Outcome.classify`. */
  readonly classify?: Outcome.Classify | undefined
}

/** Checks the options; `path` names them in what is said of them. */
export const settings = (options: Options, path: string): InvalidOptions.Checked<Machine.Config> =>
  InvalidOptions.every<Machine.Config>({
    k: InvalidOptions.atLeast(`${path}k`, options.k ?? 2, 1),
    maxRejection: InvalidOptions.fraction(`${path}maxRejection`, options.maxRejection ?? 0.9, "0 included"),
    windowMillis: InvalidOptions.span(`${path}window`, options.window ?? "2 minutes", 10),
    buckets: InvalidOptions.valid(10)
  })

/** What a throttle has seen of late, as of now. */
export interface Snapshot {
  /** Calls of which is known what they came to, those that were refused here included. */
  readonly requests: number
  readonly accepts: number
  /** The chance that a call is refused now, 0 to `maxRejection`. */
  readonly rejection: number
}

const AdaptiveThrottleTypeId: unique symbol = Symbol.for("@effect-resilience/core/AdaptiveThrottle")

/** A throttle: its one error is `Throttled`; `snapshot` is as of the moment it is run. */
export interface AdaptiveThrottle extends Policy<Throttled> {
  readonly [AdaptiveThrottleTypeId]: Gate
  readonly snapshot: Effect.Effect<Snapshot>
}

/** Whether this is a throttle. */
export const isAdaptiveThrottle = (u: unknown): u is AdaptiveThrottle =>
  Predicate.hasProperty(u, AdaptiveThrottleTypeId)

/** Whether an exit shows that the dependency accepted the call; undefined if it shows nothing. */
const accepted = (exit: Exit.Exit<unknown, unknown>, outcome: Outcome.Outcome): boolean | undefined => {
  if (outcome._tag === "Success") return true
  if (outcome.transient || Option.isSome(outcome.retryAfter)) return false
  if (exit._tag === "Success") return true
  if (Option.isSome(Cause.dieOption(exit.cause))) return undefined
  if (!Option.exists(Outcome.typedError(exit), Outcome.isRejection)) return true
  return outcome._tag === "Failure" ? false : undefined
}

/** What calls go through, and what is remembered of them. */
export class Gate {
  private state: Machine.State
  constructor(
    readonly name: string,
    private readonly of: Machine.Config,
    /** The Keyed that it is of one key of. */
    private readonly keyed: string | undefined
  ) {
    this.state = Machine.initial(of)
  }

  /** What it has seen and does as of now. */
  snapshot(now: number): Snapshot {
    return { ...Machine.seen(this.of, this.state, now), rejection: Machine.rejection(this.of, this.state, now) }
  }

  /** Whether some calls are refused now. */
  isRefusing(now: number): boolean {
    return Machine.rejection(this.of, this.state, now) > 0
  }

  /** Runs the effect, unless it is refused. */
  readonly through = <A, E, R>(
    self: Effect.Effect<A, E, R>,
    classifier: Classifier
  ): Effect.Effect<A, E | Throttled, R> =>
    Effect.withFiberRuntime<A, E | Throttled, R>((fiber) => {
      if (!this.isRefusing(nowMillis(fiber))) return this.watched(fiber, self, classifier)
      return Effect.flatMap(drawn(fiber), (random): Effect.Effect<A, E | Throttled, R> => {
        const now = nowMillis(fiber)
        const [admitted, next] = Machine.acquire(this.of, this.state, random, now)
        this.state = next
        return admitted ? this.watched(fiber, self, classifier) : Exit.fail(this.refusal(fiber, now))
      })
    })

  /** Runs a call that was let through, and counts how it ended. */
  private watched<A, E, R>(
    fiber: AnyFiber,
    self: Effect.Effect<A, E, R>,
    classifier: Classifier
  ): Effect.Effect<A, E, R> {
    const end = (exit: Exit.Exit<A, E>): Effect.Effect<A, E> => {
      if (Outcome.wasCutShort(exit)) return exit
      const verdict = classifier.judge(fiber, exit)
      const isAccepted = accepted(verdict.exit, verdict.outcome)
      if (isAccepted !== undefined) this.state = Machine.told(this.of, this.state, isAccepted, nowMillis(fiber))
      return verdict.exit
    }
    return Effect.matchCauseEffect(self, {
      onSuccess: (value) => end(Exit.succeed(value)),
      onFailure: (cause) => end(Exit.failCause(cause))
    })
  }

  /** Makes the error of a call that is not sent, and reports it. */
  private refusal(fiber: AnyFiber, at: number): Throttled {
    const { keyed, name: policy } = this
    const retryAfter = Math.ceil(this.of.windowMillis / this.of.buckets)
    Telemetry.publish(fiber, () => ({ _tag: "CallRejected", policy, keyed, at, by: "throttle", retryAfter }))
    return throttled(policy, retryAfter)
  }
}

class Throttle extends Base implements AdaptiveThrottle {
  readonly [AdaptiveThrottleTypeId]: Gate
  constructor(
    gate: Gate,
    private readonly classifier: Classifier
  ) {
    super(gate.name)
    this[AdaptiveThrottleTypeId] = gate
  }
  readonly protect = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | Throttled, R> =>
    this[AdaptiveThrottleTypeId].through(self, this.classifier)
  get snapshot(): Effect.Effect<Snapshot> {
    return Effect.withFiberRuntime<Snapshot>((fiber) =>
      Effect.succeed(this[AdaptiveThrottleTypeId].snapshot(nowMillis(fiber)))
    )
  }
}

/** The gate inside a throttle, for compositions that take its steps themselves. */
export const gateOf = (throttle: AdaptiveThrottle): Gate => throttle[AdaptiveThrottleTypeId]

/** Makes a throttle of settings that were checked, and registers it while the scope lives. */
export const fromSettings = (
  name: string,
  of: Machine.Config,
  classify: Outcome.Classify | undefined
): Effect.Effect<AdaptiveThrottle, never, Scope.Scope> =>
  Effect.flatMap(PolicyRegistry.keyed, (keyed) =>
    PolicyRegistry.register(new Throttle(new Gate(name, of, keyed), new Classifier({ policy: name, keyed }, classify)))
  )

/**
 * Makes a throttle. Dies with `InvalidOptions` if an option is out of range.
 *
 * @example
 * ```ts
 * import { AdaptiveThrottle } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const throttle = yield* AdaptiveThrottle.make("search", { k: 2 })
 *   yield* Effect.succeed("found").pipe(throttle.protect)
 *   return yield* throttle.snapshot
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * ```
 */
export const make = (name: string, options: MakeOptions = {}): Effect.Effect<AdaptiveThrottle, never, Scope.Scope> =>
  Effect.flatMap(InvalidOptions.orDie(name, settings(options, "")), (of) => fromSettings(name, of, options.classify))

/**
 * Runs the effect under a throttle.
 *
 * @example
 * ```ts
 * import { AdaptiveThrottle } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const throttle = yield* AdaptiveThrottle.make("search")
 *   return yield* Effect.succeed("found").pipe(AdaptiveThrottle.protect(throttle))
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * ```
 */
export const protect: {
  (throttle: AdaptiveThrottle): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | Throttled, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, throttle: AdaptiveThrottle): Effect.Effect<A, E | Throttled, R>
} = dual(2, <A, E, R>(self: Effect.Effect<A, E, R>, throttle: AdaptiveThrottle) => throttle.protect(self))
