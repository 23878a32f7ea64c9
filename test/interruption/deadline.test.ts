/** A deadline interrupted at each of its points: before its work began, while that runs, when the budget has ended. */
import { Deadline, Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Option } from "effect"
import { HandClock, settle } from "../support/HandClock.js"
import { atEveryTurn, untilItEnds, untilItHangs, type Ward, whenDue } from "../support/EveryTurn.js"

const turns = (count: number) => Effect.repeatN(Effect.yieldNow(), count)
const closing = Effect.onInterrupt(Effect.never, () => turns(3))

const works: Record<string, (ward: Ward) => Effect.Effect<unknown, unknown>> = {
  "work that hangs and takes its time to end": ({ work }) => work(closing),
  "work with a shorter budget of its own": ({ work }) => Deadline.protect(work(closing), "500 millis"),
  "work that asks for a longer budget": ({ work }) => Deadline.protect(work(closing), "1 minute")
}

describe("an interrupted deadline leaves nothing behind", () => {
  for (const [name, make] of Object.entries(works)) {
    it.effect(`${name}, also when the budget has just ended`, () =>
      Effect.gen(function* () {
        const trial = (ward: Ward) => Effect.succeed({ effect: Deadline.protect(make(ward), "1 second") })
        expect(yield* atEveryTurn(trial, untilItHangs)).toMatchObject({ begun: [0, 1], ended: 0 })
        expect(yield* atEveryTurn(trial, untilItEnds, whenDue(1000))).toMatchObject({ begun: [1], ended: 1 })
      })
    )
  }

  it.effect("work that succeeds or fails", () =>
    Effect.gen(function* () {
      for (const end of [Effect.void, Effect.fail("declined")]) {
        const trial = ({ work }: Ward) =>
          Effect.succeed({ effect: Deadline.protect(work(Effect.zipRight(turns(3), end)), "1 second") })
        expect(yield* atEveryTurn(trial)).toMatchObject({ begun: [0, 1], ended: 1 })
      }
    })
  )

  it.effect("in a standard policy: running, in its line, and when the budget has just ended", () =>
    Effect.gen(function* () {
      const trial = (occupied: boolean) => (ward: Ward) =>
        Effect.gen(function* () {
          const policy = yield* Policy.standard("p", {
            deadline: "1 second",
            timeout: "none",
            retry: "none",
            bulkhead: { maxConcurrent: 1, maxQueue: 1 }
          })
          const bulkhead = yield* policy.bulkhead
          const busy = yield* Effect.forkDaemon(occupied ? bulkhead.protect(Effect.never) : Effect.void)
          yield* settle
          const after = Effect.gen(function* () {
            expect(yield* bulkhead.snapshot).toEqual({ active: occupied ? 1 : 0, queued: 0, limit: 1 })
            yield* Fiber.interrupt(busy)
          })
          return { effect: policy.protect(ward.work(closing)), after }
        }).pipe(Effect.scoped, Effect.orDie)
      expect(yield* atEveryTurn(trial(false), untilItHangs)).toMatchObject({ begun: [0, 1], ended: 0 })
      expect(yield* atEveryTurn(trial(true), untilItHangs)).toMatchObject({ begun: [0], ended: 0 })
      const due = whenDue(1000)
      expect(yield* atEveryTurn(trial(false), untilItEnds, due)).toMatchObject({ begun: [1], ended: 1 })
      expect(yield* atEveryTurn(trial(true), untilItEnds, due)).toMatchObject({ begun: [0], ended: 1 })
    })
  )
})

describe("detached work", () => {
  it.effect("goes on when its caller is interrupted, and when the caller's budget has ended", () =>
    Effect.gen(function* () {
      const clock = new HandClock()
      const done = yield* Deferred.make<Option.Option<unknown>>()
      const refresh = Effect.zipRight(Effect.sleep("3 seconds"), Effect.intoDeferred(Deadline.remaining, done))
      const caller = Effect.zipRight(Effect.forkDaemon(Deadline.detached(refresh)), Effect.never)
      const ending = yield* clock.begin(Effect.exit(Deadline.protect(caller, "1 second")))
      const interrupted = yield* clock.begin(Deadline.protect(Effect.never, "1 second"))
      yield* clock.advance(500)
      yield* Fiber.interrupt(interrupted)
      yield* clock.advance(500)
      expect(yield* Fiber.join(ending)).toMatchObject({ cause: { error: { _tag: "DeadlineExceeded" } } })
      expect(yield* Deferred.isDone(done)).toBe(false)
      yield* clock.advance(2000)
      expect(yield* Deferred.await(done)).toEqual(Option.none())
    })
  )
})
