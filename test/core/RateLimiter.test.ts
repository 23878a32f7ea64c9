import { CircuitBreaker, Deadline, Policy, RateLimiter, RateLimiterStore, Retry } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Duration, Effect, Exit, Fiber, Layer, Option, TestClock } from "effect"
import { Dependency } from "../support/Dependency.js"
import { Listener } from "../support/Listener.js"
import { begin, ended, failureOf, retryAfterMillis } from "../support/Passing.js"

const perSecond = (limit: number, burst?: number) =>
  RateLimiter.make("api", { limit, window: "1 second", ...(burst !== undefined && { burst }) })

const problemsOf = (exit: Exit.Exit<unknown, unknown>): ReadonlyArray<string> => {
  const defect: unknown = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  return defect instanceof Error && "problems" in defect && Array.isArray(defect.problems)
    ? defect.problems.map(({ option }: { option: string }) => option)
    : []
}

const millisOf = ({ delay }: RateLimiter.Taken) => Duration.toMillis(delay)

describe("a rate limiter", () => {
  it.scoped("gives what is saved up at once, then what comes in, and says when", () =>
    Effect.gen(function* () {
      const limiter = yield* perSecond(10)
      const first = yield* limiter.take({ cost: 9 })
      expect(first).toEqual({
        limit: 10,
        remaining: 1,
        resetAfter: Duration.millis(900),
        delay: Duration.zero
      })
      const refused = yield* Effect.flip(limiter.take({ cost: 4 }))
      expect(refused).toMatchObject({ _tag: "RateLimited", policy: "api", key: "", limit: 10, remaining: 1 })
      expect(retryAfterMillis(refused)).toBe(300)
      yield* TestClock.adjust("299 millis")
      expect(retryAfterMillis(yield* Effect.flip(limiter.take({ cost: 4 })))).toBe(1)
      yield* TestClock.adjust("1 millis")
      expect((yield* limiter.take({ cost: 4 })).remaining).toBe(0)
    })
  )

  it.scoped("says how long a call would wait, and takes nothing for it", () =>
    Effect.gen(function* () {
      const limiter = yield* RateLimiter.make("api", { limit: 60, window: "1 minute", burst: 2 })
      const wait = (cost: number) => Effect.map(limiter.wait({ key: "a", cost }), Duration.toMillis)
      expect([yield* wait(1), yield* wait(2)]).toEqual([0, 0])
      yield* limiter.take({ key: "a", cost: 2 })
      expect([yield* wait(1), yield* wait(2)]).toEqual([1000, 2000])
      const first = yield* Effect.fork(limiter.take({ key: "a", onExceeded: "wait" }))
      yield* TestClock.adjust("500 millis")
      // Behind the one in line.
      expect(yield* wait(1)).toBe(1500)
      expect(Duration.toMillis(yield* limiter.wait())).toBe(0)
      yield* TestClock.adjust("500 millis")
      expect((yield* first.await)._tag).toBe("Success")
    })
  )

  it.scoped("spaces calls where nothing can be saved up", () =>
    Effect.gen(function* () {
      const limiter = yield* RateLimiter.make("api", { limit: 60, window: "1 minute", burst: 1 })
      yield* limiter.take()
      expect(retryAfterMillis(yield* Effect.flip(limiter.take()))).toBe(1000)
      yield* TestClock.adjust("1 second")
      yield* limiter.take()
    })
  )

  it.scoped("counts the window before, where it slides", () =>
    Effect.gen(function* () {
      const limiter = yield* RateLimiter.make("api", { limit: 10, window: 1000, algorithm: "sliding-window" })
      yield* limiter.take({ cost: 10 })
      yield* TestClock.adjust(1000)
      expect(retryAfterMillis(yield* Effect.flip(limiter.take()))).toBe(100)
      yield* TestClock.adjust(500)
      expect((yield* limiter.take({ cost: 4 })).remaining).toBe(1)
    })
  )

  it.scoped("tells keys apart, and asks each call's key for its limit", () =>
    Effect.gen(function* () {
      const tiers = new Map([
        ["gold", 3],
        ["plain", 1]
      ])
      const limiter = yield* RateLimiter.make("api", { limit: (key) => tiers.get(key) ?? 0, window: "1 second" })
      const all = (key: string) =>
        Effect.map(Effect.replicateEffect(Effect.option(limiter.take({ key })), 5), (each) =>
          each.filter(Option.isSome)
        )
      expect((yield* all("gold")).length).toBe(3)
      expect((yield* all("plain")).length).toBe(1)
      tiers.set("plain", 3)
      yield* TestClock.adjust("1 second")
      expect((yield* all("plain")).length).toBe(3)
      expect(problemsOf(yield* Effect.exit(limiter.take({ key: "nobody" })))).toEqual(["limit"])
      expect((yield* limiter.snapshot).available).toBe(undefined)
    })
  )

  it.scoped("dies of what can never be: options out of range, and a cost above what can be saved up", () =>
    Effect.gen(function* () {
      const limiter = yield* perSecond(10, 5)
      expect(problemsOf(yield* Effect.exit(limiter.take({ cost: 6 })))).toEqual(["cost"])
      expect(problemsOf(yield* Effect.exit(limiter.take({ cost: 0.5 })))).toEqual(["cost"])
      for (const cost of [Number.NaN, Infinity, 6, 0]) {
        expect(problemsOf(yield* Effect.exit(limiter.wait({ cost })))).toEqual(["cost"])
      }
      expect(problemsOf(yield* Effect.exit(limiter.take({ onExceeded: "wait", maxWait: "-1 millis" })))).toEqual([
        "maxWait"
      ])
      const wrong = RateLimiter.make("api", { limit: 0, window: 0, burst: 0, maxKeys: 0 })
      expect(problemsOf(yield* Effect.exit(wrong))).toEqual(["window", "burst", "limit", "maxKeys"])
      const burst = RateLimiter.make("api", { limit: 1, window: 1, burst: 2, algorithm: "sliding-window" })
      expect(problemsOf(yield* Effect.exit(burst))).toEqual(["burst"])
      const inexact = RateLimiter.make("api", { limit: 1_000_000_000, window: "20 days", burst: 1_000_000_000 })
      expect(problemsOf(yield* Effect.exit(inexact))).toEqual(["burst", "limit"])
    })
  )

  it.scoped("lets nobody in whom it refuses, and reports each, never with the key", () => {
    const listener = new Listener()
    return Effect.gen(function* () {
      const limiter = yield* perSecond(2)
      const dependency = new Dependency()
      const call = dependency.answers().pipe(RateLimiter.protect(limiter, { key: "secret" }))
      const exits = yield* Effect.replicateEffect(Effect.exit(call), 5)
      expect(exits.filter(Exit.isSuccess).length).toBe(2)
      expect(dependency.asked).toBe(2)
      const by = "rateLimit"
      expect(listener.events).toMatchObject(
        Array.from({ length: 3 }, () => ({ _tag: "CallRejected", policy: "api", by, retryAfter: 500 }))
      )
      const refused = failureOf(exits[4] ?? Exit.void)
      expect(String(refused) + JSON.stringify(listener.events)).not.toContain("secret")
      expect(refused).toHaveProperty("message", 'The limit of 2 of "api" is used up, 0 are left: come back after 500ms')
    }).pipe(listener.hear)
  })

  it.scoped("is no failure of what it protects: a breaker outside stays closed, a retry does not repeat it", () =>
    Effect.gen(function* () {
      const limiter = yield* perSecond(1)
      const breaker = yield* CircuitBreaker.make("api", { tripPolicy: CircuitBreaker.consecutive(1) })
      const retry = yield* Retry.make("api")
      const dependency = new Dependency()
      const policy = Policy.all(breaker, retry, RateLimiter.forKey(limiter))
      yield* Effect.replicateEffect(Effect.exit(policy.protect(dependency.answers())), 5)
      expect(dependency.asked).toBe(1)
      expect((yield* breaker.snapshot).state).toBe("Closed")
    })
  )
})

describe("a call that may wait for its turn", () => {
  const waits = { onExceeded: "wait" } as const

  it.scoped("is served in the order of arrival, each as soon as there are permits for it", () =>
    Effect.gen(function* () {
      const limiter = yield* perSecond(10, 5)
      const served: Array<readonly [name: string, delay: number]> = []
      const call = (name: string, cost: number) =>
        begin(Effect.map(limiter.take({ ...waits, cost }), (taken) => served.push([name, millisOf(taken)])))
      yield* limiter.take({ cost: 5 })
      yield* call("five", 5)
      yield* call("one", 1)
      yield* call("two", 2)
      yield* TestClock.adjust("499 millis")
      expect(served).toEqual([])
      yield* TestClock.adjust("301 millis")
      expect(served).toEqual([
        ["five", 500],
        ["one", 600],
        ["two", 800]
      ])
      expect(yield* limiter.snapshot).toMatchObject({ lines: 0, keys: 1, available: 0 })
    })
  )

  it.scoped("is not overtaken by one that does not wait, though there would be enough for that", () =>
    Effect.gen(function* () {
      const limiter = yield* perSecond(10, 5)
      yield* limiter.take({ cost: 4 })
      const first = yield* begin(limiter.take({ ...waits, cost: 5 }))
      expect(retryAfterMillis(yield* Effect.flip(limiter.take({ cost: 1 })))).toBe(500)
      expect((yield* limiter.take({ key: "another", cost: 5 })).remaining).toBe(0)
      yield* TestClock.adjust("400 millis")
      expect(millisOf(yield* Fiber.join(first))).toBe(400)
    })
  )

  it.scoped("is refused at once where its turn would come too late for it, or for its deadline", () =>
    Effect.gen(function* () {
      const limiter = yield* perSecond(10, 5)
      const dependency = new Dependency()
      yield* limiter.take({ cost: 5 })
      const within = (maxWait: number) => limiter.take({ ...waits, cost: 5, maxWait })
      expect(retryAfterMillis(yield* Effect.flip(within(499)))).toBe(500)
      const first = yield* begin(within(500))
      expect(retryAfterMillis(yield* Effect.flip(within(999)))).toBe(1000)
      const call = dependency.answers().pipe(RateLimiter.protect(limiter, { ...waits, cost: 5 }))
      const late = yield* Effect.flip(call.pipe(Deadline.protect("1 second")))
      expect(late._tag).toBe("RateLimited")
      expect(dependency.asked).toBe(0)
      const inTime = yield* begin(call.pipe(Deadline.protect("1001 millis")))
      yield* TestClock.adjust("1 second")
      expect(millisOf(yield* Fiber.join(first))).toBe(500)
      expect(yield* ended(inTime)).toEqual(Exit.succeed("answer"))
    })
  )

  it.scoped("gives its place back when it is interrupted, and those behind move up", () =>
    Effect.gen(function* () {
      const limiter = yield* perSecond(10, 5)
      yield* limiter.take({ cost: 5 })
      const [first, second, third, fourth] = [
        yield* begin(limiter.take({ ...waits, cost: 5 })),
        yield* begin(limiter.take({ ...waits, cost: 1 })),
        yield* begin(limiter.take({ ...waits, cost: 5 })),
        yield* begin(limiter.take({ ...waits, cost: 1 }))
      ]
      yield* Fiber.interrupt(third)
      yield* TestClock.adjust("50 millis")
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust("150 millis")
      expect(millisOf(yield* Fiber.join(second))).toBe(100)
      expect(millisOf(yield* Fiber.join(fourth))).toBe(200)
      expect((yield* limiter.snapshot).lines).toBe(0)
    })
  )

  it.scoped("is refused where the line turns out to be slower than its store had foreseen", () => {
    const neverThere = { admitted: false, remaining: 0, resetAfterMillis: 0, retryAfterMillis: 1000 }
    const store = Layer.succeed(RateLimiterStore.RateLimiterStore, {
      open: () =>
        Effect.succeed({
          take: () => Effect.succeed(neverThere),
          waitMillis: () => Effect.succeed(10),
          standing: () => Effect.succeed(neverThere),
          size: Effect.succeed({ keys: 1, overflowed: 0 })
        })
    })
    return Effect.gen(function* () {
      const limiter = yield* perSecond(10)
      const first = yield* begin(limiter.take({ ...waits, maxWait: 1500 }))
      const second = yield* begin(Effect.flip(limiter.take({ ...waits, maxWait: 100 })))
      yield* TestClock.adjust(101)
      expect(retryAfterMillis(yield* Fiber.join(second))).toBe(10)
      expect((yield* limiter.snapshot).lines).toBe(1)
      yield* TestClock.adjust(899)
      expect(retryAfterMillis(yield* Effect.flip(Fiber.join(first)))).toBe(1000)
      expect((yield* limiter.snapshot).lines).toBe(0)
    }).pipe(Effect.provide(store))
  })
})

describe("where the keys are kept", () => {
  it.scoped("those that are idle are forgotten, at other keys' calls and at no more than they can matter", () =>
    Effect.gen(function* () {
      const limiter = yield* perSecond(10)
      for (let n = 0; n < 1000; n++) yield* limiter.take({ key: `k${n}` })
      expect((yield* limiter.snapshot).keys).toBe(1000)
      yield* TestClock.adjust("99 millis")
      yield* Effect.replicateEffect(limiter.take({ key: "k0", cost: 1 }), 5)
      expect((yield* limiter.snapshot).keys).toBe(1000)
      yield* TestClock.adjust("1 millis")
      for (let n = 0; n < 600; n++) yield* Effect.exit(limiter.take({ key: "k0" }))
      expect((yield* limiter.snapshot).keys).toBe(1)
    })
  )

  it.scoped("20,000 keys leave no more than maxKeys, and the rest share one, counted", () =>
    Effect.gen(function* () {
      const limiter = yield* RateLimiter.make("api", { limit: 1000, window: "1 second", maxKeys: 500 })
      let admitted = 0
      for (let n = 0; n < 20_000; n++) {
        if (Exit.isSuccess(yield* Effect.exit(limiter.take({ key: `k${n}` })))) admitted++
      }
      expect(yield* limiter.snapshot).toMatchObject({ keys: 500, overflowed: 19_500 })
      expect(admitted).toBe(500 + 1000)
      yield* TestClock.adjust("10 seconds")
      for (let n = 0; n < 400; n++) yield* limiter.take({ key: `later${n}` })
      const { keys, overflowed } = yield* limiter.snapshot
      expect([keys < 500, overflowed]).toEqual([true, 19_500])
    })
  )

  it.scoped("a store that is provided is shared by limiters of one name, with one window", () =>
    Effect.gen(function* () {
      const one = yield* perSecond(2)
      const same = yield* perSecond(2)
      const other = yield* RateLimiter.make("api", { limit: 2, window: "2 seconds" })
      yield* one.take({ cost: 2 })
      expect((yield* Effect.exit(same.take()))._tag).toBe("Failure")
      expect((yield* other.take()).remaining).toBe(1)
    }).pipe(Effect.provide(RateLimiterStore.layerMemory))
  )
})
