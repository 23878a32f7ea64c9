import { Bulkhead, Policy, Timeout } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Clock, Deferred, Duration, Effect, Exit, Fiber, FiberRef, Option, TestClock } from "effect"
import { HandClock } from "../support/HandClock.js"
import { Listener } from "../support/Listener.js"
import { begin, known, play, script, shape } from "../support/Play.js"

const after = <A, E, R>(millis: number, self: Effect.Effect<A, E, R>) => Effect.zipRight(Effect.sleep(millis), self)
const second = { duration: "1 second" } as const
const late = (policy: string, limit: Duration.DurationInput = "1 second") =>
  new Timeout.TimedOut({ policy, limit: Duration.decode(limit), retryAfter: Option.none() })

describe("a timeout", () => {
  it.scoped("reports once, also where work that cannot be interrupted ends in a limit of its own", () =>
    Effect.gen(function* () {
      const [inner, outer] = [
        yield* Timeout.make("inner", { duration: 700 }),
        yield* Timeout.make("outer", { duration: 500 })
      ]
      const work = outer.protect(Effect.uninterruptible(inner.protect(Effect.sleep("1 second"))))
      const { events, exit } = yield* play(work, "1 minute")
      expect(exit).toEqual(Exit.fail(late("outer", 500)))
      expect(events.map(({ _tag, policy }) => [_tag, policy])).toEqual([
        ["CallTimedOut", "inner"],
        ["CallTimedOut", "outer"]
      ])
    })
  )

  it.scoped("interrupts what takes longer than its limit, says so, and reports it", () =>
    Effect.gen(function* () {
      const timeout = yield* Timeout.make("stock", second)
      const work = script(Effect.never)
      const { at, events, exit } = yield* play(timeout.protect(work.call))
      expect(exit).toStrictEqual(Exit.fail(late("stock")))
      expect([work.at, at]).toEqual([[0], 1000])
      expect(events).toEqual([{ _tag: "CallTimedOut", policy: "stock", at: 1000, limit: 1000 }])
      expect(timeout.limit).toEqual(Duration.seconds(1))
    })
  )

  it.scoped("gives each call a limit of its own", () =>
    Effect.gen(function* () {
      const timeout = yield* Timeout.make("stock", second)
      const first = yield* begin(Timeout.protect(timeout)(Effect.never))
      yield* TestClock.adjust(600)
      const other = yield* begin(Timeout.protect(after(900, Effect.succeed("in stock")), timeout))
      yield* TestClock.adjust("1 minute")
      expect(yield* first.end).toMatchObject({ at: 1000, exit: Exit.fail(late("stock")) })
      expect(yield* other.end).toMatchObject({ at: 1500, exit: Exit.succeed("in stock"), events: [] })
    })
  )

  it.scoped("leaves no timer behind", () =>
    Effect.gen(function* () {
      const timeout = yield* Timeout.make("stock", { duration: "1 hour" })
      const clock = new HandClock()
      yield* clock.rule(timeout.protect(Effect.succeed("in stock")))
      yield* Effect.exit(clock.rule(timeout.protect(Effect.fail("sold out"))))
      const interrupted = yield* clock.begin(timeout.protect(Effect.never))
      expect(clock.sleeping).toBe(1)
      yield* Fiber.interrupt(interrupted)
      expect(clock.sleeping).toBe(0)
    })
  )
})

describe("at the limit itself", () => {
  it.scoped("a result that is there wins; a millisecond later it is too late", () =>
    Effect.gen(function* () {
      const timeout = yield* Timeout.make("stock", second)
      const halves = after(500, after(500, Effect.succeed("in stock")))
      const works = [after(1000, Effect.succeed("in stock")), halves, after(1000, Effect.fail("sold out"))]
      const ends = yield* Effect.forEach(works, (work) => begin(timeout.protect(work)))
      const tooLate = yield* begin(timeout.protect(after(1001, Effect.succeed("in stock"))))
      yield* TestClock.adjust("1 minute")
      const exits = yield* Effect.forEach(ends, ({ end }) => Effect.map(end, ({ exit }) => exit))
      expect(exits).toStrictEqual([Exit.succeed("in stock"), Exit.succeed("in stock"), Exit.fail("sold out")])
      expect(yield* tooLate.end).toMatchObject({ at: 1000, exit: Exit.fail(late("stock")) })
    })
  )

  for (const order of ["first asleep first", "last asleep first"] as const) {
    it.scoped(`a result of the very same instant wins, timers woken ${order}`, () =>
      Effect.gen(function* () {
        const timeout = yield* Timeout.make("stock", second)
        const ref = yield* FiberRef.make("as it was")
        const listener = new Listener()
        const clock = new HandClock()
        const ends = (end: Effect.Effect<string, string>) =>
          clock.begin(
            Effect.flatMap(
              Effect.exit(timeout.protect(Effect.zipRight(FiberRef.set(ref, "changed"), after(1000, end)))),
              (exit) => Effect.map(FiberRef.get(ref), (value) => [shape(exit), value])
            ).pipe(listener.hear)
          )
        const success = yield* ends(Effect.succeed("in stock"))
        const failure = yield* ends(Effect.fail("sold out"))
        yield* clock.advance(1000, order)
        expect(yield* Fiber.join(success)).toEqual([{ value: "in stock" }, "changed"])
        const soldOut = { errors: ["sold out"], defects: [], interrupted: false }
        expect(yield* Fiber.join(failure)).toEqual([soldOut, "as it was"])
        expect(listener.events).toEqual([])
      })
    )

    it.scoped(`an interruption of the caller at the very same instant wins, timers woken ${order}`, () =>
      Effect.gen(function* () {
        const timeout = yield* Timeout.make("stock", second)
        const listener = new Listener()
        const clock = new HandClock()
        const slowToEnd = Effect.onInterrupt(Effect.never, () => Effect.repeatN(Effect.yieldNow(), 20))
        const sooner = yield* clock.begin(
          after(
            1000,
            Effect.suspend(() => Fiber.interrupt(caller))
          )
        )
        const caller: Fiber.RuntimeFiber<never, Timeout.TimedOut> = yield* clock.begin(
          listener.hear(timeout.protect(slowToEnd))
        )
        yield* clock.advance(1000, order)
        expect(shape(yield* Fiber.join(sooner))).toEqual({ errors: [], defects: [], interrupted: true })
        expect(listener.events).toEqual([])
      })
    )

    it.scoped(`the outer of two nested limits wins, timers woken ${order}`, () =>
      Effect.gen(function* () {
        const [outer, inner] = [yield* Timeout.make("outer", second), yield* Timeout.make("inner", second)]
        const clock = new HandClock()
        const nested = yield* clock.begin(outer.protect(inner.protect(Effect.never)))
        yield* clock.advance(1000, order)
        expect(yield* Fiber.await(nested)).toStrictEqual(Exit.fail(late("outer")))
      })
    )
  }

  it.scoped("the outer of two nested limits wins in virtual time too, and a longer outer one does not", () =>
    Effect.gen(function* () {
      const [one, two] = [yield* Timeout.make("one", second), yield* Timeout.make("two", second)]
      const longer = yield* Timeout.make("longer", { duration: 1001 })
      const same = yield* begin(one.protect(two.protect(Effect.never)))
      const shorter = yield* begin(longer.protect(two.protect(Effect.never)))
      yield* TestClock.adjust("1 minute")
      expect((yield* same.end).exit).toStrictEqual(Exit.fail(late("one")))
      expect((yield* shorter.end).exit).toStrictEqual(Exit.fail(late("two")))
    })
  )

  it.scoped("an older TimedOut that comes through from elsewhere is not taken for the limit's own", () =>
    Effect.gen(function* () {
      const timeout = yield* Timeout.make("stock", second)
      const other = late("other")
      const { exit } = yield* play(timeout.protect(after(999, Effect.fail(other))))
      expect(exit).toStrictEqual(Exit.fail(other))
    })
  )
})

describe('mode "disconnect"', () => {
  const disconnected = { duration: "1 second", mode: "disconnect" } as const

  it.scoped("answers at the limit although the work cannot be interrupted; without it the work is waited for", () =>
    Effect.gen(function* () {
      const work = script(Effect.uninterruptible(after(5000, Effect.succeed("charged"))))
      const answering = yield* begin((yield* Timeout.make("payment", disconnected)).protect(work.call))
      const waiting = yield* begin((yield* Timeout.make("payment", second)).protect(work.call))
      yield* TestClock.adjust("1 minute")
      expect(yield* answering.end).toMatchObject({ at: 1000, exit: Exit.fail(late("payment")) })
      expect(yield* waiting.end).toMatchObject({ at: 5000, exit: Exit.fail(late("payment")) })
      expect(work.at).toEqual([0, 0])
    })
  )

  it.scoped("interrupts the work all the same, and does not wait for its finalizers", () =>
    Effect.gen(function* () {
      const closed = yield* Deferred.make<number>()
      const closing = after(
        400,
        Effect.flatMap(Clock.currentTimeMillis, (at) => Deferred.succeed(closed, at))
      )
      const timeout = yield* Timeout.make("payment", disconnected)
      const { at } = yield* play(timeout.protect(Effect.onInterrupt(Effect.never, () => closing)))
      expect([at, yield* known(closed)]).toEqual([1000, 1400])
    })
  )

  it.scoped("lets an interrupted caller go at once", () =>
    Effect.gen(function* () {
      const timeout = yield* Timeout.make("payment", disconnected)
      const { end, fiber } = yield* begin(timeout.protect(Effect.uninterruptible(Effect.sleep("5 seconds"))))
      yield* TestClock.adjust(300)
      yield* Effect.fork(Fiber.interrupt(fiber))
      yield* TestClock.adjust("1 minute")
      const { at, events, exit } = yield* end
      expect([at, shape(exit), events]).toEqual([300, { errors: [], defects: [], interrupted: true }, []])
    })
  )

  it.scoped("hands over results, failures, defects and values local to the fiber as they are", () =>
    Effect.gen(function* () {
      const timeout = yield* Timeout.make("payment", disconnected)
      const ref = yield* FiberRef.make("as it was")
      const ends = (end: Effect.Effect<string, string>) =>
        Effect.zip(
          Effect.map(Effect.exit(timeout.protect(Effect.zipRight(FiberRef.set(ref, "changed"), end))), shape),
          FiberRef.get(ref)
        )
      expect(yield* ends(Effect.fail("declined"))).toEqual([
        { errors: ["declined"], defects: [], interrupted: false },
        "as it was"
      ])
      expect(yield* ends(Effect.die("bug"))).toEqual([
        { errors: [], defects: ["bug"], interrupted: false },
        "as it was"
      ])
      expect(yield* ends(Effect.succeed("charged"))).toEqual([{ value: "charged" }, "changed"])
    })
  )

  it.scoped("keeps the permits of every bulkhead around it until the work has really ended", () =>
    Effect.gen(function* () {
      const timeout = yield* Timeout.make("payment", disconnected)
      const [outer, inner] = [
        yield* Bulkhead.make("outer", { maxConcurrent: 1 }),
        yield* Bulkhead.make("inner", { maxConcurrent: 1 })
      ]
      const stubborn = Effect.uninterruptible(Effect.sleep("5 seconds"))
      const { end } = yield* begin(Policy.all(outer, inner, timeout).protect(stubborn))
      const active = Effect.all([outer, inner].map((each) => Effect.map(each.snapshot, (now) => now.active)))
      yield* TestClock.adjust(1000)
      expect((yield* end).at).toBe(1000)
      expect(yield* active).toEqual([1, 1])
      expect((yield* Effect.flip(outer.protect(Effect.void)))._tag).toBe("BulkheadFull")
      yield* TestClock.adjust(3999)
      expect(yield* active).toEqual([1, 1])
      yield* TestClock.adjust(1)
      expect(yield* active).toEqual([0, 0])
    })
  )

  it.scoped("keeps the permit of a standard policy too, whichever limit is reached first", () =>
    Effect.gen(function* () {
      const timeout = yield* Timeout.make("payment", disconnected)
      const active = (policy: Policy.Standard) =>
        Option.match(policy.bulkhead, {
          onNone: () => Effect.succeed(-1),
          onSome: ({ snapshot }) => Effect.map(snapshot, (now) => now.active)
        })
      const stubborn = timeout.protect(Effect.uninterruptible(Effect.sleep("5 seconds")))
      const slower = yield* Policy.standard("slower", { retry: "none" })
      const faster = yield* Policy.standard("faster", { retry: "none", timeout: "500 millis" })
      const first = yield* begin(slower.protect(stubborn))
      const other = yield* begin(faster.protect(stubborn))
      yield* TestClock.adjust(1000)
      expect(yield* first.end).toMatchObject({ at: 1000, exit: Exit.fail(late("payment")) })
      expect(yield* other.end).toMatchObject({ at: 500, exit: Exit.fail(late("faster", 500)) })
      yield* TestClock.adjust(3999)
      expect([yield* active(slower), yield* active(faster)]).toEqual([1, 1])
      yield* TestClock.adjust(1)
      expect([yield* active(slower), yield* active(faster)]).toEqual([0, 0])
    })
  )
})
