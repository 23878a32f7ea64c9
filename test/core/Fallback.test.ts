import { CircuitBreaker, Fallback, Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Data, Deferred, Effect, Exit, Fiber, Option, TestClock } from "effect"
import { Unavailable } from "../support/Dependency.js"
import { begin, heard, play, script, shape } from "../support/Play.js"

class NotFound extends Data.TaggedError("NotFound")<{ readonly id: string }> {}
class Stale extends Data.TaggedError("Stale")<{ readonly policy: string; readonly known: ReadonlyArray<string> }> {}
class ReplicaDown extends Data.TaggedError("ReplicaDown") {}

type Failed = NotFound | Stale | Unavailable

const failing = (error: Failed): Effect.Effect<string, Failed> => Effect.fail(error)
const served = (value: unknown, tier: string, kind: Fallback.Served<unknown>["kind"]) => ({
  value,
  tier,
  kind,
  degraded: kind !== "primary",
  age: Option.none()
})

describe("a fallback", () => {
  it.effect("gives the first choice when there is one, says so, and asks no tier", () =>
    Effect.gen(function* () {
      const replica = script(Effect.succeed("replica"))
      const chain = Effect.succeed("first choice").pipe(
        Fallback.primary,
        Fallback.tier("replica", () => replica.call)
      )
      expect(yield* heard(chain)).toStrictEqual([served("first choice", "primary", "primary"), []])
      expect(replica.at).toEqual([])
    })
  )

  it.effect("gives the first tier that has an answer, says which and of what kind, and reports it", () =>
    Effect.gen(function* () {
      const [first, second, third] = [
        script<string, ReplicaDown>(Effect.fail(new ReplicaDown())),
        script(Effect.succeed("second")),
        script(Effect.succeed("third"))
      ]
      const chain = failing(new Stale({ policy: "reviews", known: [] })).pipe(
        Fallback.primary,
        Fallback.tier("first", { remote: true }, () => first.call),
        Fallback.tier("second", { kind: "stale" }, () => second.call),
        Fallback.tier("third", () => third.call)
      )
      yield* TestClock.adjust("2 seconds")
      const [value, events] = yield* heard(chain)
      expect(value).toStrictEqual(served("second", "second", "stale"))
      expect([first.at.length, second.at.length, third.at.length]).toEqual([1, 1, 0])
      expect(events).toEqual([
        { _tag: "FallbackFailed", policy: "reviews", at: 2000, tier: "first", error: "ReplicaDown" },
        { _tag: "FallbackServed", policy: "fallback", at: 2000, tier: "second", kind: "stale", age: undefined }
      ])
    })
  )

  it.effect("calls a tier an alternate unless it says otherwise", () =>
    Effect.gen(function* () {
      const kinds = ["stale", "alternate", "static", "empty", "queued"] as const
      for (const kind of kinds) {
        const chain = failing(new NotFound({ id: "p1" })).pipe(
          Fallback.primary,
          Fallback.tier("next", { kind }, () => Effect.succeed(1))
        )
        expect(yield* chain).toStrictEqual(served(1, "next", kind))
      }
      const plain = failing(new NotFound({ id: "p1" })).pipe(
        Fallback.primary,
        Fallback.tier("next", () => Effect.succeed(1))
      )
      expect((yield* plain).kind).toBe("alternate")
    })
  )

  it.effect("shows each tier the error that it is for", () =>
    Effect.gen(function* () {
      const chain = failing(new Stale({ policy: "reviews", known: ["a book"] })).pipe(
        Fallback.primary,
        Fallback.tier("known", { when: "Stale" }, ({ known }) => Effect.fail(new NotFound({ id: known.join() }))),
        Fallback.tier("none", (error) => Effect.succeed(error._tag === "NotFound" ? error.id : error._tag))
      )
      expect(yield* chain).toStrictEqual(served("a book", "none", "alternate"))
    })
  )

  it.effect("unwraps to the value alone", () =>
    Effect.gen(function* () {
      const chain = failing(new NotFound({ id: "p1" })).pipe(
        Fallback.primary,
        Fallback.tier("none", () => Effect.succeed([])),
        Fallback.value
      )
      expect(yield* chain).toEqual([])
    })
  )

  it.effect("serves as often as it is asked, each time from the first choice on", () =>
    Effect.gen(function* () {
      const primary = script<string, Failed>(failing(new NotFound({ id: "p1" })), Effect.succeed("back"))
      const chain = primary.call.pipe(
        Fallback.primary,
        Fallback.tier("none", () => Effect.succeed("none")),
        Fallback.value
      )
      expect([yield* chain, yield* chain]).toEqual(["none", "back"])
    })
  )

  it.scoped("answers for an open circuit, and is asked for nothing else", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("reviews", {
        retry: "none",
        circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(1) }
      })
      const dependency = script(Effect.fail(new Unavailable({})))
      const chain = policy.protect(dependency.call).pipe(
        Fallback.primary,
        Fallback.tier("none", { when: "CircuitOpen", kind: "empty" }, ({ reason }) => Effect.succeed(reason._tag))
      )
      expect((yield* Effect.flip(chain))._tag).toBe("Unavailable")
      const [value, events] = yield* heard(chain)
      expect(value).toStrictEqual(served("Consecutive", "none", "empty"))
      expect(events.at(-1)).toMatchObject({ _tag: "FallbackServed", policy: "reviews" })
      expect(dependency.at.length).toBe(1)
    })
  )
})

describe("an error that a tier does not select", () => {
  const chain = (error: Failed) => {
    const replica = script<string, ReplicaDown>(Effect.succeed("replica"))
    const result = failing(error).pipe(
      Fallback.primary,
      Fallback.tier("replica", { when: ["Unavailable", "Stale"] }, () => replica.call)
    )
    return { replica, result }
  }

  it.effect("goes out unchanged, and the tier is not asked", () =>
    Effect.gen(function* () {
      const error = new NotFound({ id: "p1" })
      const { replica, result } = chain(error)
      const [failure, events] = yield* heard(Effect.flip(result))
      expect(failure).toBe(error)
      expect([replica.at, events]).toEqual([[], []])
    })
  )

  it.effect("goes on to the next tier", () =>
    Effect.gen(function* () {
      const { replica, result } = chain(new NotFound({ id: "p1" }))
      const next = result.pipe(
        Fallback.tier("unknown", { when: "NotFound", kind: "static" }, ({ id }) => Effect.succeed(id))
      )
      expect(yield* next).toStrictEqual(served("p1", "unknown", "static"))
      expect(replica.at).toEqual([])
    })
  )

  it.effect("has none of the tags that the tier names: those it selects", () =>
    Effect.gen(function* () {
      expect((yield* chain(new Unavailable({})).result).tier).toBe("replica")
      expect((yield* chain(new Stale({ policy: "p", known: [] })).result).tier).toBe("replica")
    })
  )
})

describe("when every tier fails", () => {
  it.effect("the caller gets the last one's error, and telemetry has them all", () =>
    Effect.gen(function* () {
      const last = new ReplicaDown()
      const chain = failing(new NotFound({ id: "p1" })).pipe(
        Fallback.primary,
        Fallback.tier("replica", () => Effect.fail(new Stale({ policy: "replica", known: [] }))),
        Fallback.tier("last", () => Effect.fail(last))
      )
      const [error, events] = yield* heard(Effect.flip(chain))
      expect(error).toBe(last)
      expect(events).toEqual([
        { _tag: "FallbackFailed", policy: "fallback", at: 0, tier: "replica", error: "Stale" },
        { _tag: "FallbackFailed", policy: "replica", at: 0, tier: "last", error: "ReplicaDown" }
      ])
    })
  )
})

describe("a tier that dies", () => {
  const bug = new Error("bug")
  const dying = (run: () => Effect.Effect<string, string>) =>
    Effect.fail("down").pipe(
      Fallback.primary,
      Fallback.tier("tier", run),
      Fallback.tier("last", () => Effect.succeed("last"))
    )
  const reported = [{ _tag: "FallbackFailed", policy: "fallback", at: 0, tier: "tier", error: "Defect" }]

  it.effect("is reported as one that failed, whether its effect dies or its function throws", () =>
    Effect.gen(function* () {
      const inEffect = yield* heard(Effect.exit(dying(() => Effect.die(bug))))
      const inFunction = yield* heard(
        Effect.exit(
          dying(() => {
            throw bug
          })
        )
      )
      expect([inEffect, inFunction]).toEqual([inEffect, inFunction].map(() => [Exit.die(bug), reported]))
    })
  )

  it.effect("beside an error is reported as one that died", () =>
    Effect.gen(function* () {
      const both = Effect.failCause(Cause.parallel(Cause.fail("down"), Cause.die(bug)))
      const [, events] = yield* heard(Effect.exit(dying(() => both)))
      expect(events).toEqual(reported)
    })
  )

  it.effect("is not what one is that was interrupted", () =>
    Effect.gen(function* () {
      const [exit, events] = yield* heard(Effect.exit(dying(() => Effect.interrupt)))
      expect([Exit.isInterrupted(exit), events]).toEqual([true, []])
    })
  )
})

describe("the tiers of a chain", () => {
  const chain = Effect.fail("down").pipe(
    Fallback.primary,
    Fallback.tier("replica", { remote: true, policy: "replica" }, () => Effect.fail("down")),
    Fallback.tier("popular", { remote: true, kind: "alternate" }, () => Effect.fail("down")),
    Fallback.tier("none", { kind: "empty" }, () => Effect.succeed("none"))
  )

  it("are told in the order in which they are asked, and none is", () => {
    expect(Fallback.tiers(chain)).toEqual([
      { tier: "replica", kind: "alternate", remote: true, policy: "replica" },
      { tier: "popular", kind: "alternate", remote: true, policy: undefined },
      { tier: "none", kind: "empty", remote: false, policy: undefined }
    ])
    expect(Fallback.tiers(Fallback.primary(Effect.succeed(1)))).toEqual([])
    expect(Fallback.tiers(Effect.map(chain, (one) => one))).toEqual([])
  })

  it("let `explain` warn of one that calls out without a policy", () => {
    const { traps } = Policy.explain("reviews", {}, { fallback: Fallback.tiers(chain) })
    expect(traps.map(({ message, rule }) => [rule, message])).toEqual([
      ["remote-fallback", 'the fallback tier "popular" calls out without a policy: it hangs when what it calls hangs']
    ])
  })
})

describe("what says where it came from", () => {
  it.effect("is told from what does not by its fields", () =>
    Effect.gen(function* () {
      const chain = Effect.fail("down").pipe(
        Fallback.primary,
        Fallback.tier("none", () => Effect.succeed(1))
      )
      const one = yield* chain
      expect(Fallback.isServed(one)).toBe(true)
      for (const field of ["value", "tier", "kind", "degraded", "age"]) {
        expect([field, Fallback.isServed({ ...one, [field]: undefined })]).toEqual([field, field === "value"])
      }
      expect([null, "served", { degraded: true }].map(Fallback.isServed)).toEqual([false, false, false])
    })
  )
})

describe("what a fallback never swallows", () => {
  const ends: Record<string, Effect.Effect<string, string>> = {
    "a defect": Effect.die("bug"),
    "a defect beside an error": Effect.failCause(Cause.parallel(Cause.fail("down"), Cause.die("bug"))),
    "an interruption": Effect.interrupt
  }

  for (const [what, end] of Object.entries(ends)) {
    it.effect(`${what} of the first choice, or of a tier`, () =>
      Effect.gen(function* () {
        const last = script(Effect.succeed("last"))
        const first = end.pipe(
          Fallback.primary,
          Fallback.tier("last", () => last.call)
        )
        const inTier = Effect.fail("down").pipe(
          Fallback.primary,
          Fallback.tier("tier", () => end),
          Fallback.tier("last", () => last.call)
        )
        const expected = shape(yield* Effect.exit(end))
        expect([shape(yield* Effect.exit(first)), shape(yield* Effect.exit(inTier))]).toEqual([expected, expected])
        expect(last.at).toEqual([])
      })
    )
  }

  it.effect("what a tier's function throws", () =>
    Effect.gen(function* () {
      const bug = new Error("bug")
      const chain = Effect.fail("down").pipe(
        Fallback.primary,
        Fallback.tier("tier", (): Effect.Effect<string> => {
          throw bug
        }),
        Fallback.tier("last", () => Effect.succeed("last"))
      )
      expect(shape(yield* Effect.exit(chain))).toEqual({ errors: [], defects: [bug], interrupted: false })
    })
  )

  it.effect("an interruption of the caller, in the first choice and in a tier", () =>
    Effect.gen(function* () {
      const last = script(Effect.succeed("last"))
      const closed = yield* Deferred.make<void>()
      const hanging = Effect.onInterrupt(Effect.never, () => Deferred.succeed(closed, undefined))
      const chain = (first: Effect.Effect<string, string>, second: Effect.Effect<string, string>) =>
        first.pipe(
          Fallback.primary,
          Fallback.tier("second", () => second),
          Fallback.tier("last", () => last.call)
        )
      const [inFirst, inTier] = [
        yield* begin(chain(Effect.never, Effect.succeed("second"))),
        yield* begin(chain(Effect.fail("down"), hanging))
      ]
      yield* TestClock.adjust(10)
      yield* Fiber.interruptAll([inFirst.fiber, inTier.fiber])
      const interrupted = { errors: [], defects: [], interrupted: true }
      expect([shape((yield* inFirst.end).exit), shape((yield* inTier.end).exit)]).toEqual([interrupted, interrupted])
      expect((yield* inTier.end).events).toEqual([])
      expect(yield* Deferred.isDone(closed)).toBe(true)
      expect(last.at).toEqual([])
    })
  )

  it.effect("an error that came with the interruption of others is still an error", () =>
    Effect.gen(function* () {
      const both = Effect.all([Effect.fail("down"), Effect.never], { concurrency: "unbounded" })
      const chain = both.pipe(
        Fallback.primary,
        Fallback.tier("none", (error) => Effect.succeed(error)),
        Fallback.value
      )
      expect((yield* play(chain)).exit).toStrictEqual(Exit.succeed("down"))
    })
  )
})
