import { Bulkhead, CircuitBreaker, Deadline, Outcome, Retry, Timeout } from "@effect-resilience/core"
import { HttpClientError, HttpClientRequest } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Data, Duration, Effect, Exit, FiberId, Option } from "effect"
import { heard, play, script } from "../support/Play.js"

class CardDeclined extends Data.TaggedError("CardDeclined") {}

class Busy extends Data.TaggedError("Busy")<{ readonly wait: Duration.Duration }> {
  get [Outcome.OutcomeTypeId](): Outcome.Outcome {
    return Outcome.failure({ transient: true, retryAfter: this.wait })
  }
}

const permanent = Outcome.failure()
const transient = Outcome.failure({ transient: true })
const byWord = (outcome: unknown) => ({ _tag: "Own", [Outcome.OutcomeTypeId]: outcome })

const none = Option.none()
const timedOut = new Timeout.TimedOut({ policy: "p", limit: Duration.seconds(1), retryAfter: none })
const circuitOpen = new CircuitBreaker.CircuitOpen({
  policy: "p",
  state: "Open",
  retryAfter: Option.some(Duration.seconds(3)),
  reason: { _tag: "Consecutive", failures: 5, threshold: 5 }
})
const bulkheadFull = new Bulkhead.BulkheadFull({ policy: "p", limit: 1, queued: 0, reason: "full", retryAfter: none })
const missed = (where: Deadline.DeadlineExceeded["where"]) =>
  new Deadline.DeadlineExceeded({
    policy: "p",
    budget: Duration.seconds(1),
    elapsed: Duration.seconds(1),
    where,
    retryAfter: none
  })

const request = HttpClientRequest.get("http://shop.test")
const transport = new HttpClientError.RequestError({ request, reason: "Transport" })
const encoding = new HttpClientError.RequestError({ request, reason: "Encode" })

describe("the default classifier", () => {
  const cases: ReadonlyArray<readonly [says: string, exit: Exit.Exit<unknown, unknown>, Outcome.Outcome]> = [
    ["a success", Exit.succeed("paid"), Outcome.success],
    ["a success whose value looks like an error", Exit.succeed(timedOut), Outcome.success],
    ["a defect", Exit.die(new Error("bug")), permanent],
    ["a defect that claims to be transient", Exit.die(timedOut), permanent],
    ["a defect beside an error", Exit.failCause(Cause.parallel(Cause.fail(timedOut), Cause.die("bug"))), permanent],
    [
      "an error that speaks for itself",
      Exit.fail(new Busy({ wait: Duration.seconds(2) })),
      Outcome.failure({ transient: true, retryAfter: Duration.seconds(2) })
    ],
    ["an error that counts as a success", Exit.fail(byWord(Outcome.success)), Outcome.success],
    ["an error that is ignored", Exit.fail(byWord(Outcome.ignored())), Outcome.ignored()],
    ["an error whose word is no outcome", Exit.fail(byWord("transient")), permanent],
    [
      "an error beside an interruption",
      Exit.failCause(Cause.parallel(Cause.fail(timedOut), Cause.interrupt(FiberId.none))),
      transient
    ],
    ["TimedOut", Exit.fail(timedOut), transient],
    ["Effect's own TimeoutException", Exit.fail(new Cause.TimeoutException("late")), transient],
    ["the platform's transport error", Exit.fail(transport), transient],
    ["the platform's other request errors", Exit.fail(encoding), permanent],
    ["CircuitOpen, whatever time it names", Exit.fail(circuitOpen), Outcome.ignored()],
    ["BulkheadFull", Exit.fail(bulkheadFull), Outcome.ignored()],
    ["DeadlineExceeded before the call began", Exit.fail(missed("before-start")), Outcome.ignored()],
    ["DeadlineExceeded in the line", Exit.fail(missed("waiting")), Outcome.ignored()],
    ["DeadlineExceeded while the call ran", Exit.fail(missed("in-flight")), permanent],
    ["any other typed error", Exit.fail(new CardDeclined()), permanent],
    ["an error without a tag", Exit.fail("declined"), permanent],
    ["no error at all", Exit.fail(undefined), permanent]
  ]

  for (const [says, exit, outcome] of cases) {
    it(`${says} is ${outcome._tag}${Outcome.isTransient(outcome) ? ", transient" : ""}`, () => {
      expect(Outcome.classify(exit)).toStrictEqual(outcome)
    })
  }
})

describe("an outcome", () => {
  it("says whether to repeat, and when", () => {
    const wait = Duration.seconds(1)
    expect([Outcome.success, permanent, transient, Outcome.ignored()].map(Outcome.isTransient)).toEqual([
      false,
      false,
      true,
      false
    ])
    expect(Outcome.isTransient(Outcome.ignored({ transient: true }))).toBe(true)
    expect(Outcome.retryAfter(Outcome.failure({ retryAfter: wait }))).toStrictEqual(Option.some(wait))
    expect(Outcome.retryAfter(Outcome.ignored({ retryAfter: wait }))).toStrictEqual(Option.some(wait))
    expect([Outcome.success, permanent, Outcome.ignored()].map(Outcome.retryAfter)).toStrictEqual([none, none, none])
  })

  it("knows our own rejections, and nothing else, as such", () => {
    const rejections = [circuitOpen, bulkheadFull, missed("before-start"), missed("waiting"), missed("in-flight")]
    expect(rejections.map(Outcome.isRejection)).toEqual([true, true, true, true, true])
    expect([timedOut, new CardDeclined(), undefined, "CircuitOpen"].map(Outcome.isRejection)).toEqual([
      false,
      false,
      false,
      false
    ])
  })
})

describe("an error that the default classifier knows nothing about", () => {
  it.scoped("is reported once per tag and policy, and only by its tag", () =>
    Effect.gen(function* () {
      const twice = (retry: Retry.Retry, error: unknown) =>
        Effect.repeatN(Effect.exit(retry.protect(Effect.fail(error))), 1)
      const [, events] = yield* heard(
        Effect.gen(function* () {
          const payment = yield* Retry.make("payment")
          yield* twice(payment, new CardDeclined())
          yield* twice(payment, "secret 4111")
          yield* twice(payment, new TypeError("secret 4111"))
          yield* twice(payment, circuitOpen)
          yield* Effect.exit(payment.protect(Effect.die("bug")))
          yield* twice(yield* Retry.make("refund"), new CardDeclined())
          yield* twice(yield* Retry.make("own", { classify: () => permanent }), new CardDeclined())
        })
      )
      expect(events).toEqual([
        { _tag: "UnclassifiedError", policy: "payment", at: 0, error: "CardDeclined" },
        { _tag: "UnclassifiedError", policy: "payment", at: 0, error: "string" },
        { _tag: "UnclassifiedError", policy: "payment", at: 0, error: "TypeError" },
        { _tag: "UnclassifiedError", policy: "refund", at: 0, error: "CardDeclined" }
      ])
    })
  )
})

describe("a classifier of one's own", () => {
  it.scoped("replaces the default and sees results too", () =>
    Effect.gen(function* () {
      const retry = yield* Retry.make("search", {
        classify: (exit) => (Exit.isSuccess(exit) && exit.value === "ill" ? transient : Outcome.success)
      })
      const dependency = script(Effect.succeed("ill"), Effect.succeed("well"))
      const { exit } = yield* play(retry.protect(dependency.call))
      expect(exit).toStrictEqual(Exit.succeed("well"))
      expect(dependency.at.length).toBe(2)

      const silent = script(Effect.fail(timedOut))
      yield* play(retry.protect(silent.call))
      expect(silent.at.length).toBe(1)
    })
  )

  it.scoped("is not asked about an interruption", () =>
    Effect.gen(function* () {
      const asked: Array<Exit.Exit<unknown, unknown>> = []
      const classify: Outcome.Classify = (exit) => {
        asked.push(exit)
        return transient
      }
      const retry = yield* Retry.make("search", { classify })
      const breaker = yield* CircuitBreaker.make("search", { classify })
      expect(Exit.isInterrupted(yield* Effect.exit(retry.protect(Effect.interrupt)))).toBe(true)
      expect(Exit.isInterrupted(yield* Effect.exit(breaker.protect(Effect.interrupt)))).toBe(true)
      expect(asked).toEqual([])
    })
  )

  it.scoped("that throws: the caller gets its defect, the call is not repeated, and nobody is blamed", () =>
    Effect.gen(function* () {
      const bug = new Error("no such field")
      const classify = () => {
        throw bug
      }
      const retry = yield* Retry.make("search", { classify })
      const dependency = script(Effect.fail(timedOut))
      expect(yield* Effect.exit(retry.protect(dependency.call))).toStrictEqual(Exit.die(bug))
      expect(yield* Effect.exit(retry.protect(Effect.succeed("well")))).toStrictEqual(Exit.die(bug))
      expect(dependency.at).toEqual([0])

      const breaker = yield* CircuitBreaker.make("search", { tripPolicy: CircuitBreaker.consecutive(1), classify })
      expect(yield* Effect.exit(breaker.protect(dependency.call))).toStrictEqual(Exit.die(bug))
      expect(yield* breaker.snapshot).toMatchObject({ state: "Closed", calls: 0, failures: 0 })
    })
  )
})
