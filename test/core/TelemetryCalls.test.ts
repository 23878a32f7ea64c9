import { Backoff, CircuitBreaker, Outcome, Policy, Retry, Telemetry } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Data, Effect, Fiber, TestClock } from "effect"

class Refused extends Data.TaggedError("Refused") {
  get [Outcome.OutcomeTypeId](): Outcome.Outcome {
    return Outcome.failure({ transient: true })
  }
}

const fails = Effect.fail(new Refused())

/** What is told of calls while an effect runs that its caller gives up after 100 ms. */
const givenUp = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const events: Array<Telemetry.Event> = []
    const hearing = Telemetry.layer((event) => events.push(event), { calls: true })
    const fiber = yield* Effect.fork(Effect.provide(self, hearing))
    yield* TestClock.adjust("100 millis")
    yield* Fiber.interrupt(fiber)
    return events
  })

describe("an attempt after the first", () => {
  const second = { _tag: "RetrySettled", attempt: 2, succeeded: false }
  for (const [what, ends] of [
    ["is given up", Effect.never],
    ["interrupts itself", Effect.interrupt]
  ] as const) {
    it.scoped(`is told of once, as one that did not succeed, if it ${what}`, () =>
      Effect.gen(function* () {
        const retry = { maxRetries: 2, backoff: Backoff.constant(0) }
        const standard = yield* Policy.standard("standard", { retry })
        const alone = yield* Retry.make("alone", retry)
        for (const policy of [standard, alone]) {
          let attempts = 0
          const call = policy.protect(Effect.suspend(() => (++attempts === 1 ? fails : ends)))
          const events = yield* givenUp(call)
          expect(events.filter(({ _tag }) => _tag === "RetrySettled")).toMatchObject([
            { ...second, policy: policy.name }
          ])
          expect(attempts).toBe(2)
        }
      })
    )
  }
})

describe("a call that is given up while it waits for another attempt", () => {
  it.scoped("has ended one way, and its last attempt another", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("waiting", {
        retry: { maxRetries: 2, backoff: Backoff.constant("80 millis") }
      })
      const events = yield* givenUp(policy.protect(Effect.delay(fails, "5 millis")))
      expect(events.filter(({ _tag }) => _tag.endsWith("Settled"))).toMatchObject([
        { _tag: "AttemptSettled", attempt: 1, status: "error", duration: 5 },
        { _tag: "RetrySettled", attempt: 2, succeeded: false },
        { _tag: "CallSettled", status: "cancelled", attempts: 2, lastAttempt: 5, lastStatus: "error", duration: 100 }
      ])
      // Given up while it runs, both have ended alike.
      const running = yield* givenUp(policy.protect(Effect.delay(fails, "101 millis")))
      expect(
        running.map((event) => (event._tag === "CallSettled" ? [event.status, event.lastStatus] : event._tag))
      ).toEqual([["cancelled", undefined]])
      // Also where it is the second attempt that runs: what the first has failed with was told before.
      const again = yield* givenUp(policy.protect(Effect.delay(fails, "15 millis")))
      const settled = again.find(({ _tag }) => _tag === "CallSettled")
      expect(settled).toMatchObject({ status: "cancelled", attempts: 2, lastAttempt: 5 })
      expect(settled).not.toMatchObject({ lastStatus: "error" })
    })
  )
})

describe("a call that is given up at the moment in which its attempt fails for good", () => {
  it.scoped("was cancelled, and its attempt was not", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("both", { timeout: "none", circuitBreaker: "none" })
      const unheeding = Effect.uninterruptible(Effect.delay(Effect.fail("no"), "150 millis"))
      const told: Array<Telemetry.Event> = []
      const hearing = Telemetry.layer((event) => told.push(event), { calls: true })
      const fiber = yield* Effect.fork(Effect.provide(policy.protect(unheeding), hearing))
      yield* TestClock.adjust("100 millis")
      yield* Fiber.interruptFork(fiber)
      yield* TestClock.adjust("50 millis")
      yield* Fiber.await(fiber)
      expect(told.filter(({ _tag }) => _tag === "CallSettled")).toMatchObject([
        { status: "cancelled", attempts: 1, lastAttempt: 150, lastStatus: "error", duration: 150 }
      ])
    })
  )
})

describe("a breaker alone", () => {
  it.scoped("tells of each call once, refused ones included", () =>
    Effect.gen(function* () {
      const breaker = yield* CircuitBreaker.make("lone", {
        tripPolicy: CircuitBreaker.consecutive(1),
        openDuration: "1 second",
        openJitter: 0
      })
      const calls = Effect.gen(function* () {
        yield* Effect.exit(breaker.protect(fails))
        yield* Effect.exit(breaker.protect(fails))
        yield* Effect.sleep("1 second")
        const probe = yield* Effect.fork(breaker.protect(Effect.sleep("10 millis")))
        yield* Effect.yieldNow()
        yield* Effect.exit(breaker.protect(Effect.void))
        yield* Fiber.join(probe)
      })
      const events: Array<Telemetry.Event> = []
      const hearing = Telemetry.layer((event) => events.push(event), { calls: true })
      const fiber = yield* Effect.fork(Effect.provide(calls, hearing))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      const told = events.flatMap((event) =>
        event._tag === "CallSettled" ? [[event.policy, event.status, event.counted, event.attempts]] : []
      )
      expect(told).toEqual([
        ["lone", "error", "failure", 1],
        ["lone", "open", undefined, 0],
        ["lone", "open", undefined, 0],
        ["lone", "ok", "success", 1]
      ])
    })
  )
})
