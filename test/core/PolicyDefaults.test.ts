import { CircuitBreaker, Deadline, Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Option, TestClock } from "effect"
import { Chance } from "../support/Chance.js"
import { Dependency, Unavailable } from "../support/Dependency.js"
import { begin, failureOf, retryAfterMillis } from "../support/Passing.js"
import { play, script } from "../support/Play.js"

const circuitOf = (policy: Policy.Standard) => Effect.orDie(policy.circuitBreaker)

const unavailable = Effect.fail(new Unavailable({}))

/** Decides that every wait is as long as it can be, and that openings are `0.9999` of the way to their longest. */
const longest = new Chance([0.999_999]).rule

describe("a standard policy that was told nothing", () => {
  it.scoped("makes three attempts, with waits of up to 100 ms and 200 ms", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment")
      const payment = script(unavailable)
      yield* play(policy.protect(payment.call), "10 seconds")
      expect(payment.at).toEqual([0, 100, 300])
    }).pipe(longest)
  )

  it.scoped("waits with full jitter, from no time at all, and never longer than 2 s", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment")
      const payment = script(unavailable)
      yield* play(policy.protect(payment.call), "10 seconds")
      expect(payment.at).toEqual([0, 0, 0])
      const often = yield* Policy.standard("payment", { deadline: "1 hour", retry: { maxRetries: 7 } })
      const other = script(unavailable)
      yield* play(often.protect(other.call), "1 minute").pipe(longest)
      const waits = other.at.map((at, n) => at - (other.at[n - 1] ?? at)).slice(1)
      expect(waits).toEqual([100, 200, 400, 800, 1_600, 2_000, 2_000])
    }).pipe(new Chance([0]).rule)
  )

  it.scoped("gives each attempt 2 s, and all of it 10 s", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment")
      const payment = script(Effect.never)
      const played = yield* play(policy.protect(payment.call), "1 minute")
      expect(payment.at).toEqual([0, 2_100, 4_300])
      expect(played.at).toBe(6_300)
      expect(yield* policy.protect(Deadline.remaining)).toEqual(Option.some(Duration.seconds(10)))
    }).pipe(longest)
  )

  it.scoped("opens at 10 failures of 20 calls within 30 s, for 30 s and a tenth more or less", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", { retry: "none" })
      const circuit = yield* circuitOf(policy)
      for (let n = 0; n < 10; n++) yield* policy.protect(Effect.void)
      for (let n = 0; n < 9; n++) yield* Effect.exit(policy.protect(unavailable))
      expect(yield* circuit.snapshot).toMatchObject({ state: "Closed", calls: 19, failures: 9 })
      yield* TestClock.adjust("26999 millis")
      yield* Effect.exit(policy.protect(unavailable))
      expect(yield* circuit.state).toBe("Open")
      expect(yield* Effect.flip(circuit.protect(Effect.void))).toMatchObject({
        reason: { _tag: "Rate", failures: 10, calls: 20, threshold: 0.5 }
      })
      expect(retryAfterMillis(yield* circuit.snapshot)).toBe(33_000)
    }).pipe(longest)
  )

  it.scoped("forgets failures after 30 s", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", { retry: "none" })
      const circuit = yield* circuitOf(policy)
      for (let n = 0; n < 19; n++) yield* Effect.exit(policy.protect(unavailable))
      yield* TestClock.adjust("30 seconds")
      yield* Effect.exit(policy.protect(unavailable))
      expect(yield* circuit.snapshot).toMatchObject({ state: "Closed", calls: 1, failures: 1 })
    })
  )

  it.scoped("lets 50 calls run at a time, and nobody wait", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment")
      const payment = new Dependency()
      const calls = Array.from({ length: 51 }, () => Effect.exit(policy.protect(payment.hangs())))
      yield* begin(Effect.all(calls, { concurrency: "unbounded" }))
      const bulkhead = yield* Effect.orDie(policy.bulkhead)
      expect(yield* bulkhead.snapshot).toEqual({ active: 50, queued: 0, limit: 50 })
      expect(payment.asked).toBe(50)
    })
  )

  it.scoped("probes with one call at a time, closes after one success, and gives a probe up after its deadline", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", {
        circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(1), openJitter: 0 }
      })
      const circuit = yield* circuitOf(policy)
      yield* Effect.exit(circuit.protect(unavailable))
      yield* TestClock.adjust("30 seconds")
      const deaf = yield* begin(circuit.protect(Effect.never))
      expect(failureOf(yield* Effect.exit(policy.protect(Effect.void)))).toMatchObject({ reason: { probes: 1 } })
      yield* TestClock.adjust("9999 millis")
      expect(yield* circuit.state).toBe("HalfOpen")
      yield* TestClock.adjust("1 millis")
      expect(yield* circuit.state).toBe("Open")
      yield* Fiber.interrupt(deaf)
      yield* TestClock.adjust("30 seconds")
      yield* policy.protect(Effect.void)
      expect(yield* circuit.state).toBe("Closed")
    })
  )

  it.scoped("obeys a wish of up to 30 s for a retry, and of up to 5 minutes for an opening", () =>
    Effect.gen(function* () {
      const asking = (seconds: number) => Effect.fail(new Unavailable({ retryAfter: Duration.seconds(seconds) }))
      const attempts = (seconds: number) =>
        Effect.gen(function* () {
          const policy = yield* Policy.standard("payment", { deadline: "1 hour" })
          const payment = script(asking(seconds))
          yield* play(policy.protect(payment.call), "3 minutes")
          return payment.at.length
        })
      const opening = (seconds: number) =>
        Effect.gen(function* () {
          const circuitBreaker = { tripPolicy: CircuitBreaker.consecutive(1) }
          const policy = yield* Policy.standard("payment", { retry: "none", circuitBreaker })
          yield* Effect.exit(policy.protect(asking(seconds)))
          return retryAfterMillis(yield* Effect.flatMap(circuitOf(policy), (circuit) => circuit.snapshot))
        })
      expect([yield* attempts(30), yield* attempts(31)]).toEqual([3, 1])
      expect([yield* opening(299), yield* opening(1_000)]).toEqual([299_000, 300_000])
    })
  )
})

describe("what a policy does without", () => {
  it.scoped('is spelled "none", each by itself', () =>
    Effect.gen(function* () {
      const bare = yield* Policy.standard("payment", {
        deadline: "none",
        timeout: "none",
        retry: "none",
        circuitBreaker: "none",
        bulkhead: "none"
      })
      expect([bare.circuitBreaker, bare.bulkhead]).toEqual([Option.none(), Option.none()])
      const payment = new Dependency()
      const calls = Array.from({ length: 100 }, () => bare.protect(payment.ask(Effect.sleep("1 hour"))))
      const all = yield* begin(Effect.all(calls, { concurrency: "unbounded" }))
      expect(payment.running).toBe(100)
      expect(yield* bare.protect(Deadline.remaining)).toEqual(Option.none())
      yield* Fiber.interrupt(all)
      const failing = yield* play(bare.protect(payment.fails()), "1 hour")
      expect(failureOf(failing.exit)).toBeInstanceOf(Unavailable)
      expect(payment.asked).toBe(101)
    })
  )

  it.scoped("takes nothing else away", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", { timeout: "none", bulkhead: "none" })
      expect(Option.isSome(policy.circuitBreaker)).toBe(true)
      const played = yield* play(policy.protect(Effect.never), "1 minute")
      expect(failureOf(played.exit)).toMatchObject({ _tag: "DeadlineExceeded" })
      expect(played.at).toBe(10_000)
    })
  )
})

describe("defaults that follow from other options", () => {
  const limit = (options: Policy.StandardOptions) =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", { retry: "none", ...options })
      const budget = yield* policy.protect(Deadline.remaining)
      const { exit } = yield* play(policy.protect(Effect.never), "1 hour")
      return [Option.map(budget, Duration.toMillis), failureOf(exit)]
    })

  it.scoped("a deadline below 2 s is the limit of an attempt too", () =>
    Effect.gen(function* () {
      const [budget, error] = yield* limit({ deadline: "500 millis" })
      expect(budget).toEqual(Option.some(500))
      expect(error).toMatchObject({ _tag: "TimedOut", limit: Duration.millis(500) })
    })
  )

  it.scoped("a timeout above 10 s is the deadline too", () =>
    Effect.gen(function* () {
      const [budget, error] = yield* limit({ timeout: "20 seconds" })
      expect(budget).toEqual(Option.some(20_000))
      expect(error).toMatchObject({ _tag: "TimedOut", limit: Duration.seconds(20) })
    })
  )
})
