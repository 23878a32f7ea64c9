import { Backoff, Bulkhead, CircuitBreaker, Deadline, Outcome, Retry, Timeout } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Context, Data, Duration, Effect, Exit, Fiber, Option, Schedule, TestClock } from "effect"
import { begin, play, script, shape } from "../support/Play.js"

class CardDeclined extends Data.TaggedError("CardDeclined") {}

class Unavailable extends Data.TaggedError("Unavailable")<{ readonly attempt: number }> {
  get [Outcome.OutcomeTypeId](): Outcome.Outcome {
    return Outcome.failure({ transient: true })
  }
}

const unavailable = (attempt: number): Effect.Effect<never, Unavailable> => Effect.fail(new Unavailable({ attempt }))
const waiting = Backoff.constant("100 millis")
const again = Outcome.failure({ transient: true })
const none = Option.none()

const missed = (where: Deadline.DeadlineExceeded["where"]) =>
  new Deadline.DeadlineExceeded({
    policy: "p",
    budget: Duration.seconds(1),
    elapsed: Duration.seconds(1),
    where,
    retryAfter: none
  })

const never: Record<string, Effect.Effect<never, unknown>> = {
  "a defect": Effect.die("bug"),
  "an error beside a defect": Effect.failCause(Cause.sequential(Cause.fail("down"), Cause.die("bug"))),
  "an interruption": Effect.interrupt,
  CircuitOpen: Effect.fail(
    new CircuitBreaker.CircuitOpen({
      policy: "p",
      state: "Open",
      retryAfter: Option.some(Duration.seconds(1)),
      reason: { _tag: "Consecutive", failures: 1, threshold: 1 }
    })
  ),
  BulkheadFull: Effect.fail(
    new Bulkhead.BulkheadFull({ policy: "p", limit: 1, queued: 0, reason: "full", retryAfter: none })
  ),
  "DeadlineExceeded before the call": Effect.fail(missed("before-start")),
  "DeadlineExceeded in the line": Effect.fail(missed("waiting")),
  "DeadlineExceeded while the call ran": Effect.fail(missed("in-flight"))
}

describe("what is never repeated", () => {
  for (const [what, failing] of Object.entries(never)) {
    it.scoped(`${what}, also when a classifier or a predicate of the caller's says that it is transient`, () =>
      Effect.gen(function* () {
        const retry = yield* Retry.make("p", { backoff: Backoff.constant(0), classify: () => again })
        const underPolicy = script(failing)
        const direct = script(failing)
        const exit = yield* Effect.exit(failing)
        expect(shape(yield* Effect.exit(retry.protect(underPolicy.call)))).toEqual(shape(exit))
        const options = { schedule: Schedule.recurs(3), while: () => true }
        expect(shape(yield* Effect.exit(Retry.retry(direct.call, options)))).toEqual(shape(exit))
        expect([underPolicy.at, direct.at]).toEqual([[0], [0]])
      })
    )
  }

  it.scoped("anything, with maxRetries 0: exactly one call is made", () =>
    Effect.gen(function* () {
      const retry = yield* Retry.make("p", { maxRetries: 0, backoff: waiting })
      const failing = script(unavailable(1))
      const { at, events, exit } = yield* play(retry.protect(failing.call))
      expect(exit).toStrictEqual(yield* Effect.exit(unavailable(1)))
      expect([failing.at, at, events]).toEqual([[0], 0, []])
    })
  )

  it.scoped("a success, and by default a typed error that does not say that it is transient", () =>
    Effect.gen(function* () {
      const retry = yield* Retry.make("p", { backoff: waiting })
      const answers: ReadonlyArray<Effect.Effect<string, CardDeclined | string>> = [
        Effect.succeed("paid"),
        Effect.fail(new CardDeclined()),
        Effect.fail("declined")
      ]
      for (const answer of answers) {
        const dependency = script(answer)
        expect(yield* Effect.exit(retry.protect(dependency.call))).toStrictEqual(yield* Effect.exit(answer))
        const direct = script(answer)
        yield* Effect.exit(Retry.retry(direct.call, { schedule: waiting }))
        expect([dependency.at, direct.at]).toEqual([[0], [0]])
      }
    })
  )
})

describe("a transient failure", () => {
  it.scoped("is repeated maxRetries times; the caller gets the last error, unchanged and typed", () =>
    Effect.gen(function* () {
      const retry = yield* Retry.make("p", { maxRetries: 3, backoff: waiting })
      const dependency = script(unavailable(1), unavailable(2), unavailable(3), unavailable(4), unavailable(5))
      const last = Effect.catchTag(retry.protect(dependency.call), "Unavailable", ({ attempt }) =>
        Effect.succeed(attempt)
      )
      const { at, exit } = yield* play(last)
      expect(exit).toStrictEqual(Exit.succeed(4))
      expect([dependency.at, at]).toEqual([[0, 100, 200, 300], 300])
      expect(retry.maxRetries).toBe(3)
    })
  )

  it.scoped("is over at the first success", () =>
    Effect.gen(function* () {
      const retry = yield* Retry.make("p", { maxRetries: 3, backoff: waiting })
      const dependency = script<string, Unavailable>(unavailable(1), Effect.succeed("paid"))
      const { at, exit } = yield* play(retry.protect(dependency.call))
      expect(exit).toStrictEqual(Exit.succeed("paid"))
      expect([dependency.at, at]).toEqual([[0, 100], 100])
    })
  )

  it.scoped("is repeated twice where the options say nothing", () =>
    Effect.gen(function* () {
      const retry = yield* Retry.make("p")
      const dependency = script(unavailable(1))
      yield* play(Retry.protect(retry)(dependency.call))
      expect(dependency.at.length).toBe(3)
      yield* play(Retry.protect(dependency.call, retry))
      expect(dependency.at.length).toBe(6)
    })
  )

  it.scoped("is followed by the next error's own word, not by that of the first", () =>
    Effect.gen(function* () {
      const retry = yield* Retry.make("p", { maxRetries: 9, backoff: waiting })
      const dependency = script<never, Unavailable | CardDeclined>(unavailable(1), Effect.fail(new CardDeclined()))
      const { exit } = yield* play(retry.protect(dependency.call))
      expect(exit).toStrictEqual(Exit.fail(new CardDeclined()))
      expect(dependency.at).toEqual([0, 100])
    })
  )

  it.scoped("that goes on for thousands of retries needs no more stack than one", () =>
    Effect.gen(function* () {
      const retry = yield* Retry.make("p", { maxRetries: 20_000, backoff: Backoff.constant(0) })
      const dependency = script(unavailable(1))
      yield* Effect.exit(retry.protect(dependency.call))
      expect(dependency.at.length).toBe(20_001)
    })
  )
})

describe("a result that counts as a failure", () => {
  const ill: Outcome.Classify = (exit) => (Exit.isSuccess(exit) && exit.value === "ill" ? again : Outcome.success)

  it.scoped("is repeated, and the last result is the answer", () =>
    Effect.gen(function* () {
      const retry = yield* Retry.make("p", { maxRetries: 2, backoff: waiting, classify: ill })
      const better = script(Effect.succeed("ill"), Effect.succeed("well"))
      const worse = script(Effect.succeed("ill"))
      const both = Effect.all([retry.protect(better.call), retry.protect(worse.call)], { concurrency: "unbounded" })
      const { events, exit } = yield* play(both)
      expect(exit).toStrictEqual(Exit.succeed(["well", "ill"]))
      expect([better.at, worse.at]).toEqual([
        [0, 100],
        [0, 100, 200]
      ])
      expect(events.at(-1)).toMatchObject({ _tag: "RetriesExhausted", attempts: 3, error: "Success" })
    })
  )

  it.scoped("is not repeated unless it is transient", () =>
    Effect.gen(function* () {
      const retry = yield* Retry.make("p", { backoff: waiting, classify: () => Outcome.failure() })
      const dependency = script(Effect.succeed("ill"))
      expect(yield* retry.protect(dependency.call)).toBe("ill")
      expect(dependency.at).toEqual([0])
    })
  )
})

class Patience extends Context.Tag("test/Patience")<Patience, Duration.Duration>() {}

describe("Retry.retry", () => {
  it.effect("repeats what `while` says, which sees the typed error", () =>
    Effect.gen(function* () {
      const dependency = script<never, Unavailable | CardDeclined>(
        Effect.fail(new CardDeclined()),
        Effect.fail(new CardDeclined()),
        unavailable(3)
      )
      const declined = (error: Unavailable | CardDeclined) => error._tag === "CardDeclined"
      const { exit } = yield* play(Retry.retry(dependency.call, { schedule: waiting, while: declined }))
      expect(exit).toStrictEqual(yield* Effect.exit(unavailable(3)))
      expect(dependency.at).toEqual([0, 100, 200])
    })
  )

  it.effect("reports a `while` that throws to the caller", () =>
    Effect.gen(function* () {
      const bug = new Error("bug")
      const dependency = script(unavailable(1))
      const thrower = () => {
        throw bug
      }
      const exit = yield* Effect.exit(Retry.retry(dependency.call, { schedule: waiting, while: thrower }))
      expect(shape(exit)).toEqual({ errors: [], defects: [bug], interrupted: false })
      expect(dependency.at).toEqual([0])
    })
  )

  it.effect("takes a schedule that sees the error and needs a service", () =>
    Effect.gen(function* () {
      const early = Schedule.recurWhile((error: Unavailable) => error.attempt < 3)
      const schedule = Schedule.delayedEffect(early, () => Patience)
      const dependency = script(unavailable(1), unavailable(2), unavailable(3))
      const patient: Effect.Effect<never, Unavailable, Patience> = dependency.call.pipe(Retry.retry({ schedule }))
      const { exit } = yield* play(Effect.provideService(patient, Patience, Duration.seconds(2)))
      expect(exit).toStrictEqual(yield* Effect.exit(unavailable(3)))
      expect(dependency.at).toEqual([0, 2000, 4000])
    })
  )

  const schedules: Record<string, Schedule.Schedule<unknown>> = {
    recurs: Schedule.recurs(2),
    spaced: Schedule.spaced("100 millis"),
    fixed: Schedule.fixed("100 millis"),
    windowed: Schedule.windowed("100 millis"),
    fibonacci: Schedule.fibonacci("50 millis"),
    fromDelays: Schedule.fromDelays("10 millis", "20 millis"),
    andThen: Schedule.andThen(Schedule.recurs(1), Schedule.spaced("70 millis")),
    union: Schedule.union(Schedule.spaced("30 millis"), Schedule.exponential("20 millis")),
    upTo: Schedule.upTo(Schedule.spaced("50 millis"), "150 millis"),
    second: Schedule.secondOfMinute(7)
  }

  it.effect("calls at the very moments that Effect.retry calls, with any schedule", () =>
    Effect.gen(function* () {
      const slow = Effect.zipRight(Effect.sleep("130 millis"), unavailable(1))
      const pairs = Object.entries(schedules).map(([name, schedule]) => {
        const limited = Schedule.intersect(schedule, Schedule.recurs(3))
        const [ours, stock] = [script(slow), script(slow)]
        const run = Effect.all(
          [Retry.retry(ours.call, { schedule: limited }), Effect.retry(stock.call, limited)].map(Effect.exit),
          {
            concurrency: "unbounded"
          }
        )
        return { name, ours: ours.at, run, stock: stock.at }
      })
      const fiber = yield* Effect.fork(Effect.forEach(pairs, ({ run }) => run, { concurrency: "unbounded" }))
      yield* TestClock.adjust("10 minutes")
      yield* Fiber.join(fiber)
      const calls = (of: "ours" | "stock") => pairs.map((pair) => [pair.name, ...pair[of]])
      expect(calls("ours")).toEqual(calls("stock"))
      expect(pairs.map(({ ours }) => ours.length).toSorted()).toEqual([2, 3, 3, 4, 4, 4, 4, 4, 4, 4])
    })
  )

  it.effect("waits whole milliseconds, and no longer than a timer keeps, whatever the schedule says", () =>
    Effect.gen(function* () {
      const delays = (wait: Duration.DurationInput) =>
        Effect.gen(function* () {
          const retrying = Retry.retry(unavailable(1), { schedule: Schedule.spaced(wait) })
          const { end, fiber } = yield* begin(retrying)
          yield* TestClock.adjust(1)
          yield* Fiber.interrupt(fiber)
          return (yield* end).events.flatMap((event) => (event._tag === "RetryScheduled" ? [event.delay] : []))
        })
      expect(yield* delays(1.5)).toEqual([2])
      expect(yield* delays("100 days")).toEqual([2_147_483_647])
    })
  )

  it.scoped("around a timeout repeats TimedOut, for each attempt has a limit of its own", () =>
    Effect.gen(function* () {
      const timeout = yield* Timeout.make("p", { duration: "1 second" })
      const schedule = Schedule.intersect(waiting, Schedule.recurs(2))
      const dependency = script(Effect.never, Effect.never, Effect.succeed("late"))
      const { at, exit } = yield* play(Retry.retry(timeout.protect(dependency.call), { schedule }))
      expect(exit).toStrictEqual(Exit.succeed("late"))
      expect([dependency.at, at]).toEqual([[0, 1100, 2200], 2200])
    })
  )
})
