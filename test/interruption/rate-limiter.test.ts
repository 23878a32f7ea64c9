/** A rate limiter's caller interrupted at each of its points: on its way in, first in line, behind others, when served. */
import { Deadline, RateLimiter } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { atEveryTurn, untilItHangs, type Ward, whenDue } from "../support/EveryTurn.js"

const waits = { onExceeded: "wait" } as const
const turns = (count: number) => Effect.repeatN(Effect.yieldNow(), count)

/** A call that wants 1 of 1 a second, after so many others have taken one or wait for it. */
const trialOf =
  (others: number, options: RateLimiter.TakeOptions = waits) =>
  ({ clock, work }: Ward) =>
    Effect.gen(function* () {
      const limiter = yield* Effect.scoped(RateLimiter.make("p", { limit: 1, window: "1 second" }))
      const effect = Effect.gen(function* () {
        yield* limiter.take()
        for (let n = 0; n < others; n++) yield* Effect.fork(limiter.take(waits))
        yield* turns(3)
        yield* work(turns(2)).pipe(RateLimiter.protect(limiter, options))
      })
      const after = Effect.gen(function* () {
        expect((yield* limiter.snapshot).lines).toBe(0)
        yield* clock.tick(60_000)
        yield* limiter.take().pipe(clock.rule)
      })
      return { effect, after: Effect.orDie(after) }
    })

describe("a call that is interrupted leaves its line, and no one behind it hangs", () => {
  it.live("while it is the first in line, and when it has just been served", () =>
    Effect.gen(function* () {
      expect(yield* atEveryTurn(trialOf(0), untilItHangs)).toMatchObject({ begun: [0], ended: 0 })
      expect(yield* atEveryTurn(trialOf(0), undefined, whenDue(1000))).toMatchObject({ begun: [0, 1], ended: 1 })
    })
  )

  it.live("while others are before it", () =>
    Effect.gen(function* () {
      expect(yield* atEveryTurn(trialOf(2), untilItHangs)).toMatchObject({ begun: [0], ended: 0 })
    })
  )

  it.live("with a limit to its wait, its own or its caller's", () =>
    Effect.gen(function* () {
      const patient = { ...waits, maxWait: "1 hour" } as const
      expect(yield* atEveryTurn(trialOf(2, patient), untilItHangs)).toMatchObject({ begun: [0], ended: 0 })
      const within = (ward: Ward) =>
        Effect.map(trialOf(2)(ward), (trial) => ({ ...trial, effect: Deadline.protect(trial.effect, "1 hour") }))
      expect(yield* atEveryTurn(within, untilItHangs)).toMatchObject({ begun: [0], ended: 0 })
    })
  )
})
