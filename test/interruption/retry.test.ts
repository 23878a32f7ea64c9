/** A retry interrupted at each of its points: while an attempt runs, between attempts, in its wait, when that ends. */
import { Backoff, Outcome, Retry, Timeout } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Schedule } from "effect"
import { Unavailable } from "../support/Dependency.js"
import { atEveryTurn, untilItEnds, untilItHangs, type Ward, whenDue } from "../support/EveryTurn.js"

const turns = (count: number) => Effect.repeatN(Effect.yieldNow(), count)
const closing = Effect.onInterrupt(Effect.never, () => turns(3))
const failing: Effect.Effect<unknown, Unavailable> = Effect.zipRight(turns(2), Effect.fail(new Unavailable({})))
const waiting = { maxRetries: 3, backoff: Backoff.constant("1 second") }

const trialOf =
  (protect: (work: Effect.Effect<unknown, Unavailable>) => Effect.Effect<unknown, unknown>, run: typeof failing) =>
  ({ work }: Ward) =>
    Effect.succeed({ effect: protect(work(run)) })

describe("an interrupted retry leaves nothing behind, and calls no more", () => {
  it.scoped("while an attempt runs", () =>
    Effect.gen(function* () {
      const retry = yield* Retry.make("p", waiting)
      const all = yield* atEveryTurn(trialOf(retry.protect, closing), untilItHangs)
      expect(all).toMatchObject({ begun: [0, 1], ended: 0 })
    })
  )

  it.scoped("in the wait after an attempt, and when that has just ended", () =>
    Effect.gen(function* () {
      const retry = yield* Retry.make("p", waiting)
      const trial = trialOf(retry.protect, failing)
      expect(yield* atEveryTurn(trial, untilItHangs)).toMatchObject({ begun: [0, 1], ended: 0 })
      expect(yield* atEveryTurn(trial, untilItHangs, whenDue(1000))).toMatchObject({ begun: [1, 2], ended: 0 })
    })
  )

  it.scoped("in a wait that the dependency asked for", () =>
    Effect.gen(function* () {
      const retry = yield* Retry.make("p", { maxRetries: 1, backoff: Backoff.constant(0) })
      const busy = Effect.fail(new Unavailable({ retryAfter: Duration.seconds(5) }))
      const trial = trialOf(retry.protect, busy)
      expect(yield* atEveryTurn(trial, untilItHangs)).toMatchObject({ begun: [0, 1], ended: 0 })
      expect(yield* atEveryTurn(trial, untilItEnds, whenDue(5500))).toMatchObject({ begun: [1, 2], ended: 1 })
    })
  )

  it.scoped("between attempts without a wait, and while the last one settles", () =>
    Effect.gen(function* () {
      const retry = yield* Retry.make("p", { maxRetries: 3, backoff: Backoff.constant(0) })
      const all = yield* atEveryTurn(trialOf(retry.protect, failing))
      expect(all).toMatchObject({ begun: [0, 1, 2, 3, 4], ended: 1 })
    })
  )

  it.scoped("while results are judged, and while a schedule takes its time to decide", () =>
    Effect.gen(function* () {
      const classify: Outcome.Classify = () => Outcome.failure({ transient: true })
      const judging = yield* Retry.make("p", { maxRetries: 2, backoff: Backoff.constant(0), classify })
      expect(yield* atEveryTurn(trialOf(judging.protect, turns(2)))).toMatchObject({ begun: [0, 1, 2, 3], ended: 1 })
      const schedule = Schedule.delayedEffect(Schedule.recurs(2), () => Effect.as(turns(4), Duration.zero))
      const direct = trialOf(Retry.retry({ schedule }), failing)
      expect(yield* atEveryTurn(direct)).toMatchObject({ begun: [0, 1, 2, 3], ended: 1 })
    })
  )

  it.scoped("around a timeout whose limit has just been reached", () =>
    Effect.gen(function* () {
      const timeout = yield* Timeout.make("p", { duration: "1 second" })
      const retry = yield* Retry.make("p", { maxRetries: 1, backoff: Backoff.constant(0) })
      const trial = trialOf((work) => retry.protect(timeout.protect(work)), closing)
      expect(yield* atEveryTurn(trial, 2 * untilItHangs, whenDue(1000))).toMatchObject({ begun: [1, 2], ended: 0 })
    })
  )
})
