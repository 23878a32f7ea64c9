import { Deadline, Policy, Retry, Timeout } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Clock, Deferred, Duration, Effect, Exit, Fiber, Option, Schedule, TestClock } from "effect"
import { HandClock } from "../support/HandClock.js"
import { begin, known, play, script, shape } from "../support/Play.js"

const after = <A, E, R>(millis: number, self: Effect.Effect<A, E, R>) => Effect.zipRight(Effect.sleep(millis), self)
const remaining = Effect.map(Deadline.remaining, Option.map(Duration.toMillis))

const missed = (
  policy: string,
  budget: number,
  elapsed: number,
  where: Deadline.DeadlineExceeded["where"] = "in-flight"
) =>
  new Deadline.DeadlineExceeded({
    policy,
    budget: Duration.millis(budget),
    elapsed: Duration.millis(elapsed),
    where,
    retryAfter: Option.none()
  })

describe("a deadline", () => {
  it.effect("ends work that has used up its budget, says so, and reports it", () =>
    Effect.gen(function* () {
      const work = script(Effect.never)
      const { at, events, exit } = yield* play(Deadline.protect(work.call, "2 seconds"))
      expect(exit).toStrictEqual(Exit.fail(missed("deadline", 2000, 2000)))
      expect([work.at, at]).toEqual([[0], 2000])
      expect(events).toEqual([
        { _tag: "DeadlineMissed", policy: "deadline", at: 2000, where: "in-flight", budget: 2000 }
      ])
    })
  )

  it.effect("that is known only when a call comes may be spent already, and then nothing is begun", () =>
    Effect.gen(function* () {
      const work = script(Effect.succeed("done"))
      const { events, exit } = yield* play(Deadline.within(work.call, "request", 0))
      expect(exit).toStrictEqual(Exit.fail(missed("request", 0, 0, "before-start")))
      expect(work.at).toEqual([])
      expect(events).toEqual([{ _tag: "DeadlineMissed", policy: "request", at: 0, where: "before-start", budget: 0 }])
      expect((yield* play(Deadline.within(work.call, "request", 1))).exit).toEqual(Exit.succeed("done"))
    })
  )

  it.effect("tells how long it really was when the work could not be interrupted", () =>
    Effect.gen(function* () {
      const stubborn = Effect.uninterruptible(Effect.sleep("3 seconds"))
      const { at, exit } = yield* play(stubborn.pipe(Deadline.protect("2 seconds")))
      expect(exit).toStrictEqual(Exit.fail(missed("deadline", 2000, 3000)))
      expect(at).toBe(3000)
    })
  )

  it.effect("lets go what ends in time, also at the last moment", () =>
    Effect.gen(function* () {
      const ends = yield* Effect.forEach([0, 1999, 2000], (millis) =>
        begin(Deadline.protect(after(millis, Effect.succeed(millis)), "2 seconds"))
      )
      const failing = yield* begin(Deadline.protect(Effect.fail("declined"), "2 seconds"))
      yield* TestClock.adjust("1 minute")
      for (const { end } of ends) expect((yield* end).events).toEqual([])
      const exits = yield* Effect.forEach(ends, ({ end }) => Effect.map(end, ({ exit }) => exit))
      expect(exits).toStrictEqual([0, 1999, 2000].map((millis) => Exit.succeed(millis)))
      expect((yield* failing.end).exit).toStrictEqual(Exit.fail("declined"))
    })
  )

  it.scoped("as a policy gives each call a budget of its own", () =>
    Effect.gen(function* () {
      const checkout = yield* Deadline.make("checkout", "2 seconds")
      const first = yield* begin(checkout.protect(Effect.never))
      yield* TestClock.adjust(1500)
      const other = yield* begin(checkout.protect(after(1000, remaining)))
      yield* TestClock.adjust("1 minute")
      expect((yield* first.end).exit).toStrictEqual(Exit.fail(missed("checkout", 2000, 2000)))
      expect((yield* other.end).exit).toStrictEqual(Exit.succeed(Option.some(1000)))
    })
  )

  it.effect("interrupts its work with an interrupted caller, and misses nothing then", () =>
    Effect.gen(function* () {
      const closed = yield* Deferred.make<number>()
      const closing = Effect.flatMap(Clock.currentTimeMillis, (at) => Deferred.succeed(closed, at))
      const work = Effect.onInterrupt(Effect.never, () => closing)
      const { end, fiber } = yield* begin(Deadline.protect(work, "2 seconds"))
      yield* TestClock.adjust(500)
      yield* Fiber.interrupt(fiber)
      const { at, events, exit } = yield* end
      expect([at, shape(exit), events]).toEqual([500, { errors: [], defects: [], interrupted: true }, []])
      expect(yield* known(closed)).toBe(500)
    })
  )

  it.effect("does not move with a wall clock that is set", () =>
    Effect.gen(function* () {
      const clock = new HandClock()
      const call = yield* clock.begin(Deadline.protect(Effect.zipRight(Effect.sleep(600), remaining), 1000))
      const hanging = yield* clock.begin(Effect.exit(Deadline.protect(Effect.never, 1000)))
      clock.wallAhead = -3_600_000
      yield* clock.advance(600, "first asleep first")
      expect(yield* Fiber.join(call)).toEqual(Option.some(400))
      clock.wallAhead = 3_600_000
      yield* clock.advance(399, "first asleep first")
      expect(yield* Fiber.poll(hanging)).toEqual(Option.none())
      yield* clock.advance(1, "first asleep first")
      expect(yield* Fiber.join(hanging)).toStrictEqual(Exit.fail(missed("deadline", 1000, 1000)))
    })
  )
})

describe("a deadline inside another", () => {
  it.scoped("can only shorten it, and whose budget ended is said", () =>
    Effect.gen(function* () {
      const [second, minute] = [yield* Deadline.make("second", 1000), yield* Deadline.make("minute", 60_000)]
      const within = yield* begin(second.protect(minute.protect(Effect.never)))
      const around = yield* begin(minute.protect(second.protect(Effect.never)))
      yield* TestClock.adjust("2 minutes")
      expect(yield* within.end).toMatchObject({ at: 1000, exit: Exit.fail(missed("second", 1000, 1000)) })
      expect(yield* around.end).toMatchObject({ at: 1000, exit: Exit.fail(missed("second", 1000, 1000)) })
    })
  )

  it.effect("leaves the rest of the outer one when it ended early or was missed", () =>
    Effect.gen(function* () {
      const seen = Effect.gen(function* () {
        const early = yield* Deadline.protect(after(100, remaining), 1000)
        const between = yield* remaining
        const late = yield* Effect.flip(Deadline.protect(Effect.never, 1000))
        return [early, between, late.where, yield* remaining]
      })
      const { exit } = yield* play(Deadline.protect(seen, 5000))
      expect(exit).toStrictEqual(Exit.succeed([Option.some(900), Option.some(4900), "in-flight", Option.some(3900)]))
    })
  )

  it.effect("is not begun when the outer one has ended: the work is not called", () =>
    Effect.gen(function* () {
      const work = script(Effect.succeed("charged"))
      const seen = yield* Deferred.make<unknown>()
      const stubborn = after(1500, Effect.flip(Deadline.protect(work.call, "1 minute"))).pipe(
        Effect.flatMap((error) => Deferred.succeed(seen, error)),
        Effect.uninterruptible
      )
      const { events } = yield* play(Deadline.protect(stubborn, 1000))
      expect(yield* known(seen)).toStrictEqual(missed("deadline", 1000, 1500, "before-start"))
      expect(work.at).toEqual([])
      expect(events.map((event) => ("where" in event ? event.where : event._tag))).toEqual([
        "before-start",
        "in-flight"
      ])
    })
  )
})

describe("what is left", () => {
  it.effect("is told anywhere inside, counts down to nothing, and is none where there is no budget", () =>
    Effect.gen(function* () {
      const stubborn = Effect.gen(function* () {
        const seen = [yield* remaining]
        yield* Effect.sleep(400)
        seen.push(yield* remaining)
        yield* Effect.sleep(800)
        seen.push(yield* remaining)
        expect(seen).toEqual([Option.some(1000), Option.some(600), Option.some(0)])
        return "all seen"
      })
      const seen = yield* Deferred.make<string>()
      yield* play(Deadline.protect(Effect.uninterruptible(Effect.intoDeferred(stubborn, seen)), 1000))
      expect(yield* known(seen)).toBe("all seen")
      expect(yield* remaining).toEqual(Option.none())
    })
  )

  it.effect("is inherited by forks, and by daemons that outlive the caller", () =>
    Effect.gen(function* () {
      const seen = yield* Deferred.make<unknown>()
      const forking = Effect.gen(function* () {
        yield* Effect.forkDaemon(after(1500, Effect.intoDeferred(remaining, seen)))
        const fork = yield* Effect.fork(after(300, remaining))
        return yield* Fiber.join(fork)
      })
      const { exit } = yield* play(Deadline.protect(forking, 1000))
      expect(exit).toStrictEqual(Exit.succeed(Option.some(700)))
      expect(yield* known(seen)).toEqual(Option.some(0))
    })
  )

  it.scoped("holds in a daemon too, whatever longer budget that asks for", () =>
    Effect.gen(function* () {
      const minute = yield* Deadline.make("minute", "1 minute")
      const daemon = Effect.zip(Effect.flip(minute.protect(Effect.never)), Clock.currentTimeMillis)
      const fiber = yield* Deadline.protect(Effect.forkDaemon(daemon), 1000)
      yield* TestClock.adjust("10 minutes")
      expect(yield* Fiber.poll(fiber)).toStrictEqual(Option.some(Exit.succeed([missed("deadline", 1000, 1000), 1000])))
    })
  )

  it.effect("is nobody's in detached work, which may have a budget of its own", () =>
    Effect.gen(function* () {
      const seen = yield* Deferred.make<unknown>()
      const refresh = Effect.gen(function* () {
        const before = yield* remaining
        const own = yield* Effect.orDie(Deadline.protect(after(2000, remaining), 5000))
        return [before, own, yield* Clock.currentTimeMillis]
      })
      const caller = Effect.gen(function* () {
        yield* Effect.forkDaemon(Deadline.detached(Effect.intoDeferred(refresh, seen)))
        return yield* remaining
      })
      const { exit } = yield* play(Deadline.protect(caller, 1000))
      expect(exit).toStrictEqual(Exit.succeed(Option.some(1000)))
      expect(yield* known(seen)).toEqual([Option.none(), Option.some(3000), 2000])
    })
  )
})

describe("a deadline and its neighbours", () => {
  it.scoped("ends a timeout of the same length, being the outer one", () =>
    Effect.gen(function* () {
      const timeout = yield* Timeout.make("attempt", { duration: 1000 })
      const same = yield* begin(Deadline.protect(timeout.protect(Effect.never), 1000))
      const inside = yield* begin(timeout.protect(Deadline.protect(Effect.never, 1000)))
      yield* TestClock.adjust("1 minute")
      expect((yield* same.end).exit).toStrictEqual(Exit.fail(missed("deadline", 1000, 1000)))
      expect((yield* inside.end).exit).toMatchObject(Exit.fail({ _tag: "TimedOut", policy: "attempt" }))
    })
  )

  it.effect("ends a retry in its wait where the schedule is not ours", () =>
    Effect.gen(function* () {
      const work = script(Effect.fail("down"))
      const stock = Effect.retry(work.call, Schedule.spaced(400))
      const ours = Retry.retry(work.call, { schedule: Schedule.spaced(400), while: () => true })
      const stuck = yield* begin(Deadline.protect(stock, 1000))
      const wise = yield* begin(Deadline.protect(ours, 1000))
      yield* TestClock.adjust("1 minute")
      expect(yield* stuck.end).toMatchObject({ at: 1000, exit: Exit.fail(missed("deadline", 1000, 1000)) })
      expect(yield* wise.end).toMatchObject({ at: 800, exit: Exit.fail("down") })
    })
  )

  it.scoped("binds a policy without a deadline of its own: each attempt, and the wait in its line", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("stock", {
        deadline: "none",
        timeout: "10 seconds",
        bulkhead: { maxConcurrent: 1, maxQueue: 1 }
      })
      const running = yield* begin(Deadline.protect(policy.protect(Effect.never), 3000))
      const waiting = yield* begin(Deadline.protect(policy.protect(Effect.never), 1000))
      const daemon = yield* begin(
        Effect.flatMap(Deadline.protect(Effect.forkDaemon(policy.protect(Effect.never)), 500), Fiber.join)
      )
      yield* TestClock.adjust("1 minute")
      const ends = [yield* running.end, yield* waiting.end]
      expect(ends).toMatchObject([
        { at: 3000, exit: Exit.fail(missed("deadline", 3000, 3000)) },
        { at: 1000, exit: Exit.fail(missed("deadline", 1000, 1000)) }
      ])
      expect((yield* daemon.end).exit).toMatchObject(Exit.fail({ _tag: "BulkheadFull" }))
    })
  )

  it.scoped("inside a standard policy loses to the attempt's own limit in the same millisecond", () =>
    Effect.gen(function* () {
      const same = yield* Policy.standard("same", { deadline: 1000, timeout: 1000, retry: "none" })
      const less = yield* Policy.standard("less", { deadline: 1000, timeout: 999, retry: "none" })
      const own = yield* Policy.standard("own", { deadline: 1000, timeout: "none", retry: "none" })
      const ends = yield* Effect.forEach([same, less, own], (policy) => begin(policy.protect(Effect.never)))
      yield* TestClock.adjust("1 minute")
      const exits = yield* Effect.forEach(ends, ({ end }) => Effect.map(end, ({ exit }) => exit))
      expect(exits).toMatchObject([
        Exit.fail({ _tag: "TimedOut", policy: "same" }),
        Exit.fail({ _tag: "TimedOut", policy: "less" }),
        Exit.fail(missed("own", 1000, 1000))
      ])
    })
  )
})
