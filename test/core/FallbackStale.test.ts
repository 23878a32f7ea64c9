import { Deadline, Fallback, InvalidOptions, Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Context, Data, Deferred, Duration, Effect, Exit, Fiber, Option, TestClock } from "effect"
import { Dependency, Unavailable } from "../support/Dependency.js"
import { HandClock } from "../support/HandClock.js"
import { begin, heard, known, script, shape } from "../support/Play.js"
import { turns } from "../support/Turns.js"

class NotFound extends Data.TaggedError("NotFound") {}
type Failed = Unavailable | NotFound

const making = (options: Partial<Fallback.StaleOptions> = {}) =>
  Fallback.stale<string, string, Failed>({ capacity: 10, maxAge: "10 minutes", ...options })

type Store = Fallback.StaleStore<string, string, Failed>

const down = new Unavailable({})

const asking = (store: Store, key: string, primary: Effect.Effect<string, Failed>) =>
  primary.pipe(store.remember(key), Fallback.primary, store.tier(key))

const stale = (value: string, age: Duration.DurationInput) => ({
  value,
  tier: "stale",
  kind: "stale",
  degraded: true,
  age: Option.some(Duration.decode(age))
})

describe("a stale value", () => {
  it.effect("is served when the primary fails, with its age, and reported with it", () =>
    Effect.gen(function* () {
      const store = yield* making()
      const primary = script<string, Failed>(Effect.succeed("fresh"), Effect.fail(down))
      expect(yield* heard(asking(store, "p1", primary.call))).toMatchObject([{ value: "fresh", degraded: false }, []])
      yield* TestClock.adjust("90 seconds")
      const [served, events] = yield* heard(asking(store, "p1", primary.call))
      expect(served).toStrictEqual(stale("fresh", "90 seconds"))
      expect(events).toEqual([
        { _tag: "FallbackServed", policy: "fallback", at: 90_000, tier: "stale", kind: "stale", age: 90_000 }
      ])
      expect(primary.at).toEqual([0, 90_000])
    })
  )

  it.effect("is as old as it may be, and no older", () =>
    Effect.gen(function* () {
      const store = yield* making({ maxAge: "1 minute" })
      yield* asking(store, "p1", Effect.succeed("fresh"))
      yield* TestClock.adjust("1 minute")
      expect(yield* asking(store, "p1", Effect.fail(down))).toStrictEqual(stale("fresh", "1 minute"))
      yield* TestClock.adjust("1 milli")
      expect(yield* Effect.flip(asking(store, "p1", Effect.fail(down)))).toBe(down)
      expect((yield* store.snapshot).size).toBe(0)
    })
  )

  it.effect("is as old as the last success, which it is not made younger by being served", () =>
    Effect.gen(function* () {
      const store = yield* making()
      const answers = ["first", "second"].map((value) => Effect.succeed(value))
      for (const answer of answers) {
        yield* TestClock.adjust("1 minute")
        yield* asking(store, "p1", answer)
      }
      yield* TestClock.adjust("1 minute")
      yield* asking(store, "p1", Effect.fail(down))
      yield* TestClock.adjust("1 minute")
      expect(yield* asking(store, "p1", Effect.fail(down))).toStrictEqual(stale("second", "2 minutes"))
    })
  )

  it.effect("ages by the monotonic side of the clock, whatever the wall is set to", () =>
    Effect.gen(function* () {
      const clock = new HandClock()
      const store = yield* making()
      yield* clock.rule(asking(store, "p1", Effect.succeed("fresh")))
      yield* clock.tick(1_000)
      clock.wallAhead = 86_400_000
      expect(yield* clock.rule(asking(store, "p1", Effect.fail(down)))).toStrictEqual(stale("fresh", "1 second"))
    })
  )

  it.effect("is that of its own key", () =>
    Effect.gen(function* () {
      const store = yield* making()
      yield* asking(store, "alice", Effect.succeed("hers"))
      expect(yield* Effect.flip(asking(store, "bob", Effect.fail(down)))).toBe(down)
    })
  )

  it.effect("of the key that was used least recently goes at capacity", () =>
    Effect.gen(function* () {
      const store = yield* making({ capacity: 2 })
      yield* asking(store, "a", Effect.succeed("a"))
      yield* asking(store, "b", Effect.succeed("b"))
      yield* asking(store, "a", Effect.fail(down))
      yield* asking(store, "c", Effect.succeed("c"))
      const kept = yield* Effect.filter(["a", "b", "c"], (key) =>
        Effect.map(Effect.exit(asking(store, key, Effect.fail(down))), Exit.isSuccess)
      )
      expect(kept).toEqual(["a", "c"])
    })
  )

  it.effect("that is degraded itself is handed on and not remembered", () =>
    Effect.gen(function* () {
      const store = yield* Fallback.stale<string, Fallback.Served<string>, Failed>({ capacity: 10, maxAge: "1 hour" })
      const replica = (primary: Effect.Effect<string, Failed>) =>
        primary.pipe(
          Fallback.primary,
          Fallback.tier("replica", { when: "Unavailable" }, () => Effect.succeed("replica")),
          store.remember("p1")
        )
      expect((yield* replica(Effect.fail(down))).tier).toBe("replica")
      expect((yield* store.snapshot).size).toBe(0)
      expect((yield* replica(Effect.succeed("fresh"))).tier).toBe("primary")
      expect((yield* store.snapshot).size).toBe(1)
    })
  )
})

describe("where nothing is remembered", () => {
  it.effect("the error goes on unchanged, to the next tier or out, and is reported", () =>
    Effect.gen(function* () {
      const store = yield* making()
      const [error, events] = yield* heard(Effect.flip(asking(store, "p1", Effect.fail(down))))
      expect(error).toBe(down)
      expect(events).toEqual([
        { _tag: "FallbackFailed", policy: "fallback", at: 0, tier: "stale", error: "NothingRemembered" }
      ])
      const last = asking(store, "p1", Effect.fail(down)).pipe(
        Fallback.tier("tag", (failed) => Effect.succeed(failed._tag))
      )
      expect(yield* last).toMatchObject({ value: "Unavailable", tier: "tag" })
    })
  )
})

describe("a stale tier", () => {
  it.effect("with `when` is asked for those errors only, and has the name that it is given", () =>
    Effect.gen(function* () {
      const store = yield* making()
      const ask = (primary: Effect.Effect<string, Failed>) =>
        primary.pipe(
          store.remember("p1"),
          Fallback.primary,
          store.tier("p1", { when: "Unavailable", name: "yesterday" })
        )
      yield* ask(Effect.succeed("fresh"))
      expect((yield* ask(Effect.fail(down))).tier).toBe("yesterday")
      const [error, events] = yield* heard(Effect.flip(ask(Effect.fail(new NotFound()))))
      expect([error._tag, events]).toEqual(["NotFound", []])
      expect(Fallback.tiers(ask(Effect.fail(down)))).toEqual([
        { tier: "yesterday", kind: "stale", remote: false, policy: undefined }
      ])
    })
  )

  it.effect("swallows neither a defect nor an interruption", () =>
    Effect.gen(function* () {
      const store = yield* making()
      yield* asking(store, "p1", Effect.succeed("fresh"))
      const ends = yield* Effect.forEach([Effect.die("bug"), Effect.interrupt], (end) =>
        Effect.exit(asking(store, "p1", end))
      )
      expect(ends.map(shape)).toEqual([
        { errors: [], defects: ["bug"], interrupted: false },
        { errors: [], defects: [], interrupted: true }
      ])
      expect(yield* store.snapshot).toEqual({ size: 1, running: 0 })
    })
  )
})

describe("callers of one key at a time", () => {
  it.effect("share one run, also its failure and its defect, and the next begins anew", () =>
    Effect.gen(function* () {
      const store = yield* making()
      for (const exit of [Exit.succeed("fresh"), Exit.fail(down), Exit.die("bug")]) {
        const dependency = new Dependency()
        const answer = yield* Deferred.make<string, Failed>()
        const ask = Effect.exit(dependency.ask(Deferred.await(answer)).pipe(store.remember("p1")))
        const all = yield* Effect.fork(Effect.all([ask, ask, ask], { concurrency: "unbounded" }))
        yield* turns
        expect(yield* store.snapshot).toMatchObject({ running: 1 })
        Deferred.unsafeDone(answer, exit)
        expect(yield* Fiber.join(all)).toEqual([exit, exit, exit])
        expect(dependency.asked).toBe(1)
        expect(yield* ask).toEqual(exit)
        expect(dependency.asked).toBe(2)
      }
    })
  )

  it.effect("of different keys do not", () =>
    Effect.gen(function* () {
      const store = yield* making()
      const dependency = new Dependency()
      const fibers = yield* Effect.forEach(["a", "b"], (key) =>
        Effect.fork(dependency.hangs().pipe(store.remember(key)))
      )
      yield* turns
      expect(dependency.running).toBe(2)
      yield* Fiber.interruptAll(fibers)
    })
  )

  it.effect("are not hurt if the first to ask gives up", () =>
    Effect.gen(function* () {
      const store = yield* making()
      const dependency = new Dependency()
      const answer = yield* Deferred.make<string>()
      const ask = dependency.ask(Deferred.await(answer)).pipe(store.remember("p1"))
      const leader = yield* begin(ask)
      yield* turns
      const follower = yield* begin(ask)
      yield* turns
      yield* Fiber.interrupt(leader.fiber)
      yield* Deferred.succeed(answer, "fresh")
      yield* turns
      expect((yield* follower.end).exit).toEqual(Exit.succeed("fresh"))
      expect([dependency.asked, (yield* store.snapshot).size]).toEqual([1, 1])
    })
  )

  it.effect("are outside the budget of the first to ask", () =>
    Effect.gen(function* () {
      const store = yield* making()
      const left: Array<Option.Option<Duration.Duration>> = []
      const primary = Effect.gen(function* () {
        left.push(yield* Deadline.remaining)
        yield* Effect.sleep("1 second")
        return "fresh"
      })
      const leader = yield* begin(Deadline.protect(store.remember("p1")(primary), "300 millis"))
      const follower = yield* begin(Deadline.protect(store.remember("p1")(primary), "5 seconds"))
      yield* TestClock.adjust("1 second")
      expect(Option.map(Exit.causeOption((yield* leader.end).exit), Cause.failureOption)).toMatchObject(
        Option.some(Option.some({ _tag: "DeadlineExceeded", where: "in-flight" }))
      )
      expect(yield* follower.end).toMatchObject({ exit: Exit.succeed("fresh"), at: 1_000 })
      expect(left).toEqual([Option.none()])
    })
  )

  it.effect("share one admission to the policy inside", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("reviews", { bulkhead: { maxConcurrent: 1 } })
      const store = yield* Fallback.stale<string, string, Policy.StandardError>({ capacity: 1, maxAge: "1 hour" })
      const answer = yield* Deferred.make<string>()
      const ask = Deferred.await(answer).pipe(policy.protect, store.remember("p1"))
      const all = yield* Effect.fork(Effect.all([ask, ask], { concurrency: "unbounded" }))
      yield* turns
      yield* Deferred.succeed(answer, "fresh")
      expect(yield* Fiber.join(all)).toEqual(["fresh", "fresh"])
    }).pipe(Effect.scoped)
  )
})

describe("the last one who leaves", () => {
  it.effect(
    "ends the run and waits until it has ended; who comes meanwhile begins anew, and nothing late is kept",
    () =>
      Effect.gen(function* () {
        const store = yield* making()
        const [closing, closed] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        const slowToEnd = Effect.uninterruptible(
          Effect.zipRight(Deferred.succeed(closing, undefined), Effect.as(Deferred.await(closed), "late"))
        )
        const leader = yield* Effect.fork(slowToEnd.pipe(store.remember("p1")))
        yield* turns
        yield* known(closing)
        yield* Fiber.interruptFork(leader)
        yield* turns
        expect(Option.isNone(yield* Fiber.poll(leader))).toBe(true)
        expect(yield* store.remember("p1")(Effect.succeed("newer"))).toBe("newer")
        yield* Deferred.succeed(closed, undefined)
        expect(Exit.isInterrupted(yield* Fiber.await(leader))).toBe(true)
        expect(yield* asking(store, "p1", Effect.fail(down))).toMatchObject({ value: "newer" })
      })
  )
})

describe("a run", () => {
  class Tenant extends Context.Tag("test/Tenant")<Tenant, string>() {}

  it.effect("has the services of the caller who began it", () =>
    Effect.gen(function* () {
      const store = yield* Fallback.stale<string, string, never>({ capacity: 1, maxAge: "1 hour" })
      expect(yield* Tenant.pipe(store.remember("p1"), Effect.provideService(Tenant, "acme"))).toBe("acme")
    })
  )
})

describe("options that cannot be meant", () => {
  it.effect("are all named at once", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(making({ capacity: 0, maxAge: 0 }))
      const defect = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.dieOption(exit.cause)) : undefined
      expect(defect).toBeInstanceOf(InvalidOptions.InvalidOptions)
      expect(defect).toMatchObject({ policy: "stale", problems: [{ option: "capacity" }, { option: "maxAge" }] })
      expect((yield* Effect.exit(making({ capacity: 1, maxAge: 1 })))._tag).toBe("Success")
    })
  )
})
