/** A hedge interrupted at each of its turns: before its first copy, in the delay, while two run, while it settles. */
import { Hedge, Policy, Retry } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { Unavailable } from "../support/Dependency.js"
import { atEveryTurn, untilItHangs, type Ward, whenDue } from "../support/EveryTurn.js"

const turns = (count: number) => Effect.repeatN(Effect.yieldNow(), count)
const closing = Effect.onInterrupt(Effect.never, () => turns(3))
const options = { delay: "1 second", idempotent: true, budget: "none" } as const

type Work = (ward: Ward) => Effect.Effect<unknown, unknown>

const ending: Record<string, Work> = {
  "work that answers": ({ work }) => work(turns(3)),
  "work that fails": ({ work }) => work(Effect.zipRight(turns(3), Effect.fail("declined"))),
  "work that fails in a way that passes": ({ work }) => work(Effect.zipRight(turns(2), new Unavailable({}))),
  "work that cannot be interrupted": ({ work }) => work(Effect.uninterruptible(turns(6))),
  "work with children": ({ work }) => work(Effect.zipRight(Effect.fork(work(closing)), turns(3)))
}

/** The first copy hangs, and the second does this. */
const second = (then: Effect.Effect<unknown, unknown>): Work => {
  return (ward) => Effect.suspend(() => ward.work(ward.begun === 0 ? closing : then))
}

/** Work after it, so that the caller's fiber has not ended when only its losers have to: nobody can interrupt that wait. */
const goingOn = (call: Effect.Effect<unknown, unknown>) => Effect.zipRight(Effect.exit(call), Effect.never)

/** Turns enough for a call to have settled, and its losers to have ended. */
const untilItGoesOn = 60

describe("an interrupted hedge leaves nothing behind", () => {
  for (const [name, make] of Object.entries(ending)) {
    it.scoped(name, () =>
      Effect.gen(function* () {
        const hedge = yield* Hedge.make("p", options)
        const all = yield* atEveryTurn((ward) => Effect.succeed({ effect: hedge.protect(make(ward)) }))
        expect(all.ended).toBe(1)
        expect(all.begun.slice(0, 2)).toEqual([0, 1])
      })
    )
  }

  it.scoped("while it waits for the delay", () =>
    Effect.gen(function* () {
      const hedge = yield* Hedge.make("p", options)
      const hangs = ({ work }: Ward) => Effect.succeed({ effect: hedge.protect(work(closing)) })
      expect(yield* atEveryTurn(hangs, untilItHangs)).toMatchObject({ begun: [0, 1], ended: 0 })
    })
  )

  it.scoped("when the delay has just passed, and while two copies run", () =>
    Effect.gen(function* () {
      const hedge = yield* Hedge.make("p", options)
      const hangs = ({ work }: Ward) => Effect.succeed({ effect: hedge.protect(work(closing)) })
      expect(yield* atEveryTurn(hangs, untilItHangs, whenDue(1000))).toMatchObject({ begun: [1, 2], ended: 0 })
    })
  )

  for (const [name, then] of [
    ["answers", turns(2)],
    ["fails", Effect.zipRight(turns(2), Effect.fail("declined"))],
    ["dies", Effect.zipRight(turns(2), Effect.die("a bug"))]
  ] as const) {
    it.scoped(`while it settles, and the loser closes, after the second copy ${name}`, () =>
      Effect.gen(function* () {
        const hedge = yield* Hedge.make("p", options)
        const trial = (ward: Ward) => Effect.succeed({ effect: goingOn(hedge.protect(second(then)(ward))) })
        expect(yield* atEveryTurn(trial, untilItGoesOn, whenDue(1000))).toMatchObject({ begun: [1, 2], ended: 0 })
      })
    )
  }

  it.scoped("in a standard policy, whose permits come back", () =>
    Effect.gen(function* () {
      const trial = (ward: Ward) =>
        Effect.gen(function* () {
          const policy = yield* Policy.standard("p", {
            retry: { maxRetries: 1 },
            bulkhead: { maxConcurrent: 1 },
            hedge: options
          })
          const bulkhead = Option.getOrThrow(policy.bulkhead)
          const after = Effect.map(bulkhead.snapshot, ({ active }) => expect(active).toBe(0))
          return { effect: goingOn(policy.protect(second(turns(2))(ward))), after }
        }).pipe(Effect.scoped)
      expect(yield* atEveryTurn(trial, untilItGoesOn, whenDue(1000))).toMatchObject({ begun: [1, 2], ended: 0 })
    })
  )

  it.scoped("under a retry and over a hedge", () =>
    Effect.gen(function* () {
      const hedge = yield* Hedge.make("p", { ...options, maxHedges: 2 })
      const retry = yield* Retry.make("p", { maxRetries: 1 })
      const protect = Policy.all(retry, hedge, hedge).protect
      const trial = (ward: Ward) => Effect.succeed({ effect: goingOn(protect(second(turns(2))(ward))) })
      expect(yield* atEveryTurn(trial, untilItGoesOn, whenDue(1000))).toMatchObject({ ended: 0 })
    })
  )
})
