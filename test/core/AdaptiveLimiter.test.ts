import { AdaptiveLimiter, CircuitBreaker, Deadline, type Outcome, Policy, Timeout } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Option, TestClock } from "effect"
import { Declined, Dependency, TooMany, Unavailable } from "../support/Dependency.js"
import { Listener } from "../support/Listener.js"
import { begin, during, ended, failureOf } from "../support/Passing.js"

const taking = (millis: number) => Effect.as(Effect.sleep(millis), "answer")

/** Makes calls in rounds that fill the limit, each call as long as `work` is. */
const rounds = <A, E>(limiter: AdaptiveLimiter.AdaptiveLimiter, work: Effect.Effect<A, E>, count: number) =>
  Effect.gen(function* () {
    for (let round = 0; round < count; round++) {
      const { limit } = yield* limiter.snapshot
      const fibers = yield* Effect.replicateEffect(Effect.fork(Effect.exit(limiter.protect(work))), limit)
      yield* TestClock.adjust("1 second")
      yield* Fiber.joinAll(fibers)
    }
    return yield* limiter.snapshot
  })

describe("an adaptive limiter", () => {
  it.scoped("runs as many at a time as its limit, lets so many wait in order, and refuses the rest", () => {
    const listener = new Listener()
    return Effect.gen(function* () {
      const limiter = yield* AdaptiveLimiter.make("search", { initial: 2, maxQueue: 2 })
      const dependency = new Dependency()
      const order: Array<number> = []
      const call = (n: number) =>
        limiter.protect(
          dependency.ask(
            Effect.zipRight(
              Effect.sync(() => order.push(n)),
              taking(10)
            )
          )
        )
      const fibers = yield* Effect.forEach([1, 2, 3, 4], (n) => begin(call(n)))
      expect(yield* limiter.snapshot).toEqual({ limit: 2, inFlight: 2, waiting: 2, baseline: Option.none() })
      const refused = yield* Effect.flip(call(5))
      expect(refused).toMatchObject({ _tag: "BulkheadFull", policy: "search", limit: 2, queued: 2, reason: "full" })
      expect(listener.of("CallRejected")).toMatchObject([{ policy: "search", by: "bulkhead" }])
      yield* TestClock.adjust(20)
      yield* Fiber.joinAll(fibers)
      expect([dependency.asked, dependency.mostRunning, order]).toEqual([4, 2, [1, 2, 3, 4]])
      expect(yield* limiter.snapshot).toMatchObject({ inFlight: 0, waiting: 0 })
    }).pipe(listener.hear)
  })

  it.scoped("raises its limit while calls that fill it are not slower, and lets in who waits at once", () =>
    Effect.gen(function* () {
      const limiter = yield* AdaptiveLimiter.make("search", { initial: 5, maxQueue: 1000 })
      const after = yield* rounds(limiter, taking(50), 16)
      expect(after.limit).toBeGreaterThan(8)
      expect(after).toMatchObject({ inFlight: 0, waiting: 0, baseline: Option.some(Duration.millis(50)) })
      const additive = yield* AdaptiveLimiter.make("search", { algorithm: "aimd", initial: 5, maxQueue: 100 })
      yield* Effect.replicateEffect(begin(additive.protect(taking(50))), 20)
      expect(yield* additive.snapshot).toMatchObject({ limit: 5, inFlight: 5, waiting: 15 })
      yield* TestClock.adjust(50)
      const { inFlight, limit, waiting } = yield* additive.snapshot
      expect(limit).toBeGreaterThan(5)
      expect([inFlight, waiting]).toEqual([limit, 15 - limit])
    })
  )

  it.scoped("lowers its limit when calls are dropped, never below `min`, and ends none that runs", () =>
    Effect.gen(function* () {
      const limiter = yield* AdaptiveLimiter.make("search", { initial: 40, min: 4, algorithm: "aimd" })
      const timeout = yield* Timeout.make("search", { duration: 100 })
      yield* Effect.replicateEffect(begin(limiter.protect(taking(900))), 20)
      const dropped = Effect.exit(limiter.protect(timeout.protect(Effect.never)))
      yield* Effect.replicateEffect(begin(dropped), 20)
      yield* TestClock.adjust(100)
      const low = yield* limiter.snapshot
      expect(low.limit).toBeLessThan(10)
      expect(low.inFlight).toBe(20)
      expect(failureOf(yield* Effect.exit(limiter.protect(Effect.void)))).toMatchObject({ limit: low.limit })
      yield* TestClock.adjust(800)
      expect((yield* limiter.snapshot).inFlight).toBe(0)
      for (let n = 0; n < 30; n++) yield* during(100, dropped)
      expect((yield* limiter.snapshot).limit).toBe(4)
    })
  )

  it.scoped("takes for a drop what timed out or was refused for overload, and nothing from what says nothing", () =>
    Effect.gen(function* () {
      const timeout = yield* Timeout.make("inner", { duration: "1 second" })
      const breaker = yield* CircuitBreaker.make("inner")
      yield* breaker.isolate
      const saysOf = <E>(call: Effect.Effect<unknown, E>, classify?: Outcome.Classify) =>
        Effect.scoped(
          Effect.gen(function* () {
            // One more for each success that uses half of it, a tenth less for a drop.
            const limiter = yield* AdaptiveLimiter.make("search", { algorithm: "aimd", initial: 2, classify })
            const other = yield* begin(limiter.protect(Effect.never))
            const fiber = yield* begin(Effect.exit(limiter.protect(call)))
            yield* TestClock.adjust("1 second")
            yield* Fiber.interrupt(fiber)
            const { inFlight, limit } = yield* limiter.snapshot
            yield* Fiber.interrupt(other)
            expect(inFlight).toBe(1)
            return limit === 3 ? "success" : limit === 1 ? "drop" : "nothing"
          })
        )
      const hint = { retryAfter: Duration.seconds(1) }
      const overloaded: Outcome.Classify = () => ({
        _tag: "Failure",
        transient: true,
        retryAfter: Option.some(Duration.seconds(1))
      })
      expect(yield* saysOf(Effect.void)).toBe("success")
      expect(yield* saysOf(timeout.protect(Effect.never))).toBe("drop")
      expect(yield* saysOf(Deadline.protect(Effect.never, "1 second"))).toBe("drop")
      expect(yield* saysOf(Effect.timeout(Effect.never, "1 second"))).toBe("drop")
      expect(yield* saysOf(Effect.fail(new TooMany(hint)))).toBe("drop")
      expect(yield* saysOf(Effect.fail(new Unavailable(hint)))).toBe("drop")
      expect(yield* saysOf(Effect.void, overloaded)).toBe("drop")
      expect(yield* saysOf(Effect.fail(new TooMany({})))).toBe("nothing")
      expect(yield* saysOf(Effect.fail(new Unavailable({})))).toBe("nothing")
      expect(yield* saysOf(Effect.fail(new Declined({ reason: "no" })))).toBe("nothing")
      expect(yield* saysOf(breaker.protect(Effect.void))).toBe("nothing")
      expect(yield* saysOf(Effect.die("a defect"))).toBe("nothing")
      expect(yield* saysOf(Effect.never)).toBe("nothing")
      expect(
        yield* saysOf(Effect.void, () => {
          throw new Error("a bug of the classifier")
        })
      ).toBe("nothing")
    })
  )

  it.scoped("takes for a drop what its caller's deadline cut off, but not what its caller gave up", () =>
    Effect.gen(function* () {
      const limiter = yield* AdaptiveLimiter.make("search", { algorithm: "aimd", initial: 10 })
      const call = limiter.protect(Effect.never)
      expect(failureOf(yield* during("1 second", Deadline.protect(call, "1 second")))).toMatchObject({
        _tag: "DeadlineExceeded",
        where: "in-flight"
      })
      expect((yield* limiter.snapshot).limit).toBe(9)
      yield* Effect.flatMap(begin(Deadline.protect(call, "1 second")), Fiber.interrupt)
      expect(yield* limiter.snapshot).toMatchObject({ limit: 9, inFlight: 0 })
    })
  )

  it.scoped("lets nobody wait longer than `maxWait` or the deadline", () =>
    Effect.gen(function* () {
      const limiter = yield* AdaptiveLimiter.make("search", { max: 1, maxQueue: 5, maxWait: "2 seconds" })
      yield* begin(limiter.protect(Effect.never))
      const dependency = new Dependency()
      const call = limiter.protect(dependency.answers())
      const patient = yield* begin(call)
      const hurried = yield* begin(Deadline.protect(call, "1 second"))
      yield* TestClock.adjust("1 second")
      expect(failureOf(yield* ended(hurried))).toMatchObject({ _tag: "DeadlineExceeded" })
      expect((yield* limiter.snapshot).waiting).toBe(1)
      yield* TestClock.adjust("1 second")
      expect(failureOf(yield* ended(patient))).toMatchObject({ _tag: "BulkheadFull", reason: "waited" })
      expect([dependency.asked, (yield* limiter.snapshot).waiting]).toEqual([0, 0])
    })
  )

  it.scoped("is no failure for a breaker outside, and is not repeated", () =>
    Effect.gen(function* () {
      const limiter = yield* AdaptiveLimiter.make("search", { max: 1 })
      const breaker = yield* CircuitBreaker.make("search", { tripPolicy: CircuitBreaker.consecutive(1) })
      yield* begin(limiter.protect(Effect.never))
      const exits = yield* Effect.replicateEffect(
        Effect.exit(Policy.all(breaker, limiter).protect(Effect.succeed("never asked"))),
        20
      )
      expect(exits.every(Exit.isFailure)).toBe(true)
      expect((yield* breaker.snapshot).state).toBe("Closed")
    })
  )

  it.scoped("dies of all options that are out of range", () =>
    Effect.gen(function* () {
      const diesOf = (options: AdaptiveLimiter.Options) =>
        Effect.map(Effect.exit(AdaptiveLimiter.make("search", options)), failureOf)
      const problems = ["max", "initial", "maxQueue", "maxWait"].map((option) => expect.objectContaining({ option }))
      const wrong = { min: 10, max: 5, initial: 0, maxQueue: -1, maxWait: 0 }
      expect(yield* diesOf(wrong)).toMatchObject({ _tag: "InvalidOptions", policy: "search", problems })
      expect(yield* diesOf({ min: 0.5 })).toMatchObject({ problems: [{ option: "min" }] })
      expect(yield* diesOf({ min: 5, max: 50, initial: 51 })).toMatchObject({
        problems: [{ option: "initial", allowed: "a whole number from 5 to 50" }]
      })
      const bounded = yield* AdaptiveLimiter.make("search", { max: 7 })
      expect((yield* bounded.snapshot).limit).toBe(7)
      expect((yield* (yield* AdaptiveLimiter.make("search", { min: 2000 })).snapshot).limit).toBe(2000)
    })
  )
})
