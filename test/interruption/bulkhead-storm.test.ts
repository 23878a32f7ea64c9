/** Two thousand callers at a bulkhead of twenty, half of whom give up while they wait, while they run, or before. */
import { Bulkhead } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { type Caller, crowd, type Ending, visit } from "../support/Crowd.js"
import { failureOf } from "../support/Passing.js"
import { VirtualClock } from "../support/VirtualClock.js"

const limit = 20

const storm = (seed: number, options: Omit<Bulkhead.Options, "maxConcurrent">) =>
  Effect.gen(function* () {
    const clock = new VirtualClock()
    const bulkhead = yield* Bulkhead.make("reports", { maxConcurrent: limit, ...options })
    const callers = crowd(seed, 2_000, 400)
    let running = 0
    let most = 0
    let longest = 0
    const counted = (work: Effect.Effect<void>) =>
      Effect.acquireUseRelease(
        Effect.sync(() => (most = Math.max(most, ++running))),
        () => work,
        () => Effect.sync(() => running--)
      )
    const look = Effect.map(bulkhead.snapshot, ({ active, queued }) => {
      expect(active).toBe(running)
      // Nobody waits while there is a permit to be had.
      if (queued > 0) expect(active).toBe(limit)
      longest = Math.max(longest, queued)
    })
    const endings = yield* visit(clock, callers, (work) => bulkhead.protect(counted(work)), look)
    return { endings, most, longest, after: yield* bulkhead.snapshot }
  })

/** When those who were served began, in the order in which they came. */
const beginnings = (endings: ReadonlyArray<Ending>) =>
  endings.flatMap(({ beganAt }) => (beganAt === undefined ? [] : [beganAt]))

const patient = ({ givesUpAt }: Caller) => givesUpAt === undefined

const refusals = (endings: ReadonlyArray<Ending>, reason: "full" | "waited") =>
  endings.filter(({ exit }) => {
    const error = failureOf(exit)
    return error instanceof Bulkhead.BulkheadFull && error.reason === reason
  })

describe("in a storm", () => {
  for (const seed of [1, 2, 3]) {
    it.scopedLive(
      `every permit comes back, the line empties, and service is in the order of arrival (seed ${seed})`,
      () =>
        Effect.gen(function* () {
          const { after, endings, longest, most } = yield* storm(seed, { maxQueue: 2_000 })
          expect(after).toEqual({ active: 0, queued: 0, limit })
          expect(most).toBe(limit)
          expect(longest).toBeGreaterThan(100)
          expect(beginnings(endings)).toEqual(beginnings(endings).toSorted((a, b) => a - b))
          // Whoever did not give up was served, and whoever gave up before its turn asked for nothing.
          expect(endings.filter(({ caller }) => patient(caller)).every(({ exit }) => Exit.isSuccess(exit))).toBe(true)
          const gaveUp = endings.filter(({ exit }) => Exit.isInterrupted(exit))
          expect(gaveUp.filter(({ beganAt }) => beganAt === undefined).length).toBeGreaterThan(100)
          expect(gaveUp.filter(({ beganAt }) => beganAt !== undefined).length).toBeGreaterThan(10)
        })
    )
  }

  for (const seed of [4, 5]) {
    it.scopedLive(`also where waits end by themselves and the line is short (seed ${seed})`, () =>
      Effect.gen(function* () {
        const { after, endings, longest, most } = yield* storm(seed, { maxQueue: 60, maxWait: 15 })
        expect(after).toEqual({ active: 0, queued: 0, limit })
        expect([most, longest]).toEqual([limit, 60])
        expect(beginnings(endings)).toEqual(beginnings(endings).toSorted((a, b) => a - b))
        expect(refusals(endings, "full").length).toBeGreaterThan(50)
        expect(refusals(endings, "waited").length).toBeGreaterThan(50)
        for (const { beganAt, caller, exit } of refusals(endings, "waited")) {
          expect([beganAt, Exit.isFailure(exit), caller.name]).toEqual([undefined, true, caller.name])
        }
        for (const { beganAt, caller } of endings) {
          if (beganAt !== undefined) expect(beganAt - caller.comesAt).toBeLessThanOrEqual(15)
        }
      })
    )
  }
})
