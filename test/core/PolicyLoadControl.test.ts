/** A throttle and a rate limit in a standard policy: where they stand, and what the layers around them make of them. */
import { Backoff, CircuitBreaker, Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Option, Random, TestClock } from "effect"
import { Dependency } from "../support/Dependency.js"
import { Listener } from "../support/Listener.js"
import { begin, ended, failureOf } from "../support/Passing.js"

const drawing = (number: number) => Effect.withRandom(Random.fixed([number]))
const noRetry = { retry: "none", retryBudget: "none" } as const
const atOnce = { retry: { maxRetries: 3, backoff: Backoff.constant(0) }, retryBudget: "none" } as const
const trips = { tripPolicy: CircuitBreaker.consecutive(1) } as const

const stateOf = (policy: Policy.Standard) =>
  Effect.map(Option.getOrThrow(policy.circuitBreaker).snapshot, ({ state }) => state)

describe("the rate limit of a standard policy", () => {
  it.scoped("counts every attempt, and what it refuses is neither repeated nor a failure", () => {
    const listener = new Listener()
    return Effect.gen(function* () {
      const dependency = new Dependency()
      const policy = yield* Policy.standard("api", {
        ...atOnce,
        circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(2) },
        rateLimit: { limit: 3, window: "1 second" }
      })
      const exit = yield* Effect.exit(policy.protect(dependency.fails()))
      expect(failureOf(exit)).toMatchObject({ _tag: "RateLimited", policy: "api" })
      expect(dependency.asked).toBe(3)
      const refused = yield* Effect.replicateEffect(Effect.exit(policy.protect(dependency.answers())), 5)
      expect(refused.every(Exit.isFailure)).toBe(true)
      expect([dependency.asked, yield* stateOf(policy)]).toEqual([3, "Closed"])
      expect(listener.of("CallRejected").map(({ by }) => by)).toEqual(Array.from({ length: 6 }, () => "rateLimit"))
      yield* TestClock.adjust("1 second")
      expect(yield* policy.protect(dependency.answers())).toBe("answer")
    }).pipe(listener.hear)
  })

  it.scoped("takes nothing for calls that an open circuit refuses", () =>
    Effect.gen(function* () {
      const dependency = new Dependency()
      const policy = yield* Policy.standard("api", {
        ...noRetry,
        circuitBreaker: { ...trips, openDuration: "1 hour" },
        rateLimit: { limit: 10, window: "1 hour" }
      })
      yield* Effect.exit(policy.protect(dependency.fails()))
      yield* Effect.replicateEffect(Effect.exit(policy.protect(dependency.answers())), 20)
      expect((yield* Option.getOrThrow(policy.rateLimiter).snapshot).available).toBe(9)
    })
  )

  it.scoped("lets wait who may, outside the attempt's limit, and counts the wait neither as slow nor as time out", () =>
    Effect.gen(function* () {
      const dependency = new Dependency()
      const policy = yield* Policy.standard("api", {
        ...noRetry,
        timeout: "1 second",
        circuitBreaker: {
          tripPolicy: CircuitBreaker.slow({
            threshold: 1,
            slowerThan: "2 seconds",
            window: CircuitBreaker.count(1),
            minimumCalls: 1
          })
        },
        rateLimit: { limit: 1, window: "3 seconds", onExceeded: "wait", maxWait: "5 seconds" }
      })
      const call = policy.protect(dependency.answers())
      expect(yield* call).toBe("answer")
      const waiting = yield* begin(call)
      const late = yield* begin(Effect.flip(call))
      expect((yield* Fiber.join(late))._tag).toBe("RateLimited")
      yield* TestClock.adjust("2999 millis")
      expect(dependency.asked).toBe(1)
      yield* TestClock.adjust("1 millis")
      expect(yield* ended(waiting)).toEqual(Exit.succeed("answer"))
      expect([dependency.asked, yield* stateOf(policy)]).toEqual([2, "Closed"])
    })
  )

  it.scoped("refuses at once whom the deadline would not let wait so long", () =>
    Effect.gen(function* () {
      const dependency = new Dependency()
      const rateLimit = { limit: 1, window: "3 seconds", onExceeded: "wait" } as const
      const policy = yield* Policy.standard("api", { ...noRetry, deadline: "3 seconds", rateLimit })
      yield* policy.protect(dependency.answers())
      expect((yield* Effect.flip(policy.protect(dependency.answers())))._tag).toBe("RateLimited")
      expect(dependency.asked).toBe(1)
    })
  )

  it.scoped("is no failure for a caller who gives up in the line, and leaves nothing behind", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("api", {
        ...atOnce,
        circuitBreaker: { ...trips, patience: "1 second" },
        rateLimit: { limit: 1, window: "8 seconds", onExceeded: "wait" }
      })
      yield* policy.protect(Effect.void)
      const waiting = yield* begin(policy.protect(Effect.void))
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.interrupt(waiting)
      expect(yield* stateOf(policy)).toBe("Closed")
      expect((yield* Option.getOrThrow(policy.rateLimiter).snapshot).lines).toBe(0)
      expect((yield* Option.getOrThrow(policy.bulkhead).snapshot).active).toBe(0)
    })
  )
})

describe("the throttle of a standard policy", () => {
  it.scoped("counts every attempt, and refuses what is neither repeated nor a failure", () =>
    Effect.gen(function* () {
      const dependency = new Dependency()
      const policy = yield* Policy.standard("api", {
        ...atOnce,
        circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(2) },
        throttle: { maxRejection: 1 }
      })
      const failed = yield* Effect.flip(policy.protect(dependency.fails()).pipe(drawing(0.999)))
      expect([failed._tag, dependency.asked]).toEqual(["Unavailable", 4])
      const throttled = policy.protect(dependency.answers()).pipe(drawing(0), Effect.flip)
      const tags = yield* Effect.replicateEffect(throttled, 5)
      expect(new Set(tags.map(({ _tag }) => _tag))).toEqual(new Set(["Throttled"]))
      expect([dependency.asked, yield* stateOf(policy)]).toEqual([4, "Closed"])
      expect(yield* Option.getOrThrow(policy.throttle).snapshot).toMatchObject({ requests: 9, accepts: 0 })
    })
  )

  it.scoped("goes by the classifier of the call, and takes no permit of the rate limit for what it refuses", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("api", {
        ...noRetry,
        circuitBreaker: "none",
        throttle: { maxRejection: 1 },
        rateLimit: { limit: 20, window: "1 hour" }
      })
      const ill = policy.with({ classify: () => ({ _tag: "Failure", transient: true, retryAfter: Option.none() }) })
      yield* Effect.replicateEffect(ill.protect(Effect.succeed("ill")).pipe(drawing(0.999)), 10)
      expect(yield* Option.getOrThrow(policy.throttle).snapshot).toMatchObject({ requests: 10, accepts: 0 })
      yield* Effect.replicateEffect(Effect.exit(policy.protect(Effect.void).pipe(drawing(0))), 10)
      expect((yield* Option.getOrThrow(policy.rateLimiter).snapshot).available).toBe(10)
    })
  )
})

describe("an explanation", () => {
  it("has throttle and rate limit where they stand, and finds a wait that is longer than the deadline", () => {
    const rateLimit = { limit: 5, window: "1 second", onExceeded: "wait", maxWait: "2 seconds" } as const
    const told = Policy.explain("api", { throttle: {}, rateLimit })
    expect(told.layers.slice(-3)).toMatchObject([
      { layer: "throttle", does: "sends 2 for each that is accepted" },
      { layer: "rate limit", does: "5 attempts in 1s, others wait, 2s at most" },
      { layer: "timeout" }
    ])
    expect(told.traps).toEqual([])
    const long = Policy.explain("api", { rateLimit: { ...rateLimit, maxWait: "10 seconds" } })
    expect(long.traps).toMatchObject([{ rule: "rate-limit", severity: "warning" }])
    expect(long.traps[0]?.fix).toContain(Duration.format("8 seconds"))
    expect(Policy.explain("api", { rateLimit: { limit: 5, window: "1 second" } }).traps).toEqual([])
  })

  it("is refused with all options that are out of range", () => {
    const wrong = { throttle: { k: 0 }, rateLimit: { limit: 0, window: 0, maxWait: "-1 millis" } } as const
    const options = ["throttle.k", "rateLimit.window", "rateLimit.limit", "rateLimit.maxWait"]
    expect(() => Policy.explain("api", wrong)).toThrow(
      expect.objectContaining({ problems: options.map((option) => expect.objectContaining({ option })) })
    )
  })
})
