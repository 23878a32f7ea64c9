import { Deadline, InvalidOptions, Retry, Timeout } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Duration, Effect, Either, Exit } from "effect"

/** What is said of options that `make` dies of. */
const complaint = <A, E>(exit: Exit.Exit<A, E>): string =>
  Exit.match(exit, {
    onSuccess: () => "nothing is wrong",
    onFailure: (cause) => {
      const [defect] = [...Cause.defects(cause)]
      return defect instanceof InvalidOptions.InvalidOptions ? defect.message : `another: ${Cause.pretty(cause)}`
    }
  })

const complaintOf = <A, E, R>(make: Effect.Effect<A, E, R>) => Effect.map(Effect.exit(make), complaint)

const span = (min: number) => `a duration from ${min} ms to 2147483647 ms (24.8 days)`

describe("options that cannot be meant", () => {
  it.scoped("kill `make` with the policy, the option, its value, and what is allowed", () =>
    Effect.gen(function* () {
      expect(yield* complaintOf(Timeout.make("stock", { duration: 0 }))).toBe(
        `Invalid options for "stock": duration is 0, but must be ${span(1)}`
      )
      expect(yield* complaintOf(Timeout.make("stock", { duration: Duration.infinity }))).toBe(
        `Invalid options for "stock": duration is Infinity, but must be ${span(1)}`
      )
      expect(yield* complaintOf(Deadline.make("checkout", "25 days"))).toBe(
        `Invalid options for "checkout": duration is "25 days", but must be ${span(1)}`
      )
      expect(yield* complaintOf(Deadline.protect(Effect.void, Number.NaN))).toBe(
        `Invalid options for "deadline": duration is NaN, but must be ${span(1)}`
      )
    })
  )

  it.scoped("are all told at once", () =>
    Effect.gen(function* () {
      const make = Retry.make("search", { maxRetries: -1, maxRetryAfter: Number.NaN, minAttempt: "25 days" })
      expect(yield* complaintOf(make)).toBe(
        `Invalid options for "search": maxRetries is -1, but must be a whole number from 0 to 1000000000; ` +
          `maxRetryAfter is NaN, but must be ${span(0)}; minAttempt is "25 days", but must be ${span(0)}`
      )
    })
  )

  it("are shares that are no numbers, though they would pass for one", () => {
    for (const text of ['"0.5"', "null", "[]", "true"]) {
      const value: number = JSON.parse(text)
      expect(Either.isLeft(InvalidOptions.fraction("share", value, "0 included"))).toBe(true)
    }
  })

  it.effect("are checked before anything is made: nothing runs, nothing is registered", () =>
    Effect.gen(function* () {
      let ran = 0
      const work = Effect.sync(() => ran++)
      yield* Effect.exit(Deadline.protect(work, 0))
      expect(ran).toBe(0)
    })
  )

  it.scoped("may lie on the limits", () =>
    Effect.gen(function* () {
      const most = 2_147_483_647
      expect(yield* complaintOf(Timeout.make("t", { duration: 1 }))).toBe("nothing is wrong")
      expect(yield* complaintOf(Timeout.make("t", { duration: most }))).toBe("nothing is wrong")
      expect(yield* complaintOf(Timeout.make("t", { duration: most + 1 }))).not.toBe("nothing is wrong")
      expect(yield* complaintOf(Retry.make("r", { maxRetries: 0, maxRetryAfter: 0, minAttempt: 0 }))).toBe(
        "nothing is wrong"
      )
      expect(yield* complaintOf(Retry.make("r", { maxRetries: 0.5 }))).not.toBe("nothing is wrong")
    })
  )
})

describe("a check", () => {
  it("reads spans in whole milliseconds, rounded up", () => {
    expect(InvalidOptions.span("wait", "1500 micros")).toMatchObject({ right: 2 })
    expect(InvalidOptions.span("wait", "1500 micros", 3)).toMatchObject({ left: [{ value: '"1500 micros"' }] })
    expect(InvalidOptions.span("wait", "soon")).toMatchObject({
      left: [{ value: '"soon"', allowed: expect.stringMatching(/^a duration such as "2 seconds", from 1 ms/) }]
    })
    expect(InvalidOptions.span("wait", Duration.minutes(1))).toMatchObject({ right: 60_000 })
    expect(InvalidOptions.spanOrNone("wait", "none")).toMatchObject({ right: Infinity })
    expect(InvalidOptions.spanOrNone("wait", 0)).toMatchObject({ left: [{ allowed: `${span(1)} or "none"` }] })
  })

  it("reads whole numbers, rates and factors with their limits", () => {
    const right = (value: number) => ({ right: value })
    expect(InvalidOptions.integer("n", 1, 1)).toMatchObject(right(1))
    expect(InvalidOptions.integer("n", 1e9, 1)).toMatchObject(right(1e9))
    for (const wrong of [0, 1.5, 1e9 + 1, Number.NaN, Infinity]) {
      expect(InvalidOptions.integer("n", wrong, 1)).toMatchObject({
        left: [{ option: "n", value: String(wrong), allowed: "a whole number from 1 to 1000000000" }]
      })
    }
    expect(InvalidOptions.fraction("rate", 0, "0 included")).toMatchObject(right(0))
    expect(InvalidOptions.fraction("rate", 1, "0 excluded")).toMatchObject(right(1))
    for (const wrong of [0, -0.1, 1.1, Number.NaN]) {
      expect(InvalidOptions.fraction("rate", wrong, "0 excluded")).toMatchObject({
        left: [{ allowed: "a number from 0 (excluded) to 1" }]
      })
    }
    expect(InvalidOptions.atLeast("factor", 1, 1)).toMatchObject(right(1))
    expect(InvalidOptions.atLeast("factor", Infinity, 1)).toMatchObject({ left: [{ allowed: "a number >= 1" }] })
  })
})
