import { Backoff, CircuitBreaker, InvalidOptions, Outcome, Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Duration, Effect, Exit, Option } from "effect"
import { Declined, Unavailable } from "../support/Dependency.js"
import { begin, failureOf } from "../support/Passing.js"
import { play, script } from "../support/Play.js"

const options: Policy.StandardOptions = {
  deadline: "5 seconds",
  timeout: "1 second",
  retry: { maxRetries: 2, backoff: Backoff.constant("100 millis") },
  circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(2), openJitter: 0 },
  bulkhead: { maxConcurrent: 1 }
}

const unavailable = Effect.fail(new Unavailable({}))
const declined = Effect.fail(new Declined({ reason: "no funds" }))

describe("with", () => {
  it.scoped("gives a call another limit", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", options)
      const limited = policy.with({ timeout: "300 millis", repeatable: false })
      const played = yield* play(limited.protect(Effect.never), "10 seconds")
      expect(failureOf(played.exit)).toMatchObject({ _tag: "TimedOut", policy: "payment", limit: Duration.millis(300) })
      expect(played.at).toBe(300)
    })
  )

  it.scoped('leaves a call all of the budget with `timeout: "none"`', () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", options)
      const played = yield* play(policy.with({ timeout: "none" }).protect(Effect.never), "10 seconds")
      expect(failureOf(played.exit)).toMatchObject({ _tag: "DeadlineExceeded", where: "in-flight" })
      expect(played.at).toBe(5_000)
    })
  )

  it.scoped("refuses a limit above the deadline, or out of range, by naming it", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", options)
      expect(() => policy.with({ timeout: "6 seconds" })).toThrow(InvalidOptions.InvalidOptions)
      expect(() => policy.with({ timeout: "6 seconds" })).toThrow(/"payment": timeout is .* at most the deadline/)
      expect(() => policy.with({ timeout: 0 })).toThrow(/timeout is 0, but must be a duration from 1 ms/)
      expect(policy.with({ timeout: "5 seconds" }).name).toBe("payment")
    })
  )

  it.scoped("makes a call exactly one attempt with `repeatable: false`", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", options)
      const payment = script(unavailable)
      yield* play(policy.with({ repeatable: false }).protect(payment.call), "1 second")
      expect(payment.at).toEqual([0])
    })
  )

  it.scoped("repeats a call again with `repeatable: true`, as the policy does", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", { retry: { maxRetries: 1, backoff: Backoff.constant(10) } })
      const payment = script(Effect.fail(new Unavailable({})))
      const once = policy.with({ repeatable: false })
      yield* play(once.with({ repeatable: true }).protect(payment.call), "1 second")
      expect(payment.at).toHaveLength(2)
      yield* play(once.with({ timeout: "1 second" }).protect(payment.call), "1 second")
      expect(payment.at).toHaveLength(3)
    })
  )

  it.scoped("changes neither the policy nor what was not named", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", { ...options, circuitBreaker: "none" })
      policy.with({ repeatable: false, timeout: "10 millis" })
      const payment = script(unavailable)
      yield* play(policy.protect(payment.call), "1 second")
      yield* play(policy.with({}).protect(payment.call), "1 second")
      yield* play(policy.with({ timeout: "500 millis" }).protect(payment.call), "1 second")
      expect(payment.at).toHaveLength(9)
    })
  )

  it.scoped("judges a call by another classifier, for retry and breaker alike", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", options)
      const circuit = yield* Effect.orDie(policy.circuitBreaker)
      const payment = script<string, Declined>(declined)
      const eager = policy.with({
        classify: (exit) => (Exit.isSuccess(exit) ? Outcome.success : Outcome.ignored({ transient: true }))
      })
      yield* play(eager.protect(payment.call), "1 second")
      expect(payment.at).toEqual([0, 100, 200])
      expect(yield* circuit.snapshot).toMatchObject({ calls: 0 })
      yield* play(policy.protect(payment.call), "1 second")
      expect(payment.at).toHaveLength(4)
      expect(yield* circuit.snapshot).toMatchObject({ calls: 1, failures: 1 })
    })
  )

  it.scoped("repeats a successful answer that counts as a transient failure, and gives the last one back", () =>
    Effect.gen(function* () {
      const classify: Outcome.Classify = (exit) =>
        Exit.isSuccess(exit) && exit.value === "busy" ? Outcome.failure({ transient: true }) : Outcome.classify(exit)
      const policy = yield* Policy.standard("payment", { ...options, classify })
      const circuit = yield* Effect.orDie(policy.circuitBreaker)
      const payment = script(Effect.succeed("busy"))
      const played = yield* play(policy.protect(payment.call), "1 second")
      expect(payment.at).toEqual([0, 100, 200])
      expect(played.exit).toEqual(Exit.succeed("busy"))
      expect(yield* circuit.snapshot).toMatchObject({ calls: 1, failures: 1 })
    })
  )

  it.scoped("shares the circuit and the permits", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", options)
      const other = policy.with({ repeatable: false })
      expect(other.circuitBreaker).toEqual(policy.circuitBreaker)
      const held = yield* begin(other.protect(Effect.never))
      expect(failureOf(yield* Effect.exit(policy.protect(Effect.void)))).toMatchObject({ _tag: "BulkheadFull" })
      yield* held.interruptAsFork(held.id())
      yield* begin(Effect.void)
      yield* Effect.exit(other.protect(unavailable))
      yield* Effect.exit(other.protect(unavailable))
      expect(failureOf(yield* Effect.exit(policy.protect(Effect.void)))).toMatchObject({ _tag: "CircuitOpen" })
    })
  )
})

describe("a classifier that throws in a policy", () => {
  const thrown = new Error("the classifier has a bug")

  const judged = (classify: Outcome.Classify, call: Effect.Effect<unknown, unknown>) =>
    Effect.gen(function* () {
      const circuitBreaker = { tripPolicy: CircuitBreaker.consecutive(1), openJitter: 0 }
      const policy = yield* Policy.standard("payment", { ...options, circuitBreaker, classify })
      const circuit = yield* Effect.orDie(policy.circuitBreaker)
      const payment = script(call)
      const { exit } = yield* play(policy.protect(payment.call), "1 second")
      const bulkhead = yield* Effect.orDie(policy.bulkhead)
      return { exit, asked: payment.at.length, circuit: yield* circuit.snapshot, permits: yield* bulkhead.snapshot }
    })

  it.scoped("the caller hears of it, nothing is counted or repeated, and the permit is given back", () =>
    Effect.gen(function* () {
      const classify: Outcome.Classify = () => {
        throw thrown
      }
      for (const call of [unavailable, Effect.succeed("paid"), Effect.die("a bug")]) {
        expect(yield* judged(classify, call)).toMatchObject({
          exit: Exit.failCause(Cause.die(thrown)),
          asked: 1,
          circuit: { state: "Closed", calls: 0 },
          permits: { active: 0, queued: 0 }
        })
      }
    })
  )

  it.scoped("its own defect is not judged in turn, also where it would count defects as failures", () =>
    Effect.gen(function* () {
      const classify: Outcome.Classify = (exit) => {
        if (Exit.isFailure(exit) && Option.isSome(Cause.dieOption(exit.cause))) return Outcome.failure()
        throw thrown
      }
      for (const call of [unavailable, Effect.succeed("paid")]) {
        expect(yield* judged(classify, call)).toMatchObject({
          exit: Exit.failCause(Cause.die(thrown)),
          circuit: { state: "Closed", calls: 0 }
        })
      }
    })
  )
})
