import { Degrade, Fallback } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Data, Deferred, Effect, Exit, Fiber, Option, TestClock } from "effect"
import { Dependency } from "../support/Dependency.js"
import { begin, heard, script, shape } from "../support/Play.js"
import { turns } from "../support/Turns.js"

class ReviewsDown extends Data.TaggedError("ReviewsDown")<{ readonly policy: string }> {}
class StockDown extends Data.TaggedError("StockDown") {}
class NoProduct extends Data.TaggedError("NoProduct") {}

const reviewsDown = Effect.fail(new ReviewsDown({ policy: "reviews" }))

describe("an answer of several parts", () => {
  it.effect("has them all when all is well, optional ones as what may be missing", () =>
    Effect.gen(function* () {
      const page = Degrade.all({
        product: Degrade.critical(Effect.succeed("book")),
        stock: Degrade.important(Effect.succeed(3)),
        reviews: Degrade.optional(Effect.succeed("good"))
      })
      expect(yield* heard(page)).toStrictEqual([
        { value: { product: "book", stock: Option.some(3), reviews: Option.some("good") }, degraded: [] },
        []
      ])
    })
  )

  it.effect("does without those that fail and are not critical, says which in their order, and reports why", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("1 second")
      const page = Degrade.all({
        stock: Degrade.important(Effect.zipRight(Effect.yieldNow(), Effect.fail(new StockDown()))),
        product: Degrade.critical(Effect.succeed("book")),
        reviews: Degrade.optional(reviewsDown)
      })
      const [answer, events] = yield* heard(page)
      expect(answer).toStrictEqual({
        value: { stock: Option.none(), product: "book", reviews: Option.none() },
        degraded: ["stock", "reviews"]
      })
      const common = { _tag: "PartDegraded", at: 1_000 }
      expect(events).toEqual([
        { ...common, policy: "reviews", part: "reviews", criticality: "optional", error: "ReviewsDown" },
        { ...common, policy: "degrade", part: "stock", criticality: "important", error: "StockDown" }
      ])
    })
  )

  it.effect("counts a part as degraded that a tier served, a critical one too, and leaves its words to it", () =>
    Effect.gen(function* () {
      const chain = (first: Effect.Effect<string, StockDown>) =>
        first.pipe(
          Fallback.primary,
          Fallback.tier("likely", { kind: "static" }, () => Effect.succeed("some"))
        )
      const page = Degrade.all({
        sure: Degrade.critical(chain(Effect.succeed("three"))),
        product: Degrade.critical(chain(Effect.fail(new StockDown()))),
        stock: Degrade.optional(chain(Effect.fail(new StockDown()))),
        reviews: Degrade.optional(chain(Effect.succeed("good")))
      })
      const [{ degraded, value }, events] = yield* heard(page)
      expect(degraded).toEqual(["product", "stock"])
      expect(value).toMatchObject({
        sure: { value: "three", tier: "primary" },
        product: { value: "some", tier: "likely" },
        stock: Option.some({ value: "some", tier: "likely", kind: "static", degraded: true, age: Option.none() })
      })
      expect(events.map(({ _tag }) => _tag)).toEqual(["FallbackServed", "FallbackServed"])
    })
  )

  it.effect("may have none", () =>
    Effect.gen(function* () {
      expect(yield* Degrade.all({})).toEqual({ value: {}, degraded: [] })
    })
  )

  it.effect("runs them at the same time", () =>
    Effect.gen(function* () {
      const parts = [script(Effect.sleep("1 second")), script(Effect.sleep("1 second"))] as const
      const page = yield* begin(
        Degrade.all({ product: Degrade.critical(parts[0].call), reviews: Degrade.optional(parts[1].call) })
      )
      yield* TestClock.adjust("1 second")
      expect((yield* page.end).at).toBe(1_000)
      expect(parts.map(({ at }) => at)).toEqual([[0], [0]])
    })
  )
})

describe("a critical part that fails", () => {
  it.effect("is what the whole fails with, and the others are interrupted", () =>
    Effect.gen(function* () {
      const others = new Dependency()
      const error = new NoProduct()
      const failing = yield* Deferred.make<never, NoProduct>()
      const page = yield* begin(
        Degrade.all({
          reviews: Degrade.optional(others.hangs()),
          product: Degrade.critical(Deferred.await(failing)),
          price: Degrade.critical(others.hangs())
        })
      )
      yield* turns
      expect(others.running).toBe(2)
      yield* Deferred.fail(failing, error)
      yield* turns
      const { events, exit } = yield* page.end
      expect(Option.map(Exit.causeOption(exit), Cause.failureOption)).toEqual(Option.some(Option.some(error)))
      expect([others.running, events]).toEqual([0, []])
    })
  )
})

describe("what no part is left out for", () => {
  const ends: Record<string, Effect.Effect<string, string>> = {
    "a defect": Effect.die("bug"),
    "a defect beside an error": Effect.failCause(Cause.parallel(Cause.fail("down"), Cause.die("bug"))),
    "an interruption": Effect.interrupt
  }
  for (const [what, end] of Object.entries(ends)) {
    for (const part of [Degrade.critical, Degrade.important, Degrade.optional]) {
      it.effect(`${what} of one that is ${part(end).criticality}`, () =>
        Effect.gen(function* () {
          const others = new Dependency()
          const page = Degrade.all({ part: part(end), other: Degrade.optional(others.hangs()) })
          const [exit, events] = yield* heard(Effect.exit(page))
          const { defects, interrupted } = shape(yield* Effect.exit(end)) as { defects: unknown; interrupted: unknown }
          expect(shape(exit)).toMatchObject(interrupted === true ? { interrupted } : { defects })
          expect([others.running, events]).toEqual([0, []])
        })
      )
    }
  }

  it.effect("an interruption of the caller, which ends all parts", () =>
    Effect.gen(function* () {
      const others = new Dependency()
      const page = yield* begin(
        Degrade.all({ product: Degrade.critical(others.hangs()), reviews: Degrade.optional(others.hangs()) })
      )
      yield* turns
      expect(others.running).toBe(2)
      yield* Fiber.interrupt(page.fiber)
      const { events, exit } = yield* page.end
      expect([Exit.isInterrupted(exit), others.running, events]).toEqual([true, 0, []])
    })
  )
})
