/**
 * A total budget of time for a piece of work, carried down the call tree.
 *
 * Use it at the edge, one per request: every policy inside then knows how much is left. A budget inside another can only
 * shorten it. Every fork inherits the budget, daemons too, so what outlives its caller belongs in `detached`.
 *
 * It does not promise that work has ended when the budget has: uninterruptible work is waited for.
 */
import { Deadline as Machine } from "@effect-resilience/machines"
import { Context, Data, Duration, Effect, Option, type Scope } from "effect"
import { dual } from "effect/Function"
import { type AnyFiber, isProvided, nowMillis } from "./FiberTime.js"
import * as InvalidOptions from "./InvalidOptions.js"
import * as Outcome from "./Outcome.js"
import { Base, type Policy } from "./policy/Model.js"
import * as PolicyRegistry from "./PolicyRegistry.js"
import { withReference } from "./Region.js"
import * as Telemetry from "./Telemetry.js"
import { limited, LimitTypeId } from "./Timer.js"

/**
 * The budget has ended: before the work began, while it ran, or while it waited for its turn. Nothing more is worth
 * trying for this caller; what it wanted may still have happened.
 */
export class DeadlineExceeded extends Data.TaggedError("DeadlineExceeded")<{
  /** The name of what set the budget. */
  readonly policy: string
  readonly budget: Duration.Duration
  /** Since the budget began. */
  readonly elapsed: Duration.Duration
  readonly where: "before-start" | "in-flight" | "waiting"
  readonly retryAfter: Option.Option<Duration.Duration>
}> {
  get [LimitTypeId](): true {
    return true
  }
  get [Outcome.RejectionTypeId](): true {
    return true
  }
  get [Outcome.OutcomeTypeId](): Outcome.Outcome {
    return this.where === "in-flight" ? Outcome.failure() : Outcome.ignored()
  }
  override get message(): string {
    const spent = `${Duration.format(this.elapsed)} of its budget of ${Duration.format(this.budget)}`
    return `"${this.policy}" has used ${spent} (${this.where}): give the request a larger budget or make its calls shorter`
  }
}

/** The budget in force, if there is one. */
export class CurrentDeadline extends Context.Reference<CurrentDeadline>()("@effect-resilience/core/Deadline", {
  defaultValue: (): { readonly deadline: Machine.Deadline | undefined } => ({ deadline: undefined })
}) {}

/** The budget in force in a fiber. */
export const inForce = (fiber: AnyFiber): Machine.Deadline | undefined =>
  isProvided(fiber, CurrentDeadline) ? Context.get(fiber.currentContext, CurrentDeadline).deadline : undefined

/** Runs the effect under this budget, without a timer for it. */
export const publish = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  deadline: Machine.Deadline | undefined
): Effect.Effect<A, E, R> => withReference(self, CurrentDeadline, { deadline })

/** Makes the error of a budget that has ended, and reports it. */
export const missed = (
  fiber: AnyFiber,
  deadline: Machine.Deadline,
  where: DeadlineExceeded["where"],
  { keyed, policy }: Telemetry.Subject
): DeadlineExceeded => {
  const at = nowMillis(fiber)
  Telemetry.publish(fiber, () => ({ _tag: "DeadlineMissed", policy, keyed, at, where, budget: deadline.budgetMillis }))
  return new DeadlineExceeded({
    policy: deadline.policy,
    budget: Duration.millis(deadline.budgetMillis),
    elapsed: Duration.millis(at - deadline.startedMillis),
    where,
    retryAfter: Option.none()
  })
}

/**
 * Runs the effect with a budget of `millis` in all, set by `policy`, or what is left of the budget it is in, if that is
 * less. With nothing left it fails without having begun. For budgets that are known only when a call comes; they are not
 * checked, as those of `make` and `protect` are.
 */
export const within = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  policy: string,
  millis: number,
  keyed?: string
): Effect.Effect<A, E | DeadlineExceeded, R> =>
  Effect.withFiberRuntime<A, E | DeadlineExceeded, R>((fiber) => {
    const outer = inForce(fiber)
    const now = nowMillis(fiber)
    const deadline = Machine.start(policy, millis, outer, now)
    const remaining = Machine.remainingMillis(deadline, now)
    if (remaining === 0) return Effect.fail(missed(fiber, deadline, "before-start", { policy, keyed }))
    // Armed for the outer budget as well: whoever set that waits for this work no longer if it runs in a daemon.
    const work = deadline === outer ? self : publish(self, deadline)
    return limited(work, remaining, () => missed(fiber, deadline, "in-flight", { policy, keyed }))
  })

class DeadlinePolicy extends Base implements Policy<DeadlineExceeded> {
  constructor(
    name: string,
    private readonly millis: number,
    private readonly keyed: string | undefined
  ) {
    super(name)
  }
  readonly protect = <A, E, R>(self: Effect.Effect<A, E, R>) => within(self, this.name, this.millis, this.keyed)
}

/**
 * A budget as a policy: each call under it has `duration` in all. From 1 ms. Dies with `InvalidOptions` otherwise.
 *
 * @example
 * ```ts
 * import { Deadline } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const request = yield* Deadline.make("checkout", "5 seconds")
 *   return yield* Effect.succeed("paid").pipe(request.protect)
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * ```
 */
export const make = (
  name: string,
  duration: Duration.DurationInput
): Effect.Effect<Policy<DeadlineExceeded>, never, Scope.Scope> =>
  Effect.flatMap(
    Effect.zip(InvalidOptions.orDie(name, InvalidOptions.span("duration", duration)), PolicyRegistry.keyed),
    ([millis, keyed]) => PolicyRegistry.register(new DeadlinePolicy(name, millis, keyed))
  )

/**
 * Runs the effect with a budget of `duration` in all, or what is left of the budget it is in, if that is less. From 1 ms.
 *
 * @example
 * ```ts
 * import { Deadline } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.never.pipe(
 *   Deadline.protect("20 millis"),
 *   Effect.catchTag("DeadlineExceeded", (error) => Effect.succeed(error.where))
 * )
 * Effect.runPromise(program).then(console.log)
 * ```
 */
export const protect: {
  (
    duration: Duration.DurationInput
  ): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | DeadlineExceeded, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, duration: Duration.DurationInput): Effect.Effect<A, E | DeadlineExceeded, R>
} = dual(
  2,
  <A, E, R>(
    self: Effect.Effect<A, E, R>,
    duration: Duration.DurationInput
  ): Effect.Effect<A, E | DeadlineExceeded, R> =>
    Effect.flatMap(InvalidOptions.orDie("deadline", InvalidOptions.span("duration", duration)), (millis) =>
      within(self, "deadline", millis)
    )
)

/** What is left of the budget in force in a fiber; none where there is no budget. */
export const remainingIn = (fiber: AnyFiber): Option.Option<Duration.Duration> => {
  const deadline = inForce(fiber)
  return deadline === undefined
    ? Option.none()
    : Option.some(Duration.millis(Machine.remainingMillis(deadline, nowMillis(fiber))))
}

/** What is left of the budget in force; none where there is no budget. */
export const remaining: Effect.Effect<Option.Option<Duration.Duration>> = Effect.withFiberRuntime((fiber) =>
  Effect.succeed(remainingIn(fiber))
)

/**
 * Runs the effect outside any budget. For what outlives its caller: fire and forget, a refresh shared by several callers,
 * a worker that a request started.
 */
export const detached = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => publish(self, undefined)
