import {
  type AdaptiveLimiter,
  Backoff,
  type Bulkhead,
  CircuitBreaker,
  Criticality,
  Deadline,
  Hedge,
  Keyed,
  type LoadShedder,
  type Outcome,
  Policy,
  Retry,
  Timeout
} from "@effect-resilience/core"
import { describe, expectTypeOf, it } from "@effect/vitest"
import { Context, Data, Duration, Effect, type Exit, Schedule, type Scope, Stream } from "effect"

class Declined extends Data.TaggedError("Declined")<{ readonly code: number }> {}
class Unavailable extends Data.TaggedError("Unavailable") {}
class Gateway extends Context.Tag("test/Gateway")<Gateway, Effect.Effect<string, Declined>>() {}

const charge = Effect.flatMap(Gateway, (call) => call)

/** Only its type matters: it is never run. */
type Call<E> = Effect.Effect<string, Declined | E, Gateway>

describe("the type of what is opened under a policy", () => {
  type Rows<E> = Stream.Stream<number, Declined | E, Gateway>
  const rows: Rows<never> = Stream.fromEffect(Effect.map(charge, Number))

  it("keeps the elements and the needs of a Stream, and adds the policy's own errors", () => {
    expectTypeOf((policy: Timeout.Timeout) => rows.pipe(Policy.protectStream(policy))).returns.toEqualTypeOf<
      Rows<Timeout.TimedOut>
    >()
    expectTypeOf((policy: Policy.Standard) => Policy.protectStream(rows, policy)).returns.toEqualTypeOf<
      Rows<Policy.StandardError>
    >()
    expectTypeOf((policy: Retry.Retry) => Policy.protectStream(rows, policy)).returns.toEqualTypeOf<Rows<never>>()
    expectTypeOf((keyed: Keyed.Keyed<string, Bulkhead.Bulkhead>) =>
      Policy.protectStream(rows, Keyed.forKey(keyed, "a"))
    ).returns.toEqualTypeOf<Rows<Bulkhead.BulkheadFull>>()
  })

  it("leaves what was acquired to the scope of the caller", () => {
    const acquired = Effect.acquireRelease(charge, () => Effect.void)
    expectTypeOf((policy: Timeout.Timeout) => acquired.pipe(Policy.protectScoped(policy))).returns.toEqualTypeOf<
      Effect.Effect<string, Declined | Timeout.TimedOut, Gateway | Scope.Scope>
    >()
    // @ts-expect-error a Stream is no acquisition
    expectTypeOf((policy: Timeout.Timeout) => Policy.protectScoped(rows, policy)).toBeFunction()
  })
})

describe("the type of a hedge", () => {
  it("adds no error, and is not to be had of what nobody has called idempotent", () => {
    expectTypeOf((hedge: Hedge.Hedge) => hedge.protect(charge)).returns.toEqualTypeOf<Call<never>>()
    expectTypeOf((hedge: Hedge.Hedge) => charge.pipe(Hedge.protect(hedge))).returns.toEqualTypeOf<Call<never>>()
    // @ts-expect-error it was not said
    expectTypeOf(() => Hedge.make("search", { delay: "10 millis" })).toBeFunction()
    // @ts-expect-error it was denied
    expectTypeOf(() => Hedge.make("search", { delay: "10 millis", idempotent: false })).toBeFunction()
    // @ts-expect-error nor in a standard policy
    expectTypeOf(() => Policy.standard("search", { hedge: { delay: "10 millis" }, idempotent: true })).toBeFunction()
  })
})

describe("the type of a protected call", () => {
  it("keeps the value and the needs, and adds the policy's own errors", () => {
    expectTypeOf((policy: Timeout.Timeout) => policy.protect(charge)).returns.toEqualTypeOf<Call<Timeout.TimedOut>>()
    expectTypeOf((policy: Timeout.Timeout) => charge.pipe(Timeout.protect(policy))).returns.toEqualTypeOf<
      Call<Timeout.TimedOut>
    >()
    expectTypeOf((policy: Timeout.AdaptiveTimeout) => charge.pipe(Timeout.protect(policy))).returns.toEqualTypeOf<
      Call<Timeout.TimedOut>
    >()
    expectTypeOf((policy: Retry.Retry) => policy.protect(charge)).returns.toEqualTypeOf<Call<never>>()
    expectTypeOf((policy: Retry.Retry) => charge.pipe(Retry.protect(policy))).returns.toEqualTypeOf<Call<never>>()
    expectTypeOf((policy: CircuitBreaker.CircuitBreaker) => policy.protect(charge)).returns.toEqualTypeOf<
      Call<CircuitBreaker.CircuitOpen>
    >()
    expectTypeOf((policy: Bulkhead.Bulkhead) => policy.protect(charge)).returns.toEqualTypeOf<
      Call<Bulkhead.BulkheadFull>
    >()
    expectTypeOf((policy: AdaptiveLimiter.AdaptiveLimiter) => policy.protect(charge)).returns.toEqualTypeOf<
      Call<Bulkhead.BulkheadFull | Deadline.DeadlineExceeded>
    >()
    expectTypeOf((policy: LoadShedder.LoadShedder) => policy.protect(charge)).returns.toEqualTypeOf<
      Call<LoadShedder.Shed>
    >()
    expectTypeOf(charge.pipe(Criticality.withClass("SHEDDABLE"))).toEqualTypeOf<Call<never>>()
    // @ts-expect-error there are four classes, and this is none of them
    void Criticality.withClass(charge, "IMPORTANT")
    expectTypeOf((policy: Policy.Standard) => policy.protect(charge)).returns.toEqualTypeOf<
      Call<Policy.StandardError>
    >()
    expectTypeOf(Deadline.protect(charge, "1 second")).toEqualTypeOf<Call<Deadline.DeadlineExceeded>>()
    expectTypeOf(charge.pipe(Deadline.protect("1 second"))).toEqualTypeOf<Call<Deadline.DeadlineExceeded>>()
    expectTypeOf(Deadline.detached(charge)).toEqualTypeOf<Call<never>>()
  })

  it("has the errors of every part of a composition", () => {
    const all = (one: Timeout.Timeout, two: Bulkhead.Bulkhead, three: Retry.Retry) => Policy.all(one, two, three)
    expectTypeOf(all).returns.toEqualTypeOf<Policy.Policy<Timeout.TimedOut | Bulkhead.BulkheadFull>>()
    expectTypeOf<Policy.Policy.Error<Policy.Standard>>().toEqualTypeOf<Policy.StandardError>()
    expectTypeOf<Policy.Policy.Error<Retry.Retry>>().toEqualTypeOf<never>()
  })

  it("is caught tag by tag until nothing is left", () => {
    const call = (standard: Policy.Standard) =>
      standard.protect(charge).pipe(
        Effect.catchTags({
          CircuitOpen: ({ reason }) => Effect.succeed(reason._tag),
          BulkheadFull: ({ limit, queued }) => Effect.succeed(limit + queued),
          Throttled: ({ message }) => Effect.succeed(message),
          RateLimited: ({ key }) => Effect.succeed(key),
          TimedOut: ({ limit }) => Effect.succeed(Duration.toMillis(limit)),
          DeadlineExceeded: ({ where }) => Effect.succeed(where),
          Declined: ({ code }) => Effect.succeed(code)
        })
      )
    expectTypeOf<Effect.Effect.Error<ReturnType<typeof call>>>().toEqualTypeOf<never>()
  })

  it("cannot lose its errors by assignment", () => {
    const widened = (policy: Timeout.Timeout): Policy.Policy<Timeout.TimedOut | Unavailable> => policy
    expectTypeOf(widened).returns.toEqualTypeOf<Policy.Policy<Timeout.TimedOut | Unavailable>>()
    // @ts-expect-error a policy that can time out is none that cannot fail
    const narrowed = (policy: Timeout.Timeout): Policy.Policy<never> => policy
    // @ts-expect-error nor is one with more errors one with fewer
    const fewer = (policy: Policy.Standard): Policy.Policy<Timeout.TimedOut> => policy
    expectTypeOf([narrowed, fewer]).toBeArray()
  })
})

describe("the type of a retry", () => {
  const failing: Effect.Effect<number, Declined | Unavailable> = Effect.succeed(1)

  it("shows the errors to the predicate and to the schedule", () => {
    const schedule = Schedule.recurWhile((error: Declined | Unavailable) => error._tag === "Unavailable")
    const pattern = Retry.retry(failing, { schedule, while: (error) => error._tag === "Declined" && error.code > 1 })
    expectTypeOf(pattern).toEqualTypeOf<Effect.Effect<number, Declined | Unavailable>>()
    expectTypeOf(failing.pipe(Retry.retry({ schedule }))).toEqualTypeOf<Effect.Effect<number, Declined | Unavailable>>()
    expectTypeOf(failing.pipe(Retry.retry({ schedule: Backoff.constant(1) }))).toEqualTypeOf<
      Effect.Effect<number, Declined | Unavailable>
    >()
  })

  it("asks for what its schedule needs", () => {
    const schedule = Schedule.delayedEffect(Schedule.forever, () => Effect.as(Gateway, Duration.seconds(1)))
    expectTypeOf(Retry.retry(failing, { schedule })).toEqualTypeOf<
      Effect.Effect<number, Declined | Unavailable, Gateway>
    >()
  })

  it("refuses a schedule or a predicate for other errors", () => {
    const schedule = Schedule.recurWhile((error: Declined) => error.code > 1)
    // @ts-expect-error the schedule knows one of the errors only
    void Retry.retry(failing, { schedule })
    // @ts-expect-error the predicate asks for what not every error has
    void Retry.retry(failing, { schedule: Schedule.forever, while: (error) => error.code > 1 })
    // @ts-expect-error how often is said by maxRetries: the first call is not a retry
    void Retry.make("p", { attempts: 3 })
  })
})

describe("the type of a classifier", () => {
  it("sees values and errors as unknown in a policy, and as they are in a call", () => {
    const classify: Outcome.Classify = (exit) => {
      expectTypeOf(exit).toEqualTypeOf<Exit.Exit<unknown, unknown>>()
      return { _tag: "Success" }
    }
    const call = (breaker: CircuitBreaker.CircuitBreaker) =>
      CircuitBreaker.protect(charge, breaker, {
        classify: (exit) => {
          expectTypeOf(exit).toEqualTypeOf<Exit.Exit<string, Declined>>()
          return classify(exit)
        }
      })
    expectTypeOf(call).returns.toEqualTypeOf<Call<CircuitBreaker.CircuitOpen>>()
  })
})

describe("the type of a backoff", () => {
  it("is a schedule of durations for any error, without needs", () => {
    expectTypeOf(Backoff.fullJitter({ base: 1 })).toMatchTypeOf<Schedule.Schedule<Duration.Duration>>()
    expectTypeOf(Effect.retry(charge, Backoff.linear({ base: 1 }))).toEqualTypeOf<Call<never>>()
    // @ts-expect-error a decorrelated jitter grows with what it drew, it has no factor
    Backoff.decorrelatedJitter({ base: 1, factor: 2 })
  })
})
