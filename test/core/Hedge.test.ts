import {
  Backoff,
  Bulkhead,
  Deadline,
  Hedge,
  Outcome,
  Policy,
  RateLimiter,
  Retry,
  RetryBudget,
  Timeout
} from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Deferred, Duration, Effect, Exit, Fiber, FiberRef, Option, Stream, TestClock } from "effect"
import { Declined, Dependency, Unavailable } from "../support/Dependency.js"
import { Listener } from "../support/Listener.js"
import { begin, during, ended, failureOf } from "../support/Passing.js"

const idempotent = true
const tenth = { delay: "100 millis", idempotent, budget: "none" } as const

/** What the copies of a call do, the first first; the last for all that come after. */
const copies = <A, E>(dependency: Dependency, ...each: ReadonlyArray<Effect.Effect<A, E>>) =>
  Effect.suspend(() => {
    const copy = each[Math.min(dependency.asked, each.length - 1)]
    return dependency.ask(copy ?? Effect.dieMessage("no such copy"))
  })

const after = (millis: number) => Effect.as(Effect.sleep(millis), millis)
const atOnce = Backoff.constant(0)
const fails = Effect.fail(new Unavailable({}))

/** So many calls at a time. */
const together = <A, E, R>(count: number, call: Effect.Effect<A, E, R>) =>
  Effect.forEach(Array.from({ length: count }), () => call, { concurrency: "unbounded" })

describe("a hedge", () => {
  it.scoped("makes one copy of a call that answers before the delay", () =>
    Effect.gen(function* () {
      const hedge = yield* Hedge.make("search", tenth)
      const dependency = new Dependency()
      expect(yield* during(100, hedge.protect(dependency.ask(after(99))))).toEqual(Exit.succeed(99))
      yield* TestClock.adjust("1 hour")
      expect(dependency.asked).toBe(1)
    })
  )

  it.scoped("makes a second one after the delay, gives the first answer and ends the other", () => {
    const listener = new Listener()
    return Effect.gen(function* () {
      const hedge = yield* Hedge.make("search", tenth)
      const dependency = new Dependency()
      const call = yield* begin(hedge.protect(copies(dependency, Effect.never, after(10))))
      yield* TestClock.adjust("99 millis")
      expect(dependency.asked).toBe(1)
      yield* TestClock.adjust("1 millis")
      expect([dependency.asked, dependency.running]).toEqual([2, 2])
      yield* TestClock.adjust("10 millis")
      expect(yield* ended(call)).toEqual(Exit.succeed(10))
      expect([dependency.asked, dependency.running]).toEqual([2, 0])
      expect(yield* during(120, hedge.protect(copies(new Dependency(), after(105), Effect.never)))).toEqual(
        Exit.succeed(105)
      )
      expect(listener.of("HedgeSettled")).toMatchObject([
        { policy: "search", hedge: 1, result: "won", delay: 100 },
        { policy: "search", hedge: 1, result: "lost", delay: 100 }
      ])
    }).pipe(listener.hear)
  })

  it.scoped(
    "has a copy that failed in a way that passes make way at once, and gives the last error when all have",
    () =>
      Effect.gen(function* () {
        const hedge = yield* Hedge.make("search", { ...tenth, maxHedges: 2 })
        const second = new Dependency()
        expect(yield* hedge.protect(copies<string, Unavailable>(second, fails, Effect.succeed("second")))).toBe(
          "second"
        )
        expect(second.asked).toBe(2)
        const all = new Dependency()
        const exit = yield* Effect.exit(hedge.protect(all.ask(Effect.suspend(() => Effect.fail(new Unavailable({}))))))
        expect(failureOf(exit)).toMatchObject({ _tag: "Unavailable" })
        expect(all.asked).toBe(3)
      })
  )

  it.scoped("ends with a failure that does not pass, or a defect, and ends the other copies", () =>
    Effect.gen(function* () {
      const hedge = yield* Hedge.make("search", tenth)
      const declined = Effect.delay(Effect.fail(new Declined({ reason: "no" })), 110)
      for (const end of [declined, Effect.delay(Effect.die("a bug"), 110), Effect.delay(Effect.interrupt, 110)]) {
        const dependency = new Dependency()
        const exit = yield* during(110, hedge.protect(copies<never, Declined>(dependency, end, Effect.never)))
        expect(exit).toMatchObject({ _tag: "Failure" })
        expect([dependency.asked, dependency.running]).toEqual([2, 0])
      }
      const alone = new Dependency()
      expect(failureOf(yield* Effect.exit(hedge.protect(alone.ask(Effect.die("a bug")))))).toBe("a bug")
      expect(alone.asked).toBe(1)
    })
  )

  it.scoped("asks its classifier, of results as well", () =>
    Effect.gen(function* () {
      const classify: Outcome.Classify = (exit) =>
        Exit.isSuccess(exit) && exit.value === "ill" ? Outcome.failure({ transient: true }) : Outcome.classify(exit)
      const hedge = yield* Hedge.make("search", { ...tenth, classify })
      const dependency = new Dependency()
      expect(yield* hedge.protect(copies(dependency, Effect.succeed("ill"), Effect.succeed("well")))).toBe("well")
      expect(yield* hedge.protect(copies(new Dependency(), Effect.succeed("ill")))).toBe("ill")
      expect(dependency.asked).toBe(2)
    })
  )

  it.scoped(
    "does not have the winner wait for the losers' finalizers, which the caller's fiber waits for at its end",
    () =>
      Effect.gen(function* () {
        const hedge = yield* Hedge.make("search", tenth)
        const bulkhead = yield* Bulkhead.make("search", { maxConcurrent: 1 })
        const dependency = new Dependency()
        const slow = Effect.onInterrupt(Effect.never, () => Effect.sleep("1 second"))
        const answered = yield* Deferred.make<number>()
        const protect = Policy.all(bulkhead, hedge).protect
        const call = protect(copies<number, never>(dependency, slow, after(10)))
        const fiber = yield* begin(Effect.flatMap(call, (value) => Deferred.succeed(answered, value)))
        yield* TestClock.adjust("110 millis")
        expect(yield* Deferred.isDone(answered)).toBe(true)
        expect([Option.isNone(yield* Fiber.poll(fiber)), dependency.running]).toEqual([true, 1])
        expect((yield* bulkhead.snapshot).active).toBe(1)
        yield* TestClock.adjust("1 second")
        expect(yield* ended(fiber)).toEqual(Exit.succeed(true))
        expect([(yield* bulkhead.snapshot).active, dependency.running]).toEqual([0, 0])
      })
  )

  it.scoped("drops what a loser ends with after all", () =>
    Effect.gen(function* () {
      const hedge = yield* Hedge.make("search", tenth)
      const late = Effect.uninterruptible(Effect.zipRight(Effect.sleep(500), Effect.die("too late")))
      const call = hedge.protect(copies<number, never>(new Dependency(), late, after(10)))
      expect(yield* during(500, call)).toEqual(Exit.succeed(10))
    })
  )

  it.scoped("interrupts and waits for every copy when its caller is interrupted, and keeps their defects", () =>
    Effect.gen(function* () {
      const hedge = yield* Hedge.make("search", { ...tenth, maxHedges: 2 })
      const dependency = new Dependency()
      const closing = Effect.onInterrupt(Effect.never, () => Effect.sleep("1 second"))
      const breaking = Effect.onInterrupt(Effect.never, () => Effect.die("a bug"))
      const call = yield* begin(hedge.protect(copies(dependency, closing, breaking, Effect.never)))
      yield* TestClock.adjust("200 millis")
      expect(dependency.running).toBe(3)
      yield* Fiber.interruptFork(call)
      yield* TestClock.adjust("999 millis")
      expect([Option.isNone(yield* Fiber.poll(call)), dependency.running]).toEqual([true, 1])
      yield* TestClock.adjust("1 millis")
      const exit = yield* ended(call)
      expect(Exit.isInterrupted(exit)).toBe(true)
      expect(Exit.isFailure(exit) && [...Cause.defects(exit.cause)]).toEqual(["a bug"])
      expect([dependency.asked, dependency.running]).toEqual([3, 0])
    })
  )

  it.scoped("keeps what the winner has changed, and nothing of the losers", () =>
    Effect.gen(function* () {
      const hedge = yield* Hedge.make("search", tenth)
      const ref = yield* FiberRef.make("at first")
      const set = (value: string, then: Effect.Effect<number>) => Effect.zipRight(FiberRef.set(ref, value), then)
      const call = hedge.protect(copies(new Dependency(), set("loser", Effect.never), set("winner", after(10))))
      expect(yield* during(110, Effect.zipRight(call, FiberRef.get(ref)))).toEqual(Exit.succeed("winner"))
    })
  )

  it.scoped("makes no more copies than its budget pays for, and says so", () => {
    const listener = new Listener()
    return Effect.gen(function* () {
      const hedge = yield* Hedge.make("search", { ...tenth, budget: { ratio: 0.1, minPerSecond: 0, ttl: "1 minute" } })
      const dependency = new Dependency()
      yield* during(150, together(50, hedge.protect(dependency.ask(after(150)))))
      expect(dependency.asked).toBe(55)
      const results = listener.of("HedgeSettled").map(({ reason, result }) => reason ?? result)
      expect(results.filter((result) => result === "lost")).toHaveLength(5)
      expect(results.filter((result) => result === "budget")).toHaveLength(45)
    }).pipe(listener.hear)
  })

  it.scoped("has a modest budget unless told otherwise, and may share one", () =>
    Effect.gen(function* () {
      const dependency = new Dependency()
      const modest = yield* Hedge.make("search", { delay: "100 millis", idempotent })
      const slow = (hedge: Hedge.Hedge) => during(150, hedge.protect(dependency.ask(after(150))))
      yield* Effect.replicateEffect(slow(modest), 10)
      expect(dependency.asked).toBe(11)
      const budget = yield* RetryBudget.make("shared", { ratio: 0, minPerSecond: 1, ttl: "2 seconds" })
      const shared = yield* Hedge.make("search", { ...tenth, budget })
      const retry = yield* Retry.make("search", { maxRetries: 1, budget, backoff: atOnce })
      yield* Effect.exit(retry.protect(fails))
      yield* Effect.replicateEffect(slow(shared), 2)
      expect(dependency.asked).toBe(14)
    })
  )

  it.scoped(
    "begins no copy that the budget of time leaves nothing for, or that was asked not to come back so soon",
    () => {
      const listener = new Listener()
      return Effect.gen(function* () {
        const hedge = yield* Hedge.make("search", { ...tenth, minAttempt: "50 millis" })
        const dependency = new Dependency()
        yield* during(149, Effect.exit(Deadline.protect(hedge.protect(dependency.ask(Effect.never)), "149 millis")))
        expect(dependency.asked).toBe(1)
        yield* during(150, Effect.exit(Deadline.protect(hedge.protect(dependency.ask(Effect.never)), "150 millis")))
        expect(dependency.asked).toBe(3)
        const busy = Effect.fail(new Unavailable({ retryAfter: Duration.seconds(1) }))
        yield* Effect.exit(hedge.protect(dependency.ask(busy)))
        expect(dependency.asked).toBe(4)
        const reasons = listener.of("HedgeSettled").map(({ reason, result }) => reason ?? result)
        expect(reasons).toEqual(["deadline", "lost", "retryAfter"])
      }).pipe(listener.hear)
    }
  )

  it.scoped("waits for the other copies when one of them is refused by another policy", () => {
    const listener = new Listener()
    return Effect.gen(function* () {
      const hedge = yield* Hedge.make("search", tenth)
      const limiter = yield* RateLimiter.make("search", { limit: 1, window: "1 hour" })
      const protect = Policy.all(hedge, RateLimiter.forKey(limiter)).protect
      const dependency = new Dependency()
      expect(yield* during(150, protect(dependency.ask(after(150))))).toEqual(Exit.succeed(150))
      expect(failureOf(yield* Effect.exit(protect(dependency.ask(after(1)))))).toMatchObject({ _tag: "RateLimited" })
      expect(dependency.asked).toBe(1)
      expect(listener.of("HedgeSettled")).toMatchObject([{ result: "suppressed", reason: "refused" }])
    }).pipe(listener.hear)
  })

  it.scoped("learns its delay from first copies, also from those that lost", () =>
    Effect.gen(function* () {
      const delay = {
        quantile: 0.9,
        initial: "1 second",
        min: "20 millis",
        max: "300 millis",
        minimumCalls: 10
      } as const
      const hedge = yield* Hedge.make("search", { ...tenth, delay })
      const delayOf = Effect.map(hedge.snapshot, (snapshot) => Duration.toMillis(snapshot.delay))
      const dependency = new Dependency()
      yield* during(50, together(9, hedge.protect(dependency.ask(after(50)))))
      expect(yield* delayOf).toBe(1000)
      yield* during(50, hedge.protect(dependency.ask(after(50))))
      const learned = yield* delayOf
      expect(Math.abs(learned - 50)).toBeLessThanOrEqual(1)
      // Half of them hang: the delay does not sink to what the fast copies take, but rises to what the slow ones have had.
      for (let n = 0; n < 10; n++) {
        yield* during(learned + 100, hedge.protect(copies<number, never>(new Dependency(), Effect.never, after(1))))
        yield* during(1, hedge.protect(after(1)))
      }
      expect(yield* delayOf).toBeGreaterThan(learned)
      yield* during(1, together(500, hedge.protect(after(1))))
      expect(yield* delayOf).toBe(20)
      yield* during(5000, together(100, hedge.protect(after(5000))))
      expect(yield* delayOf).toBe(300)
      const { latency } = yield* hedge.snapshot
      expect(Option.map(latency, ({ quantiles }) => quantiles.map(({ quantile }) => quantile))).toEqual(
        Option.some([0.5, 0.9, 0.99])
      )
    })
  )

  it.scoped("does not take the closing of a call that was given up for latency", () =>
    Effect.gen(function* () {
      const delay = { quantile: 0.9, initial: "100 millis", minimumCalls: 1 } as const
      const hedge = yield* Hedge.make("search", { delay, idempotent, budget: "none" })
      const closing = Effect.onInterrupt(Effect.never, () => Effect.sleep("10 seconds"))
      const call = yield* begin(hedge.protect(closing))
      yield* TestClock.adjust("200 millis")
      yield* Effect.fork(Fiber.interrupt(call))
      yield* TestClock.adjust("10 seconds")
      yield* ended(call)
      const { delay: learned, latency } = yield* hedge.snapshot
      expect(Option.getOrThrow(latency).calls).toBe(1)
      expect(Math.abs(Duration.toMillis(learned) - 200)).toBeLessThanOrEqual(2)
    })
  )

  it.scoped("makes one copy of what is opened for longer", () =>
    Effect.gen(function* () {
      const hedge = yield* Hedge.make("search", tenth)
      const dependency = new Dependency()
      const rows = Stream.fromEffect(dependency.ask(after(200))).pipe(Policy.protectStream(hedge), Stream.runCollect)
      expect(
        yield* during(
          200,
          Effect.map(rows, (all) => [...all])
        )
      ).toEqual(Exit.succeed([200]))
      const held = Policy.protectHolding(hedge.protect, () => dependency.ask(after(200)))
      expect(yield* during(200, held)).toEqual(Exit.succeed(200))
      expect(dependency.asked).toBe(2)
    })
  )

  it.scoped("stands inside a limit of time, and around one for each copy", () =>
    Effect.gen(function* () {
      const hedge = yield* Hedge.make("search", tenth)
      const limit = yield* Timeout.make("search", { duration: "150 millis" })
      const dependency = new Dependency()
      const within = yield* during(150, Effect.exit(Policy.all(limit, hedge).protect(dependency.hangs())))
      expect(failureOf(Exit.flatten(within))).toMatchObject({ _tag: "TimedOut" })
      expect([dependency.asked, dependency.running]).toEqual([2, 0])
      const each = yield* during(250, Effect.exit(Policy.all(hedge, limit).protect(dependency.hangs())))
      expect(failureOf(Exit.flatten(each))).toMatchObject({ _tag: "TimedOut" })
      expect([dependency.asked, dependency.running]).toEqual([4, 0])
    })
  )

  it.scoped("dies of all options that are out of range", () =>
    Effect.gen(function* () {
      const delay = { quantile: 2, initial: 0, min: 10, max: 5, minimumCalls: 0 } as const
      // @ts-expect-error what may not happen twice is not hedged
      const wrong: Hedge.MakeOptions = { delay, idempotent: false, maxHedges: 0, minAttempt: "-1 millis" }
      const exit = yield* Effect.exit(Hedge.make("search", wrong))
      const options = ["delay.quantile", "delay.minimumCalls", "delay.initial", "maxHedges", "minAttempt", "idempotent"]
      expect(failureOf(exit)).toMatchObject({ _tag: "InvalidOptions", problems: options.map((option) => ({ option })) })
      // @ts-expect-error nor is what nobody has said it of
      const unsaid = yield* Effect.exit(Hedge.make("search", { delay: 10 }))
      expect(failureOf(unsaid)).toMatchObject({ problems: [{ option: "idempotent", value: "not given" }] })
      const crossed = yield* Effect.exit(
        Hedge.make("search", { ...tenth, delay: { quantile: 0.9, initial: 10, min: 10, max: 5 } })
      )
      expect(failureOf(crossed)).toMatchObject({ problems: [{ option: "delay.max" }] })
    })
  )
})
