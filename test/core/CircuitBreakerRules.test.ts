import { Backoff, CircuitBreaker, InvalidOptions, Policy, Retry } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Duration, Effect, Exit, Fiber, Schedule, TestClock } from "effect"
import { Chance } from "../support/Chance.js"
import { Dependency, Unavailable } from "../support/Dependency.js"
import { begin, during, retryAfterMillis } from "../support/Passing.js"
import { script } from "../support/Play.js"

const window = CircuitBreaker.count(10)
const slow = CircuitBreaker.slow({ threshold: 0.5, slowerThan: "100 millis", window, minimumCalls: 4 })

const make = (tripPolicy: CircuitBreaker.TripPolicy, options: CircuitBreaker.Options = {}) =>
  CircuitBreaker.make("payment", { tripPolicy, openDuration: "30 seconds", openJitter: 0, ...options })

/** A call that is answered after so long. */
const lasting = (breaker: CircuitBreaker.CircuitBreaker, millis: number, payment = new Dependency()) =>
  during(millis, breaker.protect(payment.ask(Effect.as(Effect.sleep(millis), "answer"))))

const fails = (breaker: CircuitBreaker.CircuitBreaker) => Effect.exit(breaker.protect(new Unavailable({})))

/** What is said of options that `make` dies of. */
const problems = <A, E, R>(making: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.exit(making), (exit) => {
    const [defect] = Exit.isFailure(exit) ? [...Cause.defects(exit.cause)] : []
    return defect instanceof InvalidOptions.InvalidOptions ? defect.problems : []
  })

describe("slow", () => {
  it.scoped("opens when as many calls as its threshold lasted that long, though all of them succeeded", () =>
    Effect.gen(function* () {
      const breaker = yield* make(slow)
      const payment = new Dependency()
      for (const millis of [99, 100, 99])
        expect(yield* lasting(breaker, millis, payment)).toEqual(Exit.succeed("answer"))
      expect(yield* breaker.snapshot).toMatchObject({
        state: "Closed",
        calls: 3,
        failures: 0,
        slow: 1,
        slowRate: 1 / 3
      })
      expect(yield* lasting(breaker, 100, payment)).toEqual(Exit.succeed("answer"))
      const refused = yield* Effect.flip(breaker.protect(payment.answers()))
      expect(refused).toMatchObject({ state: "Open", reason: { _tag: "Slow", slow: 2, calls: 4, threshold: 0.5 } })
      expect(refused.message).toContain("2 of 4 calls took 100 ms or longer, threshold 0.5")
      expect(payment.asked).toBe(4)
    })
  )

  it.scoped("counts failures that were slow, and not those that were quick", () =>
    Effect.gen(function* () {
      const breaker = yield* make(slow)
      for (let n = 0; n < 8; n++) yield* fails(breaker)
      expect(yield* breaker.snapshot).toMatchObject({ state: "Closed", calls: 8, slow: 0 })
      const late = Effect.zipRight(Effect.sleep("100 millis"), new Unavailable({}))
      for (let n = 0; n < 5; n++) yield* during("100 millis", breaker.protect(late))
      expect(yield* breaker.state).toBe("Open")
    })
  )

  it.scoped("reopens the circuit after a probe that succeeds slowly, and closes it after a quick one", () =>
    Effect.gen(function* () {
      const breaker = yield* make(CircuitBreaker.any(CircuitBreaker.consecutive(1), slow))
      yield* fails(breaker)
      yield* TestClock.adjust("30 seconds")
      expect(yield* lasting(breaker, 100)).toEqual(Exit.succeed("answer"))
      expect(yield* Effect.flip(breaker.protect(Effect.void))).toMatchObject({
        state: "Open",
        reason: { _tag: "ProbeSlow", lastedMillis: 100, slowerThanMillis: 100 }
      })
      yield* TestClock.adjust("30 seconds")
      yield* lasting(breaker, 99)
      expect(yield* breaker.state).toBe("Closed")
    })
  )

  it("needs 20 calls by default, or as many as a small window holds", () => {
    const of = (over: CircuitBreaker.WindowOptions) =>
      CircuitBreaker.slow({ threshold: 0.5, slowerThan: 1, window: over }).minimumCalls
    expect([of(CircuitBreaker.time("1 minute")), of(CircuitBreaker.count(100)), of(window)]).toEqual([20, 20, 10])
  })
})

describe("any", () => {
  const rate = CircuitBreaker.rate({ threshold: 0.5, window, minimumCalls: 4 })

  it.scoped("opens by whichever rule is first, and names it", () =>
    Effect.gen(function* () {
      const reasonAfter = (calls: (breaker: CircuitBreaker.CircuitBreaker) => Effect.Effect<unknown>) =>
        Effect.gen(function* () {
          const breaker = yield* make(CircuitBreaker.any(rate, CircuitBreaker.consecutive(3), slow))
          yield* calls(breaker)
          return yield* Effect.map(Effect.flip(breaker.protect(Effect.void)), ({ reason }) => reason._tag)
        })
      const four = [1, 2, 3, 4]
      expect(yield* reasonAfter((breaker) => Effect.forEach([1, 2, 3], () => fails(breaker)))).toBe("Consecutive")
      expect(yield* reasonAfter((breaker) => Effect.forEach(four, () => lasting(breaker, 100)))).toBe("Slow")
      expect(
        yield* reasonAfter((breaker) =>
          Effect.forEach(four, (n) => Effect.exit(breaker.protect(n % 2 === 0 ? Effect.void : new Unavailable({}))))
        )
      ).toBe("Rate")
    })
  )

  it.scoped("shows the failures of its first rule on failures, and the slow calls of its first on those", () =>
    Effect.gen(function* () {
      const breaker = yield* make(CircuitBreaker.any(slow, rate))
      yield* fails(breaker)
      yield* lasting(breaker, 100)
      yield* lasting(breaker, 1)
      const third = 1 / 3
      expect(yield* breaker.snapshot).toMatchObject({
        calls: 3,
        failures: 1,
        failureRate: third,
        slow: 1,
        slowRate: third
      })
    })
  )

  it.scoped("refuses to be empty, and names each rule that cannot be meant by its place", () =>
    Effect.gen(function* () {
      const of = (tripPolicy: CircuitBreaker.TripPolicy) => problems(make(tripPolicy))
      expect(yield* of(CircuitBreaker.any())).toMatchObject([
        { option: "tripPolicy.rules", allowed: "at least one rule" }
      ])
      const bad = { threshold: 2, slowerThan: 0, window: CircuitBreaker.count(3), minimumCalls: 3 }
      expect(yield* of(CircuitBreaker.any(rate, CircuitBreaker.slow(bad)))).toMatchObject([
        { option: "tripPolicy.rules[1].slowerThan", value: "0" },
        { option: "tripPolicy.rules[1].threshold", value: "2" }
      ])
      const unreachable = CircuitBreaker.slow({ ...bad, threshold: 1, slowerThan: 1, minimumCalls: 4 })
      expect(yield* of(unreachable)).toMatchObject([{ option: "tripPolicy.minimumCalls", value: "4" }])
      expect(yield* of(CircuitBreaker.any(unreachable))).toMatchObject([{ option: "tripPolicy.rules[0].minimumCalls" }])
    })
  )
})

describe("patience", () => {
  /** Whether a call that is cut short after so long counts as a failure. */
  const countsAfter = (millis: number, options: CircuitBreaker.Options) =>
    Effect.gen(function* () {
      const breaker = yield* CircuitBreaker.make("payment", options)
      const call = yield* begin(breaker.protect(Effect.never))
      yield* TestClock.adjust(millis)
      yield* Fiber.interrupt(call)
      return (yield* breaker.snapshot).failures === 1
    })
  const other = CircuitBreaker.slow({ threshold: 0.5, slowerThan: "300 millis", window })
  const tripPolicy = CircuitBreaker.any(CircuitBreaker.consecutive(9), other, slow)

  it.scoped("is what the strictest rule on slow calls calls slow, unless it is told", () =>
    Effect.gen(function* () {
      expect(yield* countsAfter(99, { tripPolicy })).toBe(false)
      expect(yield* countsAfter(100, { tripPolicy })).toBe(true)
      expect(yield* countsAfter(199, { tripPolicy, patience: "200 millis" })).toBe(false)
      expect(yield* countsAfter(200, { tripPolicy, patience: "200 millis" })).toBe(true)
    })
  )

  it.scoped("is so in a standard policy too, in place of half its timeout", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", { timeout: "2 seconds", circuitBreaker: { tripPolicy } })
      const breaker = yield* Effect.orDie(policy.circuitBreaker)
      for (const millis of [99, 100]) {
        const call = yield* begin(policy.protect(Effect.never))
        yield* TestClock.adjust(millis)
        yield* Fiber.interrupt(call)
      }
      expect(yield* breaker.snapshot).toMatchObject({ calls: 1, failures: 1 })
    })
  )
})

describe("openDuration", () => {
  /** How long the first openings in a row last, each ended by a probe that fails. */
  const lengths = (n: number, openDuration: CircuitBreaker.OpenDuration) =>
    Effect.gen(function* () {
      const breaker = yield* make(CircuitBreaker.consecutive(1), { openDuration, halfOpen: { timeout: "1 hour" } })
      const found: Array<number | undefined> = []
      for (let opening = 1; opening <= n; opening++) {
        yield* fails(breaker)
        const left = retryAfterMillis(yield* breaker.snapshot)
        found.push(left)
        yield* TestClock.adjust(left ?? 0)
      }
      return found
    })

  it.scoped("may be a function of the opening's number, of which the 32nd value repeats", () =>
    Effect.gen(function* () {
      const asked: Array<number> = []
      const found = yield* lengths(34, (opening) => {
        asked.push(opening)
        return Duration.millis(opening * 10)
      })
      expect(found.slice(0, 3)).toEqual([10, 20, 30])
      expect(found.slice(30)).toEqual([310, 320, 320, 320])
      expect(asked).toEqual(Array.from({ length: 32 }, (_, n) => n + 1))
    })
  )

  it.scoped("may be a schedule, which is stepped while no time passes", () =>
    Effect.gen(function* () {
      const growing = Schedule.union(Schedule.exponential("1 second"), Schedule.spaced("5 seconds"))
      const before = yield* TestClock.currentTimeMillis
      const making = yield* begin(make(CircuitBreaker.consecutive(1), { openDuration: growing }))
      yield* Fiber.join(making)
      expect(yield* TestClock.currentTimeMillis).toBe(before)
      expect(yield* lengths(5, growing)).toEqual([1_000, 2_000, 4_000, 5_000, 5_000])
    })
  )

  it.scoped("of a schedule that ends repeats its last delay; of one of 32 delays and of a longer one the 32nd", () =>
    Effect.gen(function* () {
      const growing = Schedule.linear("1 second")
      const until = (n: number) => Schedule.intersect(growing, Schedule.recurs(n))
      expect(yield* lengths(4, until(2))).toEqual([1_000, 2_000, 2_000, 2_000])
      expect((yield* lengths(34, until(31))).slice(29)).toEqual([30_000, 31_000, 31_000, 31_000, 31_000])
      expect((yield* lengths(34, until(32))).slice(30)).toEqual([31_000, 32_000, 32_000, 32_000])
      expect((yield* lengths(34, growing)).slice(30)).toEqual([31_000, 32_000, 32_000, 32_000])
    })
  )

  it.scoped("gives a hung probe as long as the first opening, where nobody says how long", () =>
    Effect.gen(function* () {
      const breaker = yield* make(CircuitBreaker.consecutive(1), { openDuration: Schedule.linear("1 second") })
      yield* fails(breaker)
      yield* TestClock.adjust("1 second")
      yield* begin(breaker.protect(Effect.never))
      yield* TestClock.adjust("999 millis")
      expect(yield* breaker.state).toBe("HalfOpen")
      yield* TestClock.adjust("1 millis")
      expect(retryAfterMillis(yield* breaker.snapshot)).toBe(2_000)
    })
  )

  it.scoped("starts anew when the circuit stayed closed as long as it was open, and is stretched by the jitter", () =>
    Effect.gen(function* () {
      const breaker = yield* make(CircuitBreaker.consecutive(1), {
        openDuration: (opening) => opening * 1_000,
        openJitter: 0.5
      })
      const open = Effect.zipRight(fails(breaker), Effect.map(breaker.snapshot, retryAfterMillis))
      expect(yield* open).toBe(1_500)
      yield* TestClock.adjust("1500 millis")
      expect(yield* open).toBe(3_000)
      yield* TestClock.adjust("3 seconds")
      yield* breaker.protect(Effect.void)
      yield* TestClock.adjust("3 seconds")
      expect(yield* open).toBe(1_500)
    }).pipe(new Chance([0.999_999]).rule)
  )

  it.scoped("kills `make`, and names the opening, where a value is out of range, or the function throws", () =>
    Effect.gen(function* () {
      const of = (openDuration: CircuitBreaker.OpenDuration) =>
        problems(make(CircuitBreaker.consecutive(1), { openDuration }))
      const wrong = (opening: number, value: string) => [{ option: `openDuration(${opening})`, value }]
      expect(yield* of((opening) => (opening === 3 ? 0 : 1))).toMatchObject(wrong(3, "0"))
      expect(yield* of((opening) => 32 - opening)).toMatchObject(wrong(32, "0"))
      expect(yield* of((opening) => 33 - opening)).toEqual([])
      const throws = (opening: number) => {
        if (opening === 2) throw new Error("no such opening")
        return 1
      }
      expect(yield* of(throws)).toMatchObject(wrong(2, "thrown: Error: no such opening"))
      expect(yield* of(Schedule.exponential("1 second"))).toMatchObject(wrong(23, "48d 13h 5m 4s"))
      expect(yield* of(Schedule.recurs(3))).toMatchObject(wrong(1, "0"))
      expect(yield* of(Schedule.stop)).toMatchObject([
        { option: "openDuration", value: "a schedule that ends at once" }
      ])
      const standard = Policy.standard("p", { circuitBreaker: { openDuration: (opening) => 3 - opening } })
      expect(yield* problems(standard)).toMatchObject([{ option: "circuitBreaker.openDuration(3)" }])
      const scheduled = Policy.standard("p", { circuitBreaker: { openDuration: Schedule.stop } })
      expect(yield* problems(scheduled)).toMatchObject([{ option: "circuitBreaker.openDuration" }])
    })
  )

  it("is told by an explanation as far as it is known", () => {
    const told = (openDuration: CircuitBreaker.OpenDuration) =>
      Policy.explain("p", { circuitBreaker: { openDuration } }).layers.find(({ layer }) => layer === "circuit breaker")
        ?.does
    expect(told("5 seconds")).toMatch(/, for 5s$/)
    expect(told(() => "5 seconds")).toMatch(/, for 5s$/)
    expect(told((opening) => (opening === 1 ? "1 second" : "1 minute"))).toMatch(/, for 1s at first, then 1m$/)
    expect(told((opening) => opening * 1_000)).toMatch(/, for 1s at first, then 2s, in the end 32s$/)
    expect(told(Schedule.exponential(1))).toMatch(/, for as long as its schedule says$/)
  })
})

describe("how long a call lasted", () => {
  it.scoped("is for a breaker alone all that it protects, waits between attempts too", () =>
    Effect.gen(function* () {
      const breaker = yield* make(slow)
      const retry = yield* Retry.make("payment", { maxRetries: 1, backoff: Backoff.constant("100 millis") })
      const payment = script(new Unavailable({}), Effect.succeed("answer"))
      yield* during("100 millis", breaker.protect(retry.protect(payment.call)))
      expect(payment.at).toEqual([0, 100])
      expect(yield* breaker.snapshot).toMatchObject({ calls: 1, failures: 0, slow: 1 })
    })
  )
})
