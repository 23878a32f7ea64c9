import { Timeout } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, TestClock } from "effect"
import { Dependency, Unavailable } from "../support/Dependency.js"
import { Listener } from "../support/Listener.js"
import { begin, during, failureOf } from "../support/Passing.js"

const options = { quantile: 0.9, factor: 2, min: "30 millis", max: "1 second", minimumCalls: 10 } as const

const after = (millis: number) => Effect.as(Effect.sleep(millis), millis)

/** So many calls at a time. */
const together = <A, E, R>(count: number, call: Effect.Effect<A, E, R>) =>
  Effect.forEach(Array.from({ length: count }), () => Effect.exit(call), { concurrency: "unbounded" })

const limitOf = (timeout: Timeout.AdaptiveTimeout) =>
  Effect.map(timeout.snapshot, ({ limit }) => Duration.toMillis(limit))

describe("an adaptive timeout", () => {
  it.scoped("is as long as it may be until it has seen calls enough, then a multiple of what they took", () => {
    const listener = new Listener()
    return Effect.gen(function* () {
      const timeout = yield* Timeout.adaptive("stock", options)
      const dependency = new Dependency()
      expect(yield* limitOf(timeout)).toBe(1000)
      yield* during(50, together(9, timeout.protect(dependency.ask(after(50)))))
      expect(yield* limitOf(timeout)).toBe(1000)
      yield* during(50, timeout.protect(dependency.ask(after(50))))
      const limit = yield* limitOf(timeout)
      expect(Math.abs(limit - 100)).toBeLessThanOrEqual(2)
      const exit = yield* during(limit, Effect.exit(Timeout.protect(dependency.hangs(), timeout)))
      expect(failureOf(Exit.flatten(exit))).toMatchObject({
        _tag: "TimedOut",
        policy: "stock",
        limit: Duration.millis(limit)
      })
      expect([dependency.asked, dependency.running]).toEqual([11, 0])
      expect(listener.of("CallTimedOut")).toMatchObject([{ policy: "stock", limit }])
    }).pipe(listener.hear)
  })

  it.scoped("stays within its bounds", () =>
    Effect.gen(function* () {
      const timeout = yield* Timeout.adaptive("stock", options)
      yield* during(1, together(10, timeout.protect(after(1))))
      expect(yield* limitOf(timeout)).toBe(30)
      const slow = yield* Timeout.adaptive("stock", options)
      yield* during(900, together(10, slow.protect(after(900))))
      expect(yield* limitOf(slow)).toBe(1000)
    })
  )

  it.scoped("grows when calls are stopped, so that it cannot sink below what they really take", () =>
    Effect.gen(function* () {
      const timeout = yield* Timeout.adaptive("stock", options)
      yield* during(50, together(10, timeout.protect(after(50))))
      const limits = [yield* limitOf(timeout)]
      // The dependency has become four times as slow: at first every call is stopped.
      for (let round = 0; round < 3; round++) {
        yield* during(1000, together(20, timeout.protect(after(200))))
        limits.push(yield* limitOf(timeout))
      }
      const [first = 0, second = 0, third = 0, last = 0] = limits
      expect(second / first).toBeCloseTo(2, 1)
      expect(third / second).toBeCloseTo(2, 1)
      expect([third > 200, last > 390]).toEqual([true, true])
    })
  )

  it.scoped("is not locked below what calls take by the least factor there may be", () =>
    Effect.gen(function* () {
      const timeout = yield* Timeout.adaptive("stock", { ...options, factor: 1.1, window: "10 seconds" })
      const rounds = (count: number, millis: number) =>
        Effect.replicateEffect(during(1000, together(10, timeout.protect(after(millis)))), count)
      yield* rounds(5, 100)
      yield* rounds(30, 150)
      expect(yield* limitOf(timeout)).toBeGreaterThan(150)
      // With 1 a limit that stops all calls would be what it learns from, for ever.
      const locked = Timeout.adaptive("stock", { ...options, factor: 1 })
      expect(failureOf(yield* Effect.exit(locked))).toMatchObject({ problems: [{ option: "factor" }] })
    })
  )

  it.scoped("learns nothing from failures, nor from a caller that gives up, and forgets after its window", () =>
    Effect.gen(function* () {
      const timeout = yield* Timeout.adaptive("stock", { ...options, window: "10 seconds" })
      yield* together(20, timeout.protect(Effect.fail(new Unavailable({}))))
      const call = yield* begin(timeout.protect(Effect.never))
      yield* Fiber.interrupt(call)
      expect((yield* timeout.snapshot).latency).toEqual({ calls: 0, quantiles: [] })
      yield* during(50, together(10, timeout.protect(after(50))))
      expect((yield* timeout.snapshot).latency.quantiles.map(({ quantile }) => quantile)).toEqual([0.5, 0.9, 0.99])
      yield* TestClock.adjust("10 seconds")
      expect(yield* limitOf(timeout)).toBe(1000)
    })
  )

  it.scoped("answers at its limit without work that goes on, if told to", () =>
    Effect.gen(function* () {
      const timeout = yield* Timeout.adaptive("stock", { max: "1 second", mode: "disconnect", window: "1 hour" })
      const dependency = new Dependency()
      const stubborn = dependency.ask(Effect.uninterruptible(Effect.sleep("1 minute")))
      const exit = yield* during("1 second", Effect.exit(timeout.protect(stubborn)))
      expect(failureOf(Exit.flatten(exit))).toMatchObject({ _tag: "TimedOut" })
      expect([dependency.running, (yield* timeout.snapshot).latency.calls]).toEqual([1, 1])
      yield* TestClock.adjust("1 minute")
      expect([dependency.running, (yield* timeout.snapshot).latency.calls]).toEqual([0, 1])
    })
  )

  it.scoped("dies of all options that are out of range", () =>
    Effect.gen(function* () {
      const wrong = { quantile: -1, window: 1, minimumCalls: 0, min: 0, max: 0, factor: 0.5 }
      const names = ["quantile", "window", "minimumCalls", "min", "max", "factor"].map((option) => ({ option }))
      expect(failureOf(yield* Effect.exit(Timeout.adaptive("stock", wrong)))).toMatchObject({ problems: names })
      const crossed = yield* Effect.exit(Timeout.adaptive("stock", { min: 20, max: 10 }))
      expect(failureOf(crossed)).toMatchObject({ problems: [{ option: "max" }] })
    })
  )
})
