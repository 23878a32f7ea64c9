/** A timeout interrupted at each of its turns: before its work began, while that runs, when the limit is reached. */
import { Backoff, Bulkhead, Policy, Retry, Timeout } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { atEveryTurn, untilItEnds, untilItHangs, type Ward, whenDue } from "../support/EveryTurn.js"

const turns = (count: number) => Effect.repeatN(Effect.yieldNow(), count)
const closing = Effect.onInterrupt(Effect.never, () => turns(3))
const second = { duration: "1 second" } as const

type Work = (ward: Ward) => Effect.Effect<unknown, unknown>

const ending: Record<string, Work> = {
  "work that fails": ({ work }) => work(Effect.zipRight(turns(3), Effect.fail("declined"))),
  "work that cannot be interrupted": ({ work }) => work(Effect.uninterruptible(turns(6))),
  "work with children": ({ work }) => work(Effect.zipRight(Effect.fork(work(closing)), turns(3)))
}

const hanging: Record<string, Work> = {
  "work that hangs and takes its time to end": ({ work }) => work(closing),
  "work that ends at the limit": ({ work }) => work(Effect.sleep("1 second"))
}

describe("an interrupted timeout leaves nothing behind", () => {
  for (const [name, make] of Object.entries(ending)) {
    it.scoped(name, () =>
      Effect.gen(function* () {
        const timeout = yield* Timeout.make("p", second)
        const all = yield* atEveryTurn((ward) => Effect.succeed({ effect: timeout.protect(make(ward)) }))
        expect(all.ended).toBe(1)
        expect(all.begun.slice(0, 2)).toEqual([0, 1])
      })
    )
  }

  for (const [name, make] of Object.entries(hanging)) {
    it.scoped(`${name}, also when the limit has just been reached, and with another limit around it`, () =>
      Effect.gen(function* () {
        const [timeout, outer] = [yield* Timeout.make("p", second), yield* Timeout.make("outer", second)]
        const alone = (ward: Ward) => Effect.succeed({ effect: timeout.protect(make(ward)) })
        const nested = (ward: Ward) => Effect.succeed({ effect: outer.protect(timeout.protect(make(ward))) })
        expect(yield* atEveryTurn(alone, untilItHangs)).toMatchObject({ begun: [0, 1], ended: 0 })
        expect(yield* atEveryTurn(alone, untilItEnds, whenDue(1000))).toMatchObject({ begun: [1], ended: 1 })
        expect(yield* atEveryTurn(nested, untilItEnds, whenDue(1000))).toMatchObject({ begun: [1], ended: 1 })
      })
    )
  }
})

describe("an interruption that comes while a limit that was reached closes the work's scope", () => {
  for (const limits of [1, 2]) {
    it.scoped(`ends all attempts, under ${limits} limit(s)`, () =>
      Effect.gen(function* () {
        const retry = yield* Retry.make("p", { maxRetries: 1000, backoff: Backoff.constant(0) })
        const timeouts = yield* Effect.all(Array.from({ length: limits }, () => Timeout.make("p", second)))
        const protect = Policy.all(retry, ...timeouts).protect
        const trial = ({ work }: Ward) =>
          Effect.succeed({
            effect: protect(
              Effect.scoped(
                Effect.zipRight(
                  Effect.addFinalizer(() => turns(10)),
                  work(Effect.never)
                )
              )
            )
          })
        expect(yield* atEveryTurn(trial, 70, whenDue(1000))).toMatchObject({ begun: [1, 2], ended: 0 })
      })
    )
  }
})

describe('interrupted in mode "disconnect"', () => {
  const stubborn: Record<string, Work> = {
    "work that cannot be interrupted": ({ work }) => work(Effect.uninterruptible(turns(12))),
    "work that takes its time to end": ({ work }) => work(closing)
  }

  for (const [name, make] of Object.entries(stubborn)) {
    it.effect(`${name} gives every permit back once it has ended, and never twice`, () =>
      Effect.gen(function* () {
        const trial = (ward: Ward) =>
          Effect.gen(function* () {
            const timeout = yield* Timeout.make("p", { ...second, mode: "disconnect" })
            const [outer, inner] = [
              yield* Bulkhead.make("outer", { maxConcurrent: 2 }),
              yield* Bulkhead.make("inner", { maxConcurrent: 2 })
            ]
            const after = Effect.gen(function* () {
              expect((yield* outer.snapshot).active).toBe(0)
              expect((yield* inner.snapshot).active).toBe(0)
            })
            return { effect: Policy.all(outer, inner, timeout).protect(make(ward)), after }
          }).pipe(Effect.scoped)
        expect((yield* atEveryTurn(trial, untilItHangs)).begun).toEqual([0, 1])
        expect(yield* atEveryTurn(trial, untilItEnds, whenDue(1000))).toMatchObject({ begun: [1], ended: 1 })
      })
    )
  }
})
