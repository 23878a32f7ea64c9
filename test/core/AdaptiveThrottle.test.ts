import { AdaptiveThrottle, CircuitBreaker, Deadline, Outcome, Policy, Timeout } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Random, TestClock } from "effect"
import { Declined, Dependency, TooMany, Unavailable } from "../support/Dependency.js"
import { Listener } from "../support/Listener.js"
import { begin, failureOf, retryAfterMillis } from "../support/Passing.js"

const drawing = (number: number) => Effect.withRandom(Random.fixed([number]))

const times = <A, E, R>(count: number, call: Effect.Effect<A, E, R>) => Effect.replicateEffect(Effect.exit(call), count)

describe("a throttle", () => {
  it.scoped("refuses nothing as long as one in k is accepted", () =>
    Effect.gen(function* () {
      const throttle = yield* AdaptiveThrottle.make("search", { k: 2 })
      const dependency = new Dependency()
      for (let n = 0; n < 200; n++) {
        const call = n % 2 === 0 ? dependency.answers() : dependency.fails()
        yield* Effect.exit(call.pipe(throttle.protect, drawing(0)))
      }
      expect(dependency.asked).toBe(200)
      expect(yield* throttle.snapshot).toEqual({ requests: 200, accepts: 100, rejection: 0 })
    })
  )

  it.scoped("refuses by chance once fewer are accepted, and counts what it refuses", () => {
    const listener = new Listener()
    return Effect.gen(function* () {
      const throttle = yield* AdaptiveThrottle.make("search")
      const dependency = new Dependency()
      const failing = throttle.protect(dependency.fails())
      yield* times(3, throttle.protect(dependency.answers()))
      yield* times(6, failing.pipe(drawing(0.99)))
      expect(yield* throttle.snapshot).toEqual({ requests: 9, accepts: 3, rejection: 0.3 })
      yield* failing.pipe(drawing(0.3), Effect.exit)
      expect(dependency.asked).toBe(10)
      const refused = yield* failing.pipe(drawing(0.3), Effect.flip)
      expect(dependency.asked).toBe(10)
      expect(refused).toMatchObject({ _tag: "Throttled", policy: "search" })
      expect(refused._tag === "Throttled" && retryAfterMillis(refused)).toBe(12_000)
      expect(yield* throttle.snapshot).toMatchObject({ requests: 11, accepts: 3 })
      expect(listener.of("CallRejected")).toMatchObject([{ policy: "search", by: "throttle", retryAfter: 12_000 }])
    }).pipe(listener.hear)
  })

  it.scoped("always lets some through, and forgets after its window", () =>
    Effect.gen(function* () {
      const throttle = yield* AdaptiveThrottle.make("search", { maxRejection: 0.75, window: "1 minute" })
      const dependency = new Dependency()
      yield* times(100, throttle.protect(dependency.fails()).pipe(drawing(0.99)))
      expect((yield* throttle.snapshot).rejection).toBe(0.75)
      expect(yield* throttle.protect(dependency.answers()).pipe(drawing(0.75))).toBe("answer")
      expect(failureOf(yield* Effect.exit(throttle.protect(dependency.answers()).pipe(drawing(0.74))))).toMatchObject({
        _tag: "Throttled"
      })
      yield* TestClock.adjust("1 minute")
      expect(yield* throttle.snapshot).toEqual({ requests: 0, accepts: 0, rejection: 0 })
    })
  )

  it.scoped("counts as accepted what was answered, and as not what is transient or asks to come back", () =>
    Effect.gen(function* () {
      const timeout = yield* Timeout.make("inner", { duration: "1 second" })
      const breaker = yield* CircuitBreaker.make("inner")
      yield* breaker.isolate
      const countsAs = <E>(call: Effect.Effect<unknown, E>, classify?: Outcome.Classify) =>
        Effect.scoped(
          Effect.gen(function* () {
            const throttle = yield* AdaptiveThrottle.make("search", { classify })
            const fiber = yield* begin(Effect.exit(throttle.protect(call)))
            yield* TestClock.adjust("1 second")
            yield* Fiber.interrupt(fiber)
            const { accepts, requests } = yield* throttle.snapshot
            return requests === 0 ? "nothing" : accepts === 1 ? "accepted" : "not accepted"
          })
        )
      const declined = Effect.fail(new Declined({ reason: "no" }))
      const ill: Outcome.Classify = () => Outcome.failure({ transient: true })
      expect(yield* countsAs(Effect.void)).toBe("accepted")
      expect(yield* countsAs(declined)).toBe("accepted")
      expect(yield* countsAs(Effect.fail(new TooMany({})))).toBe("accepted")
      expect(yield* countsAs(Effect.fail(new TooMany({ retryAfter: Duration.seconds(1) })))).toBe("not accepted")
      expect(yield* countsAs(Effect.fail(new Unavailable({})))).toBe("not accepted")
      expect(yield* countsAs(timeout.protect(Effect.never))).toBe("not accepted")
      expect(yield* countsAs(Effect.void, ill)).toBe("not accepted")
      expect(yield* countsAs(Deadline.protect(Effect.never, "1 second"))).toBe("not accepted")
      expect(yield* countsAs(breaker.protect(Effect.void))).toBe("nothing")
      expect(yield* countsAs(Effect.die("a defect"))).toBe("nothing")
      expect(yield* countsAs(Effect.never)).toBe("nothing")
    })
  )

  it.scoped("is no failure for a breaker outside", () =>
    Effect.gen(function* () {
      const throttle = yield* AdaptiveThrottle.make("search", { maxRejection: 1 })
      const breaker = yield* CircuitBreaker.make("search", { tripPolicy: CircuitBreaker.consecutive(1) })
      yield* times(20, throttle.protect(Effect.fail(new Unavailable({}))))
      const call = Policy.all(breaker, throttle).protect(Effect.succeed("never sent"))
      const exits = yield* times(20, call.pipe(drawing(0)))
      expect(exits.every(Exit.isFailure)).toBe(true)
      expect((yield* breaker.snapshot).state).toBe("Closed")
    })
  )

  it.scoped("dies of all options that are out of range", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(AdaptiveThrottle.make("search", { k: 0.5, maxRejection: 2, window: 9 }))
      const problems = ["k", "maxRejection", "window"].map((option) => ({ option }))
      expect(failureOf(exit)).toMatchObject({ _tag: "InvalidOptions", policy: "search", problems })
    })
  )
})
