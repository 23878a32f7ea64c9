import { type CircuitBreaker, Fallback, type Policy } from "@effect-resilience/core"
import { describe, expectTypeOf, it } from "@effect/vitest"
import { Context, Data, Effect } from "effect"

class CircuitOpen extends Data.TaggedError("CircuitOpen")<{ readonly opened: number }> {}
class TimedOut extends Data.TaggedError("TimedOut") {}
class NotFound extends Data.TaggedError("NotFound") {}

class Replica extends Context.Tag("test/Replica")<Replica, { readonly read: Effect.Effect<string, TimedOut> }>() {}

/** Only its type matters: it is never run. */
const primary = (): Effect.Effect<Fallback.Served<number>, CircuitOpen | TimedOut | NotFound> =>
  Fallback.primary(Effect.succeed(1))

describe("the type of a fallback", () => {
  it("loses the errors that a tier selects, and gains the tier's own", () => {
    const one = primary().pipe(
      Fallback.tier("x", { when: "CircuitOpen" }, (error) => Effect.succeed(`${error.opened}`))
    )
    expectTypeOf(one).toEqualTypeOf<Effect.Effect<Fallback.Served<number | string>, TimedOut | NotFound>>()

    const two = primary().pipe(
      Fallback.tier("x", { when: ["CircuitOpen", "TimedOut"] }, () => Effect.fail("late" as const))
    )
    expectTypeOf(two).toEqualTypeOf<Effect.Effect<Fallback.Served<number>, NotFound | "late">>()
  })

  it("narrows what the tier's function sees to the selected errors", () => {
    void primary().pipe(
      Fallback.tier("x", { when: ["CircuitOpen", "TimedOut"], kind: "static" }, (error) => {
        expectTypeOf(error).toEqualTypeOf<CircuitOpen | TimedOut>()
        return Effect.succeed(1)
      }),
      Fallback.tier("y", (error) => {
        expectTypeOf(error).toEqualTypeOf<NotFound>()
        return Effect.succeed(1)
      })
    )
  })

  it("without `when` has the last tier's error: never, if that cannot fail", () => {
    const failing = primary().pipe(Fallback.tier("x", () => Effect.fail(new TimedOut())))
    expectTypeOf(failing).toEqualTypeOf<Effect.Effect<Fallback.Served<number>, TimedOut>>()

    const sure = primary().pipe(
      Fallback.tier("x", { kind: "stale" }, () => Effect.fail(new TimedOut())),
      Fallback.tier("none", { kind: "empty" }, () => Effect.succeed(null))
    )
    expectTypeOf(sure).toEqualTypeOf<Effect.Effect<Fallback.Served<number | null>>>()
    expectTypeOf(Fallback.value(sure)).toEqualTypeOf<Effect.Effect<number | null>>()
  })

  it("asks for what its tiers need", () => {
    const reading = () => Effect.flatMap(Replica, ({ read }) => read)
    const chain = () => primary().pipe(Fallback.tier("replica", reading))
    expectTypeOf(chain).returns.toEqualTypeOf<Effect.Effect<Fallback.Served<number | string>, TimedOut, Replica>>()
  })

  it("of a protected call selects the policy's errors by their tags", () => {
    const call = (policy: Policy.Standard) =>
      policy.protect(Effect.succeed(1)).pipe(
        Fallback.primary,
        Fallback.tier("out", { when: ["CircuitOpen", "BulkheadFull", "Throttled", "RateLimited"] }, () =>
          Effect.succeed("out")
        ),
        Fallback.tier("late", { when: ["TimedOut", "DeadlineExceeded"] }, () => Effect.succeed("late"))
      )
    expectTypeOf(call).returns.toEqualTypeOf<Effect.Effect<Fallback.Served<number | string>>>()
    const open = (policy: Policy.Policy<CircuitBreaker.CircuitOpen>) =>
      policy.protect(primary()).pipe(Fallback.tier("x", { when: "CircuitOpen" }, () => Effect.succeed(1)))
    expectTypeOf(open).returns.toEqualTypeOf<Effect.Effect<Fallback.Served<number>, TimedOut | NotFound>>()
  })

  it("refuses a tag that the chain cannot fail with", () => {
    // @ts-expect-error a mistyped tag
    void primary().pipe(Fallback.tier("x", { when: "CirquitOpen" }, () => Effect.succeed(1)))
    // @ts-expect-error one mistyped tag among others
    void primary().pipe(Fallback.tier("x", { when: ["CircuitOpen", "TimeOut"] }, () => Effect.succeed(1)))
    void primary().pipe(
      Fallback.tier("x", { when: "NotFound" }, () => Effect.succeed(1)),
      // @ts-expect-error an error that an earlier tier has dealt with
      Fallback.tier("y", { when: "NotFound" }, () => Effect.succeed(1))
    )
    // @ts-expect-error an unknown kind
    void primary().pipe(Fallback.tier("x", { when: "NotFound", kind: "fresh" }, () => Effect.succeed(1)))
    // @ts-expect-error a tier needs a first choice before it
    void Effect.succeed(1).pipe(Fallback.tier("x", () => Effect.succeed(1)))
  })
})
