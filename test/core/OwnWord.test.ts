/** Errors that say of themselves how they count, and say it badly: no permit and no probe may be lost by that. */
import { CircuitBreaker, Outcome, Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Data, Effect, Option, TestClock } from "effect"
import { Unavailable } from "../support/Dependency.js"
import { failureOf } from "../support/Passing.js"
import { shape } from "../support/Play.js"

/** Reads a header that is not what it should be. */
class Throws extends Data.TaggedError("Throws") {
  get [Outcome.OutcomeTypeId](): Outcome.Outcome {
    throw new RangeError("no date")
  }
}

/** Written by hand, without what is not said. */
class Short extends Data.TaggedError("Short") {
  readonly [Outcome.OutcomeTypeId] = { _tag: "Failure", transient: true }
}

/** No outcome at all. */
class Odd extends Data.TaggedError("Odd") {
  readonly [Outcome.OutcomeTypeId] = "failure"
}

const trips = { tripPolicy: CircuitBreaker.consecutive(1), openDuration: "1 second", openJitter: 0 } as const

describe("a standard policy", () => {
  for (const retry of ["none", { maxRetries: 1 }] as const) {
    for (const error of [new Throws(), new Short(), new Odd()]) {
      it.scoped(`has its permit back after ${error._tag}, ${retry === "none" ? "not repeated" : "repeated"}`, () =>
        Effect.gen(function* () {
          const policy = yield* Policy.standard("p", { retry, bulkhead: { maxConcurrent: 1 } })
          const call = yield* Effect.fork(Effect.exit(policy.protect(Effect.fail(error))))
          yield* TestClock.adjust("1 minute")
          const exit = shape(yield* Effect.flatten(call.await))
          expect(exit).toEqual(
            shape(
              yield* Effect.exit(error._tag === "Throws" ? Effect.die(new RangeError("no date")) : Effect.fail(error))
            )
          )
          expect(yield* Effect.flatMap(Effect.orDie(policy.bulkhead), ({ snapshot }) => snapshot)).toMatchObject({
            active: 0
          })
        })
      )
    }
  }
})

describe("a circuit breaker", () => {
  it.scoped("gives the place of a probe back that failed with an error whose word throws", () =>
    Effect.gen(function* () {
      const breaker = yield* CircuitBreaker.make("p", trips)
      yield* Effect.exit(breaker.protect(Effect.fail(new Unavailable({}))))
      yield* TestClock.adjust("1 second")
      yield* Effect.exit(breaker.protect(Effect.fail(new Throws())))
      expect(yield* breaker.snapshot).toMatchObject({ state: "HalfOpen", probing: 0 })
    })
  )

  it.scoped("counts a word that was written short as what it says, and one that is none as a failure", () =>
    Effect.gen(function* () {
      for (const error of [new Short(), new Odd()]) {
        const breaker = yield* CircuitBreaker.make("p", trips)
        expect(failureOf(yield* Effect.exit(breaker.protect(Effect.fail(error))))).toBe(error)
        expect(yield* breaker.state).toBe("Open")
      }
      expect(Outcome.isTransient(Outcome.classify(yield* Effect.exit(Effect.fail(new Short()))))).toBe(true)
      expect(Outcome.asOutcome({ _tag: "Ignored", retryAfter: "soon" })).toEqual(Outcome.ignored())
      expect(Option.fromNullable(Outcome.asOutcome("failure"))).toEqual(Option.none())
    })
  )
})
