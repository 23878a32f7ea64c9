import { Bulkhead, CircuitBreaker, Deadline, Outcome } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, TestClock } from "effect"
import { Declined, TooMany, Unavailable } from "../support/Dependency.js"
import { Listener } from "../support/Listener.js"
import { begin, during, failureOf } from "../support/Passing.js"

/** A breaker that shows by its counts how calls counted. */
const make = (options: CircuitBreaker.Options = {}) =>
  CircuitBreaker.make("payment", { tripPolicy: CircuitBreaker.consecutive(100), openJitter: 0, ...options })

const counted = (breaker: CircuitBreaker.CircuitBreaker) =>
  Effect.map(breaker.snapshot, ({ calls, failures }) => ({ calls, failures }))

const failure = { calls: 1, failures: 1 }
const success = { calls: 1, failures: 0 }
const nothing = { calls: 0, failures: 0 }

/** How a single call counts. */
const counts = (call: Effect.Effect<unknown, unknown>, options: CircuitBreaker.Options = {}) =>
  Effect.gen(function* () {
    const breaker = yield* make(options)
    yield* Effect.exit(breaker.protect(call))
    return yield* counted(breaker)
  })

describe("by default", () => {
  it.scoped("a value counts as a success, whatever it is", () =>
    Effect.gen(function* () {
      expect(yield* counts(Effect.succeed(new Error("a value")))).toEqual(success)
    })
  )

  it.scoped("errors and defects count as failures, also errors nobody told of", () =>
    Effect.gen(function* () {
      expect(yield* counts(new Unavailable({}))).toEqual(failure)
      expect(yield* counts(new Declined({ reason: "no funds" }))).toEqual(failure)
      expect(yield* counts(Effect.fail("a string"))).toEqual(failure)
      expect(yield* counts(Effect.die(new Error("a bug")))).toEqual(failure)
    })
  )

  it.scoped("an error counts as it says of itself", () =>
    Effect.gen(function* () {
      const ownWord = (outcome: Outcome.Outcome) => Effect.fail({ _tag: "Odd", [Outcome.OutcomeTypeId]: outcome })
      expect(yield* counts(new TooMany({}))).toEqual(nothing)
      expect(yield* counts(ownWord(Outcome.success))).toEqual(success)
      expect(yield* counts(ownWord(Outcome.failure()))).toEqual(failure)
    })
  )

  it.scoped("the refusal of a policy inside counts for nothing: the dependency was not asked", () =>
    Effect.gen(function* () {
      const bulkhead = yield* Bulkhead.make("payment", { maxConcurrent: 1 })
      yield* begin(bulkhead.protect(Effect.never))
      expect(yield* counts(bulkhead.protect(Effect.void))).toEqual(nothing)
    })
  )

  it.scoped("an error that nobody told of is reported once for each tag", () => {
    const listener = new Listener()
    return Effect.gen(function* () {
      const breaker = yield* make()
      for (const error of [new Declined({ reason: "a" }), new Declined({ reason: "b" }), new Unavailable({})]) {
        yield* Effect.exit(breaker.protect(Effect.fail(error)))
      }
      yield* Effect.exit(breaker.protect(Effect.fail({ _tag: "Odd" })))
      expect(listener.of("UnclassifiedError").map(({ error }) => error)).toEqual(["Declined", "Odd"])
    }).pipe(listener.hear)
  })
})

describe("a call cut short from outside", () => {
  const interruptedAfter = (millis: number, options: CircuitBreaker.Options = {}) =>
    Effect.gen(function* () {
      const breaker = yield* make(options)
      const call = yield* begin(breaker.protect(Effect.never))
      yield* TestClock.adjust(millis)
      yield* Fiber.interrupt(call)
      return yield* counted(breaker)
    })

  it.scoped("counts as a failure from exactly `patience` on, and not at all before", () =>
    Effect.gen(function* () {
      expect(yield* interruptedAfter(249, { patience: "250 millis" })).toEqual(nothing)
      expect(yield* interruptedAfter(250, { patience: "250 millis" })).toEqual(failure)
      expect(yield* interruptedAfter(0, { patience: 0 })).toEqual(failure)
    })
  )

  it.scoped("has one second of patience by default", () =>
    Effect.gen(function* () {
      expect(yield* interruptedAfter(999)).toEqual(nothing)
      expect(yield* interruptedAfter(1_000)).toEqual(failure)
    })
  )

  it.scoped("by its caller's deadline: callers in a hurry do not open the circuit, a dependency that hangs does", () =>
    Effect.gen(function* () {
      const opensWith = (budget: number) =>
        Effect.gen(function* () {
          const breaker = yield* make({ tripPolicy: CircuitBreaker.consecutive(3), patience: "250 millis" })
          const call = Deadline.protect(breaker.protect(Effect.never), budget)
          yield* during(budget, Effect.all([call, call, call, call].map(Effect.exit), { concurrency: "unbounded" }))
          return yield* breaker.state
        })
      expect(yield* opensWith(1)).toBe("Closed")
      expect(yield* opensWith(249)).toBe("Closed")
      expect(yield* opensWith(250)).toBe("Open")
    })
  )

  it.scoped("is not what a deadline inside the call does: that is the call's own, and a failure", () =>
    Effect.gen(function* () {
      const breaker = yield* make()
      const exit = yield* during(1, breaker.protect(Deadline.protect(Effect.never, 1)))
      expect(failureOf(exit)).toMatchObject({ _tag: "DeadlineExceeded", where: "in-flight" })
      expect(yield* counted(breaker)).toEqual(failure)
    })
  )

  it.scoped("as a probe gives its place back before its patience, and reopens the circuit after", () =>
    Effect.gen(function* () {
      const breaker = yield* make({ tripPolicy: CircuitBreaker.consecutive(1), openDuration: "10 seconds" })
      yield* Effect.exit(breaker.protect(new Unavailable({})))
      yield* TestClock.adjust("10 seconds")
      const hasty = yield* begin(breaker.protect(Effect.never))
      yield* Fiber.interrupt(hasty)
      expect(yield* breaker.snapshot).toMatchObject({ state: "HalfOpen", probing: 0 })
      const patient = yield* begin(breaker.protect(Effect.never))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(patient)
      expect(yield* breaker.snapshot).toMatchObject({ state: "Open", openings: 2 })
    })
  )
})

describe("a classifier of one's own", () => {
  interface Answer {
    readonly status: number
  }
  const ill = { status: 500 }
  const byStatus = (exit: Exit.Exit<Answer, unknown>) =>
    Exit.isSuccess(exit) && exit.value.status >= 500 ? Outcome.failure() : Outcome.success

  it.scoped("sees results too, and stands in for the default, for a whole policy", () =>
    Effect.gen(function* () {
      const classify: Outcome.Classify = (exit) => (Exit.isSuccess(exit) ? Outcome.failure() : Outcome.success)
      expect(yield* counts(Effect.succeed(ill), { classify })).toEqual(failure)
      expect(yield* counts(new Unavailable({}), { classify })).toEqual(success)
      expect(yield* counts(Effect.die("a bug"), { classify })).toEqual(success)
    })
  )

  it.scoped("can be given for one call, before or after it", () =>
    Effect.gen(function* () {
      const breaker = yield* make()
      yield* CircuitBreaker.protect(Effect.succeed(ill), breaker, { classify: byStatus })
      expect(yield* counted(breaker)).toEqual(failure)
      yield* Effect.succeed(ill).pipe(CircuitBreaker.protect(breaker, { classify: byStatus }))
      expect(yield* counted(breaker)).toEqual({ calls: 2, failures: 2 })
      yield* Effect.succeed(ill).pipe(CircuitBreaker.protect(breaker))
      yield* CircuitBreaker.protect(Effect.succeed(ill), breaker)
      expect(yield* counted(breaker)).toEqual({ calls: 4, failures: 2 })
    })
  )

  it.scoped("is not asked about a call that was cut short", () =>
    Effect.gen(function* () {
      let asked = 0
      const breaker = yield* make({ classify: () => (asked++, Outcome.failure()) })
      yield* Fiber.interrupt(yield* begin(breaker.protect(Effect.never)))
      expect(asked).toBe(0)
      expect(yield* counted(breaker)).toEqual(nothing)
    })
  )

  it.scoped("that throws: the caller hears of it, nothing is counted, and a probe's place is given back", () =>
    Effect.gen(function* () {
      const thrown = new Error("the classifier has a bug")
      let throws = false
      const classify: Outcome.Classify = (exit) => {
        if (throws) throw thrown
        return Outcome.classify(exit)
      }
      const breaker = yield* make({ tripPolicy: CircuitBreaker.consecutive(1), openDuration: "10 seconds", classify })
      yield* Effect.exit(breaker.protect(new Unavailable({})))
      yield* TestClock.adjust("10 seconds")
      throws = true
      expect(yield* Effect.exit(breaker.protect(Effect.void))).toEqual(Exit.failCause(Cause.die(thrown)))
      expect(yield* breaker.snapshot).toMatchObject({ state: "HalfOpen", probing: 0 })
      const forOneCall = { classify: () => classify(Exit.void) }
      const exit = yield* Effect.exit(CircuitBreaker.protect(new Unavailable({}), breaker, forOneCall))
      expect(exit).toEqual(Exit.failCause(Cause.die(thrown)))
      expect(yield* breaker.snapshot).toMatchObject({ state: "HalfOpen", probing: 0 })
    })
  )
})

describe("acquire and settle", () => {
  it.scoped("serve calls that are not one effect", () =>
    Effect.gen(function* () {
      const breaker = yield* make({ tripPolicy: CircuitBreaker.consecutive(1) })
      const permit = yield* CircuitBreaker.acquire(breaker)
      yield* CircuitBreaker.settle(breaker, permit, Outcome.failure())
      expect(yield* Effect.flip(CircuitBreaker.acquire(breaker))).toMatchObject({ _tag: "CircuitOpen" })
    })
  )
})
