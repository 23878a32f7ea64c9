import { Bulkhead, CircuitBreaker, Outcome, Policy, Timeout } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, TestClock } from "effect"
import { begin, ended } from "../support/Passing.js"

/** A policy as a function of thunks, run by the runtime of the test. */
const promised = <E>(policy: Policy.Policy<E>) =>
  Effect.map(Effect.runtime(), (runtime) => Policy.toPromise(policy, runtime))

/** What a promise is rejected with. */
const rejection = (promise: Promise<unknown>): Effect.Effect<unknown> =>
  Effect.promise(() =>
    promise.then(
      () => "it was resolved",
      (reason: unknown) => reason
    )
  )

describe("toPromise", () => {
  it.scoped("resolves with what the thunk resolves with", () =>
    Effect.gen(function* () {
      const protect = yield* promised(yield* Policy.standard("search"))
      const found = { id: 1 }
      expect(yield* Effect.promise(() => protect(async () => found))).toBe(found)
      expect(yield* Effect.promise(() => protect(async (signal) => signal.aborted))).toBe(false)
    })
  )

  it.scoped("rejects with what the thunk threw or was rejected with, the thing itself", () =>
    Effect.gen(function* () {
      const protect = yield* promised(yield* Policy.standard("search", { retry: "none" }))
      const reason = new TypeError("fetch failed")
      expect(yield* rejection(protect(() => Promise.reject(reason)))).toBe(reason)
      const throws = () => {
        throw reason
      }
      expect(yield* rejection(protect(throws))).toBe(reason)
      expect(yield* rejection(protect(() => Promise.reject("a string")))).toBe("a string")
      expect(yield* rejection(protect(() => Promise.reject(undefined)))).toBeUndefined()
    })
  )

  it.scoped("rejects with the policy's own error, and does not call the thunk then", () =>
    Effect.gen(function* () {
      const breaker = yield* CircuitBreaker.make("search", { tripPolicy: CircuitBreaker.consecutive(1) })
      const protect = yield* promised(breaker)
      let called = 0
      const fails = () => {
        called++
        return Promise.reject(new Error("down"))
      }
      yield* rejection(protect(fails))
      expect(yield* rejection(protect(fails))).toBeInstanceOf(CircuitBreaker.CircuitOpen)
      expect(called).toBe(1)
    })
  )

  it.scoped("aborts the signal when the policy gives up on the thunk", () =>
    Effect.gen(function* () {
      const protect = yield* promised(yield* Timeout.make("search", { duration: "1 second" }))
      const given = yield* Deferred.make<AbortSignal>()
      const call = yield* begin(
        rejection(
          protect((signal) => {
            Deferred.unsafeDone(given, Exit.succeed(signal))
            return new Promise(() => {})
          })
        )
      )
      const signal = yield* Deferred.await(given)
      yield* TestClock.adjust("999 millis")
      expect(signal.aborted).toBe(false)
      yield* TestClock.adjust("1 millis")
      expect(signal.aborted).toBe(true)
      yield* Effect.promise(() => Promise.resolve())
      const exit = yield* ended(call)
      expect(Exit.isSuccess(exit) && exit.value).toBeInstanceOf(Timeout.TimedOut)
    })
  )

  it.scoped("gives each attempt a signal of its own", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("search", {
        timeout: "1 second",
        retry: { maxRetries: 2 },
        classify: (exit) => (Exit.isSuccess(exit) ? Outcome.success : Outcome.failure({ transient: true }))
      })
      const protect = yield* promised(policy)
      const signals = new Set<AbortSignal>()
      yield* begin(rejection(protect((signal) => (signals.add(signal), Promise.reject(new Error("down"))))))
      yield* TestClock.adjust("10 seconds")
      expect(signals.size).toBe(3)
    })
  )

  it.scoped("holds a permit for as long as the promise is pending", () =>
    Effect.gen(function* () {
      const bulkhead = yield* Bulkhead.make("search", { maxConcurrent: 1 })
      const protect = yield* promised(bulkhead)
      let finish = () => {}
      const first = protect(() => new Promise<void>((resolve) => (finish = resolve)))
      expect(yield* rejection(protect(async () => "second"))).toBeInstanceOf(Bulkhead.BulkheadFull)
      finish()
      yield* Effect.promise(() => first)
      expect(yield* Effect.promise(() => protect(async () => "third"))).toBe("third")
    })
  )
})
