import { Backoff, CircuitBreaker, Deadline, Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Exit, Option, TestClock } from "effect"
import { Dependency, Unavailable } from "../support/Dependency.js"
import { begin, ended, failureOf } from "../support/Passing.js"
import { play, script } from "../support/Play.js"

const circuitBreaker: CircuitBreaker.Options = {
  tripPolicy: CircuitBreaker.consecutive(3),
  openDuration: "30 seconds",
  openJitter: 0
}

const circuitOf = (policy: Policy.Standard) => Effect.orDie(policy.circuitBreaker)

const unavailable = Effect.fail(new Unavailable({}))

describe("the budget of a policy", () => {
  it.scoped("ends the attempt that is under way when it ends", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", {
        deadline: "3 seconds",
        timeout: "2 seconds",
        retry: { maxRetries: 2, backoff: Backoff.constant("100 millis") }
      })
      const payment = script(Effect.never)
      const played = yield* play(policy.protect(payment.call), "10 seconds")
      expect(payment.at).toEqual([0, 2_100])
      expect(played.at).toBe(3_000)
      expect(failureOf(played.exit)).toMatchObject({
        _tag: "DeadlineExceeded",
        policy: "payment",
        budget: Duration.seconds(3),
        elapsed: Duration.seconds(3),
        where: "in-flight"
      })
    })
  )

  it.scoped("in the same millisecond it was the attempt's own limit", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", { deadline: "2 seconds", timeout: "2 seconds" })
      const played = yield* play(policy.protect(Effect.never), "10 seconds")
      expect(failureOf(played.exit)).toMatchObject({ _tag: "TimedOut", limit: Duration.seconds(2) })
      expect(played.at).toBe(2_000)
    })
  )

  it.scoped(
    "lets no wait begin that would not leave a tenth of the attempt timeout: the last error comes at once",
    () =>
      Effect.gen(function* () {
        const waiting = (millis: number) =>
          Effect.gen(function* () {
            const policy = yield* Policy.standard("payment", {
              deadline: "3 seconds",
              timeout: "1 second",
              retry: { maxRetries: 1, backoff: Backoff.constant(millis) }
            })
            const payment = script(unavailable)
            const { at, events, exit } = yield* play(policy.protect(payment.call), "10 seconds")
            const stopped = events.flatMap((event) => (event._tag === "RetriesExhausted" ? [event.reason] : []))
            return { asked: payment.at.length, at: at - (payment.at[0] ?? 0), error: failureOf(exit), stopped }
          })
        expect(yield* waiting(2_900)).toMatchObject({ asked: 2, at: 2_900, stopped: ["attempts"] })
        expect(yield* waiting(2_901)).toMatchObject({ asked: 1, at: 0, stopped: ["deadline"] })
        expect((yield* waiting(2_901)).error).toBeInstanceOf(Unavailable)
      })
  )

  it.scoped("can be read by the call, and is gone outside", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", { deadline: "3 seconds", timeout: "1 second" })
      const call = policy.protect(Effect.zipRight(Effect.sleep("500 millis"), Deadline.remaining))
      expect((yield* play(call, "1 second")).exit).toEqual(Exit.succeed(Option.some(Duration.millis(2_500))))
      expect(yield* Deadline.remaining).toEqual(Option.none())
    })
  )

  it.scoped("is not published where there is none, and the inherited one is obeyed all the same", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", { deadline: "none", timeout: "5 seconds" })
      expect(yield* policy.protect(Deadline.remaining)).toEqual(Option.none())
      const payment = new Dependency()
      const played = yield* play(Deadline.protect(policy.protect(payment.hangs()), "1 second"), "10 seconds")
      expect(failureOf(played.exit)).toMatchObject({ _tag: "DeadlineExceeded", policy: "deadline" })
      expect([played.at, payment.running]).toEqual([1_000, 0])
    })
  )

  it.scoped("can only be shortened from outside", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", { deadline: "3 seconds" })
      const within = (budget: Duration.DurationInput) => Deadline.protect(policy.protect(Deadline.remaining), budget)
      expect(yield* within("1 second")).toEqual(Option.some(Duration.seconds(1)))
      expect(yield* within("5 seconds")).toEqual(Option.some(Duration.seconds(3)))
    })
  )

  it.scoped("that has ended before the call asks nobody anything", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", { circuitBreaker })
      const payment = new Dependency()
      const late = Effect.zipRight(Effect.uninterruptible(Effect.sleep("2 seconds")), policy.protect(payment.answers()))
      let heard: unknown
      yield* play(
        Deadline.protect(
          Effect.onExit(Effect.uninterruptible(late), (exit) => Effect.sync(() => (heard = failureOf(exit)))),
          "1 second"
        ),
        "10 seconds"
      )
      expect(heard).toMatchObject({ _tag: "DeadlineExceeded", policy: "deadline", where: "before-start" })
      expect(payment.asked).toBe(0)
      const circuit = yield* circuitOf(policy)
      expect(yield* circuit.snapshot).toMatchObject({ calls: 0 })
    })
  )
})

describe("the deadline fails inside the breaker", () => {
  it.scoped("a dependency that hangs longer than the policy's budget opens the circuit", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", {
        deadline: "1 second",
        timeout: "none",
        retry: "none",
        // The budget is the policy's own: patience is for callers that leave early.
        circuitBreaker: { ...circuitBreaker, patience: "1 hour" }
      })
      const circuit = yield* circuitOf(policy)
      const payment = new Dependency()
      for (const _ of [1, 2, 3]) {
        expect(yield* circuit.state).toBe("Closed")
        const played = yield* play(policy.protect(payment.hangs()), "1 second")
        expect(failureOf(played.exit)).toMatchObject({ _tag: "DeadlineExceeded", where: "in-flight" })
      }
      expect(yield* circuit.state).toBe("Open")
    })
  )

  it.scoped("the policy's own budget is its own also within a longer one of its caller", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", {
        deadline: "1 second",
        timeout: "none",
        retry: "none",
        circuitBreaker: { ...circuitBreaker, patience: "1 hour" }
      })
      const circuit = yield* circuitOf(policy)
      yield* play(Deadline.protect(policy.protect(Effect.never), "2 seconds"), "2 seconds")
      expect(yield* circuit.snapshot).toMatchObject({ calls: 1, failures: 1 })
    })
  )

  it.scoped("a dependency that hangs longer than its callers' budgets opens the circuit", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", { timeout: "2 seconds", retry: "none", circuitBreaker })
      const circuit = yield* circuitOf(policy)
      const call = Deadline.protect(policy.protect(Effect.never), "1500 millis")
      yield* play(Effect.all([call, call, call].map(Effect.exit), { concurrency: "unbounded" }), "2 seconds")
      expect(yield* circuit.state).toBe("Open")
    })
  )

  it.scoped("callers with a budget of one millisecond open it for nobody", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", { timeout: "2 seconds", retry: "none", circuitBreaker })
      const circuit = yield* circuitOf(policy)
      const payment = new Dependency()
      const call = Deadline.protect(policy.protect(payment.hangs()), "1 millis")
      const calls = Array.from({ length: 40 }, () => Effect.exit(call))
      const played = yield* play(Effect.all(calls, { concurrency: "unbounded" }), "1 second")
      expect(Exit.isSuccess(played.exit) && played.exit.value.map(failureOf)).toEqual(
        calls.map(() => expect.objectContaining({ _tag: "DeadlineExceeded" }))
      )
      expect(payment.asked).toBe(40)
      expect(yield* circuit.snapshot).toMatchObject({ state: "Closed", calls: 0, failures: 0 })
    })
  )

  it.scoped("the dependency has had its patience after half an attempt timeout", () =>
    Effect.gen(function* () {
      const failuresWith = (budget: number) =>
        Effect.gen(function* () {
          const policy = yield* Policy.standard("payment", { timeout: "2 seconds", retry: "none", circuitBreaker })
          const circuit = yield* circuitOf(policy)
          yield* play(Deadline.protect(policy.protect(Effect.never), budget), "2 seconds")
          return (yield* circuit.snapshot).failures
        })
      expect(yield* failuresWith(999)).toBe(0)
      expect(yield* failuresWith(1_000)).toBe(1)
    })
  )

  it.scoped("a probe that a hasty caller cuts short gives its place back", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", {
        timeout: "2 seconds",
        circuitBreaker: { ...circuitBreaker, tripPolicy: CircuitBreaker.consecutive(1) }
      })
      const circuit = yield* circuitOf(policy)
      yield* Effect.exit(circuit.protect(unavailable))
      yield* TestClock.adjust("30 seconds")
      yield* play(Deadline.protect(policy.protect(Effect.never), "1 millis"), "1 second")
      expect(yield* circuit.snapshot).toMatchObject({ state: "HalfOpen", probing: 0 })
      yield* policy.protect(Effect.void)
      expect(yield* circuit.state).toBe("Closed")
    })
  )
})

describe("the budget and the line", () => {
  it.scoped("who reaches the deadline while waiting leaves the line, and the dependency is not blamed", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", {
        deadline: "4 seconds",
        timeout: "none",
        retry: "none",
        circuitBreaker,
        bulkhead: { maxConcurrent: 1, maxQueue: 5 }
      })
      const payment = new Dependency()
      const holder = yield* begin(
        Deadline.detached(Effect.orDie(policy.bulkhead)).pipe(
          Effect.flatMap((bulkhead) => bulkhead.protect(payment.ask(Effect.sleep("1 hour"))))
        )
      )
      const waiting = yield* begin(policy.protect(payment.answers()))
      yield* TestClock.adjust("3999 millis")
      const bulkhead = yield* Effect.orDie(policy.bulkhead)
      expect(yield* bulkhead.snapshot).toEqual({ active: 1, queued: 1, limit: 1 })
      yield* TestClock.adjust("1 millis")
      expect(failureOf(yield* ended(waiting))).toMatchObject({
        _tag: "DeadlineExceeded",
        policy: "payment",
        where: "waiting",
        elapsed: Duration.seconds(4)
      })
      expect(yield* bulkhead.snapshot).toEqual({ active: 1, queued: 0, limit: 1 })
      expect(payment.asked).toBe(1)
      const circuit = yield* circuitOf(policy)
      expect(yield* circuit.snapshot).toMatchObject({ calls: 0 })
      yield* TestClock.adjust("1 hour")
      expect(yield* ended(holder)).toEqual(Exit.void)
    })
  )

  it.scoped("the time spent in line is taken from the attempt", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", {
        deadline: "4 seconds",
        timeout: "4 seconds",
        bulkhead: { maxConcurrent: 1, maxQueue: 5 }
      })
      yield* begin(policy.protect(Effect.sleep("3 seconds")))
      const waiting = yield* begin(policy.protect(Effect.never))
      yield* TestClock.adjust("4 seconds")
      expect(failureOf(yield* ended(waiting))).toMatchObject({ _tag: "DeadlineExceeded", where: "in-flight" })
    })
  )
})
