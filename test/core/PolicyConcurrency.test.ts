/** An adaptive limit in a standard policy: where it stands, and what the layers around it make of it. */
import { Backoff, CircuitBreaker, Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Option, Random, TestClock } from "effect"
import { Dependency, Unavailable } from "../support/Dependency.js"
import { begin, ended, failureOf } from "../support/Passing.js"

const noRetry = { retry: "none", retryBudget: "none" } as const

const limiterOf = (policy: Policy.Standard) => Option.getOrThrow(policy.adaptiveLimiter)

describe("the adaptive limit of a standard policy", () => {
  it.scoped("takes the place of the bulkhead, unless that is given, and is not there by default", () =>
    Effect.gen(function* () {
      const usual = yield* Policy.standard("api", {})
      expect([Option.isSome(usual.bulkhead), Option.isSome(usual.adaptiveLimiter)]).toEqual([true, false])
      const adaptive = yield* Policy.standard("api", { concurrency: "adaptive" })
      expect(adaptive.bulkhead).toEqual(Option.none())
      expect(yield* limiterOf(adaptive).snapshot).toMatchObject({ limit: 20, inFlight: 0 })
      const both = yield* Policy.standard("api", { concurrency: { initial: 3 }, bulkhead: { maxConcurrent: 2 } })
      yield* Effect.replicateEffect(begin(both.protect(Effect.never)), 2)
      expect(yield* limiterOf(both).snapshot).toMatchObject({ limit: 3, inFlight: 2 })
      expect(yield* Effect.flip(both.protect(Effect.void))).toMatchObject({ _tag: "BulkheadFull", limit: 2 })
    })
  )

  it.scoped(
    "is for attempts: none is held while a call waits to be repeated, and what it refuses is not repeated",
    () =>
      Effect.gen(function* () {
        const dependency = new Dependency()
        const policy = yield* Policy.standard("api", {
          retry: { maxRetries: 1, backoff: Backoff.constant("1 second") },
          retryBudget: "none",
          circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(1) },
          concurrency: { max: 1 }
        })
        const failing = yield* begin(Effect.exit(policy.protect(dependency.fails())))
        expect([dependency.asked, (yield* limiterOf(policy).snapshot).inFlight]).toEqual([1, 0])
        const other = yield* begin(policy.protect(dependency.hangs()))
        expect((yield* limiterOf(policy).snapshot).inFlight).toBe(1)
        yield* TestClock.adjust("1 second")
        // The repetition found the one permit taken: the caller is told so, and it is no failure of the dependency.
        expect(failureOf(yield* Fiber.join(failing))).toMatchObject({ _tag: "BulkheadFull", limit: 1 })
        expect(dependency.asked).toBe(2)
        expect((yield* Option.getOrThrow(policy.circuitBreaker).snapshot).state).toBe("Closed")
        yield* Fiber.interrupt(other)
      })
  )

  it.scoped("learns from attempts without their waits", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("api", {
        ...noRetry,
        circuitBreaker: "none",
        rateLimit: { limit: 1, window: "1 second", onExceeded: "wait" },
        concurrency: { algorithm: "vegas", initial: 10 }
      })
      const call = policy.protect(Effect.sleep("100 millis"))
      const fibers = yield* Effect.replicateEffect(begin(call), 3)
      yield* TestClock.adjust("1900 millis")
      expect((yield* limiterOf(policy).snapshot).inFlight).toBe(0)
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.joinAll(fibers)
      expect((yield* limiterOf(policy).snapshot).baseline).toEqual(Option.some(Duration.millis(100)))
    })
  )

  it.scoped("takes an attempt that timed out for a drop, and lets the deadline end a wait in line", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("api", {
        ...noRetry,
        deadline: "3 seconds",
        timeout: "1 second",
        circuitBreaker: "none",
        concurrency: { algorithm: "aimd", initial: 2, maxQueue: 10 }
      })
      const dependency = new Dependency()
      yield* Effect.replicateEffect(begin(Effect.exit(policy.protect(dependency.hangs()))), 2)
      yield* TestClock.adjust("1 second")
      expect(yield* limiterOf(policy).snapshot).toMatchObject({ limit: 1, inFlight: 0 })
      yield* begin(policy.protect(Effect.uninterruptible(Effect.sleep("1 hour"))))
      const waiting = yield* begin(policy.protect(dependency.answers()))
      yield* TestClock.adjust("2999 millis")
      expect((yield* limiterOf(policy).snapshot).waiting).toBe(1)
      yield* TestClock.adjust("1 millis")
      expect(failureOf(yield* ended(waiting))).toMatchObject({ _tag: "DeadlineExceeded", where: "waiting" })
      expect(dependency.asked).toBe(2)
      yield* TestClock.adjust("1 hour")
    })
  )

  it.scoped("goes by the classifier of the call, and takes no permit for what the throttle refuses", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("api", {
        ...noRetry,
        circuitBreaker: "none",
        throttle: { maxRejection: 1 },
        concurrency: { algorithm: "aimd", initial: 50 }
      })
      const retryAfter = Option.some(Duration.seconds(1))
      const ill = policy.with({ classify: () => ({ _tag: "Failure", transient: true, retryAfter }) })
      yield* ill.protect(Effect.succeed("ill"))
      expect(yield* limiterOf(policy).snapshot).toMatchObject({ limit: 45 })
      yield* Effect.replicateEffect(Effect.exit(policy.protect(Effect.fail(new Unavailable({})))), 30)
      const refused = yield* Effect.exit(policy.protect(Effect.void).pipe(Effect.withRandom(Random.fixed([0]))))
      expect(failureOf(refused)).toMatchObject({ _tag: "Throttled" })
      expect((yield* limiterOf(policy).snapshot).inFlight).toBe(0)
    })
  )
})

describe("an explanation", () => {
  const rules = (options: Policy.StandardOptions) => Policy.explain("api", options).traps.map(({ rule }) => rule)

  it("has the adaptive limit where it stands", () => {
    const { layers, traps } = Policy.explain("api", {
      rateLimit: { limit: 5, window: "1 second" },
      concurrency: { max: 80, maxQueue: 4, maxWait: "1 second" }
    })
    expect(layers.map(({ layer }) => layer)).not.toContain("bulkhead")
    expect(layers.slice(-3)).toMatchObject([
      { layer: "rate limit" },
      {
        layer: "adaptive limit",
        does: "1 to 80 attempts at a time, 20 at first (knee), 4 may wait, 1s at most"
      },
      { layer: "timeout" }
    ])
    expect(traps).toEqual([])
  })

  it("finds a limit above the pool, alone and shared", () => {
    const pool = { name: "db", size: 50 }
    expect(Policy.explain("api", { concurrency: "adaptive", pool }).traps).toMatchObject([
      { rule: "pool", fix: "set concurrency.max to at most 50" }
    ])
    expect(rules({ concurrency: { max: 50 }, pool })).toEqual([])
    expect(rules({ concurrency: "adaptive", bulkhead: { maxConcurrent: 40 }, pool })).toEqual([])
    const beside = [{ name: "other", options: { pool, bulkhead: { maxConcurrent: 20 } } }]
    const shared = Policy.explain("api", { concurrency: { max: 40 }, pool }, { beside })
    expect(shared.traps).toMatchObject([{ rule: "shared-pool", message: expect.stringContaining("40 + 20") }])
  })

  it("finds a wait longer than the deadline, attempts that nothing ends, and a limit that a bulkhead leaves nothing to do", () => {
    expect(Policy.explain("api", { concurrency: { maxQueue: 5 } }).traps).toMatchObject([
      { rule: "queue", fix: expect.stringContaining("concurrency.maxWait") }
    ])
    const endless = { timeout: "none", deadline: "none" } as const
    expect(rules({ ...endless, ...noRetry, concurrency: "adaptive" })).toEqual(["no-timeout", "adaptive-limit"])
    expect(rules({ concurrency: { min: 10 }, bulkhead: { maxConcurrent: 10 } })).toEqual(["adaptive-limit"])
    expect(rules({ concurrency: { min: 10 }, bulkhead: { maxConcurrent: 11 } })).toEqual([])
  })

  it("is refused with all options that are out of range", () => {
    const wrong = { concurrency: { min: 0, max: 0, initial: 5000, maxQueue: -1 } } as const
    const options = ["concurrency.min", "concurrency.max", "concurrency.initial", "concurrency.maxQueue"]
    expect(() => Policy.explain("api", wrong)).toThrow(
      expect.objectContaining({ problems: options.map((option) => expect.objectContaining({ option })) })
    )
  })
})
