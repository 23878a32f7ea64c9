import { CircuitBreaker } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, TestClock } from "effect"
import { Chance } from "../support/Chance.js"
import { Dependency, TooMany, Unavailable } from "../support/Dependency.js"
import { begin, ended, failureOf, retryAfterMillis } from "../support/Passing.js"

/** A breaker that has just opened, for exactly 30 seconds. */
const opened = (options: CircuitBreaker.Options = {}) =>
  Effect.tap(
    CircuitBreaker.make("payment", {
      tripPolicy: CircuitBreaker.consecutive(1),
      openDuration: "30 seconds",
      openJitter: 0,
      ...options
    }),
    (breaker) => Effect.exit(breaker.protect(new Unavailable({})))
  )

/** The same, and its first probe is due now. */
const due = (halfOpen: CircuitBreaker.HalfOpenOptions = {}) =>
  Effect.tap(opened({ halfOpen }), () => TestClock.adjust("30 seconds"))

describe("a probe", () => {
  it.scoped("is let through at exactly the end of the opening, and one millisecond earlier is not", () =>
    Effect.gen(function* () {
      const breaker = yield* opened()
      const payment = new Dependency()
      yield* TestClock.adjust("29999 millis")
      const refused = failureOf(yield* Effect.exit(breaker.protect(payment.answers())))
      expect(refused).toMatchObject({ _tag: "CircuitOpen", state: "Open" })
      expect(payment.asked).toBe(0)
      yield* TestClock.adjust("1 millis")
      expect(yield* breaker.protect(payment.answers())).toBe("answer")
      expect(payment.asked).toBe(1)
      expect(yield* breaker.state).toBe("Closed")
    })
  )

  it.scoped("is alone by default; who comes meanwhile hears how long it may still take", () =>
    Effect.gen(function* () {
      const breaker = yield* due({ timeout: "8 seconds" })
      const payment = new Dependency()
      yield* begin(breaker.protect(payment.hangs()))
      yield* TestClock.adjust("3 seconds")
      const refused = yield* Effect.flip(breaker.protect(payment.answers()))
      expect(refused).toMatchObject({ state: "HalfOpen", reason: { _tag: "Probing", probes: 1 } })
      expect(retryAfterMillis(refused)).toBe(5_000)
      expect(refused.message).toContain("half-open, 1 probe(s) under way")
      expect(payment.asked).toBe(1)
    })
  )

  it.scoped("has company where `probes` says so, and no more of it", () =>
    Effect.gen(function* () {
      const breaker = yield* due({ probes: 3, successThreshold: 3 })
      const payment = new Dependency()
      const call = breaker.protect(payment.ask(Effect.sleep("1 second")))
      const all = yield* begin(Effect.all([call, call, call, call].map(Effect.exit), { concurrency: "unbounded" }))
      expect(yield* breaker.snapshot).toMatchObject({ state: "HalfOpen", probing: 3 })
      yield* TestClock.adjust("1 second")
      expect((yield* Fiber.join(all)).filter(Exit.isSuccess)).toHaveLength(3)
      expect(payment.asked).toBe(3)
      expect(yield* breaker.state).toBe("Closed")
    })
  )

  it.scoped("closes the circuit only after `successThreshold` of them have succeeded", () =>
    Effect.gen(function* () {
      const breaker = yield* due({ successThreshold: 2 })
      yield* breaker.protect(Effect.void)
      expect(yield* breaker.snapshot).toMatchObject({ state: "HalfOpen", probing: 0 })
      yield* breaker.protect(Effect.void)
      expect(yield* breaker.snapshot).toMatchObject({ state: "Closed", calls: 0, failures: 0 })
    })
  )

  it.scoped("that fails opens the circuit again, for as long, and counts the opening", () =>
    Effect.gen(function* () {
      const breaker = yield* due({ successThreshold: 2 })
      yield* breaker.protect(Effect.void)
      yield* TestClock.adjust("1 seconds")
      yield* Effect.exit(breaker.protect(new Unavailable({})))
      expect(yield* breaker.snapshot).toMatchObject({ state: "Open", openings: 2 })
      const refused = yield* Effect.flip(breaker.protect(Effect.void))
      expect(refused).toMatchObject({ state: "Open", reason: { _tag: "ProbeFailed" } })
      expect(retryAfterMillis(refused)).toBe(30_000)
    })
  )

  it.scoped("that says nothing of the dependency gives its place to the next", () =>
    Effect.gen(function* () {
      const breaker = yield* due()
      yield* Effect.exit(breaker.protect(new TooMany({})))
      expect(yield* breaker.snapshot).toMatchObject({ state: "HalfOpen", probing: 0 })
      yield* breaker.protect(Effect.void)
      expect(yield* breaker.state).toBe("Closed")
    })
  )

  it.scoped("that is told to come back later opens the circuit until then", () =>
    Effect.gen(function* () {
      const breaker = yield* due()
      yield* Effect.exit(breaker.protect(new TooMany({ retryAfter: Duration.seconds(7) })))
      const refused = yield* Effect.flip(breaker.protect(Effect.void))
      expect(refused).toMatchObject({ state: "Open", reason: { _tag: "ProbeDeferred", retryAfterMillis: 7_000 } })
      expect(retryAfterMillis(refused)).toBe(7_000)
      yield* TestClock.adjust("7 seconds")
      yield* breaker.protect(Effect.void)
      expect(yield* breaker.state).toBe("Closed")
    })
  )
})

describe("a probe that hangs", () => {
  it.scoped("loses its place at `halfOpen.timeout`, the circuit reopens, and its late success counts for nothing", () =>
    Effect.gen(function* () {
      const breaker = yield* due({ timeout: "8 seconds" })
      const probe = yield* begin(breaker.protect(Effect.as(Effect.sleep("9 seconds"), "late")))
      yield* TestClock.adjust("7999 millis")
      expect(yield* breaker.state).toBe("HalfOpen")
      yield* TestClock.adjust("1 millis")
      expect(yield* breaker.snapshot).toMatchObject({ state: "Open", openings: 2, probing: 0 })
      yield* TestClock.adjust("1 seconds")
      expect(yield* ended(probe)).toEqual(Exit.succeed("late"))
      const refused = yield* Effect.flip(breaker.protect(Effect.void))
      expect(refused).toMatchObject({ state: "Open", reason: { _tag: "ProbeTimedOut", probeTimeoutMillis: 8_000 } })
      expect(retryAfterMillis(refused)).toBe(29_000)
    })
  )

  it.scoped("cannot keep the circuit from recovering, even when nobody called in between", () =>
    Effect.gen(function* () {
      const breaker = yield* due({ timeout: "8 seconds" })
      yield* begin(breaker.protect(Effect.never))
      yield* TestClock.adjust("38 seconds")
      expect(yield* breaker.state).toBe("HalfOpen")
      yield* breaker.protect(Effect.void)
      expect(yield* breaker.state).toBe("Closed")
    })
  )

  it.scoped("has as long as the first opening by default", () =>
    Effect.gen(function* () {
      const breaker = yield* due()
      yield* begin(breaker.protect(Effect.never))
      yield* TestClock.adjust("29999 millis")
      expect(yield* breaker.state).toBe("HalfOpen")
      yield* TestClock.adjust("1 millis")
      expect(yield* breaker.state).toBe("Open")
    })
  )
})

describe("the length of an opening", () => {
  const lengthWith = (random: number) =>
    new Chance([random]).rule(
      Effect.gen(function* () {
        const breaker = yield* opened({ openDuration: "10 seconds", openJitter: 0.1 })
        return retryAfterMillis(yield* breaker.snapshot)
      })
    )

  it.scoped("is stretched or shrunk by up to `openJitter`", () =>
    Effect.gen(function* () {
      expect(yield* lengthWith(0)).toBe(9_000)
      expect(yield* lengthWith(0.5)).toBe(10_000)
      expect(yield* lengthWith(0.75)).toBe(10_500)
      expect(yield* lengthWith(0.999_999)).toBe(11_000)
    })
  )

  it.scoped("takes one random number each, and a call that changes nothing takes none", () => {
    const chance = new Chance([0, 0.25, 0.75])
    return Effect.gen(function* () {
      const breaker = yield* CircuitBreaker.make("payment", {
        tripPolicy: CircuitBreaker.consecutive(1),
        openDuration: "10 seconds"
      })
      const fails = Effect.exit(breaker.protect(new Unavailable({})))
      const lengths: Array<number | undefined> = []
      for (const _ of [1, 2, 3]) {
        yield* breaker.protect(Effect.void)
        yield* fails
        yield* fails
        const left = retryAfterMillis(yield* breaker.snapshot)
        lengths.push(left)
        yield* TestClock.adjust(left ?? 0)
      }
      expect(lengths).toEqual([9_000, 9_500, 10_500])
      expect(chance.drawn).toBe(4)
    }).pipe(chance.rule)
  })

  it.scoped("takes a number of its own when a hung probe reopens the circuit", () =>
    Effect.gen(function* () {
      const breaker = yield* CircuitBreaker.make("payment", {
        tripPolicy: CircuitBreaker.consecutive(1),
        openDuration: "10 seconds",
        halfOpen: { timeout: "1 second" }
      })
      yield* Effect.exit(breaker.protect(new Unavailable({})))
      yield* TestClock.adjust("9 seconds")
      yield* begin(breaker.protect(Effect.never))
      yield* TestClock.adjust("1 seconds")
      expect(retryAfterMillis(yield* Effect.flip(breaker.protect(Effect.void)))).toBe(9_500)
      yield* TestClock.adjust("9500 millis")
      yield* Effect.exit(breaker.protect(new Unavailable({})))
      expect(retryAfterMillis(yield* breaker.snapshot)).toBe(10_500)
    }).pipe(new Chance([0, 0.25, 0.75]).rule)
  )

  it.scoped("is what the dependency asked for when that is longer, up to `maxOpenDuration`", () =>
    Effect.gen(function* () {
      const lengthAsked = (retryAfter: Duration.Duration) =>
        Effect.gen(function* () {
          const breaker = yield* CircuitBreaker.make("payment", {
            tripPolicy: CircuitBreaker.consecutive(1),
            openJitter: 0
          })
          yield* Effect.exit(breaker.protect(new Unavailable({ retryAfter })))
          return retryAfterMillis(yield* breaker.snapshot)
        })
      expect(yield* lengthAsked(Duration.seconds(29))).toBe(30_000)
      expect(yield* lengthAsked(Duration.seconds(31))).toBe(31_000)
      expect(yield* lengthAsked(Duration.minutes(6))).toBe(300_000)
    })
  )
})

describe("the number of openings in a row", () => {
  const fails = (breaker: CircuitBreaker.CircuitBreaker) => Effect.exit(breaker.protect(new Unavailable({})))

  it.scoped("survives a close", () =>
    Effect.gen(function* () {
      const breaker = yield* due()
      yield* breaker.protect(Effect.void)
      yield* TestClock.adjust("29999 millis")
      expect(yield* breaker.snapshot).toMatchObject({ state: "Closed", openings: 1 })
      yield* fails(breaker)
      expect(yield* breaker.snapshot).toMatchObject({ state: "Open", openings: 2 })
    })
  )

  it.scoped("starts anew once the circuit has stayed closed as long as it was last open", () =>
    Effect.gen(function* () {
      const breaker = yield* due()
      yield* breaker.protect(Effect.void)
      yield* TestClock.adjust("30 seconds")
      expect(yield* breaker.snapshot).toMatchObject({ state: "Closed", openings: 0 })
      yield* fails(breaker)
      expect(yield* breaker.snapshot).toMatchObject({ state: "Open", openings: 1 })
    })
  )
})
