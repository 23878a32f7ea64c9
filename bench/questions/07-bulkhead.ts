import { Bulkhead } from "@effect-resilience/core"
import { bulkhead as cockatielBulkhead } from "cockatiel"
import { Effect } from "effect"
import pLimit from "p-limit"
import { setTimeout as sleep } from "node:timers/promises"
import { type Case, mustHold, type Reading, type Question } from "../harness/Question.js"
import { lasting } from "../subjects/Loops.js"

const permits = 100
const few = 1000
const many = 10_000

const work = Effect.sleep("1 millis")
const promised = () => sleep(1)

/** So many callers at once. */
const crowd =
  <A, E>(call: Effect.Effect<A, E>) =>
  (callers: number): Promise<void> =>
    Effect.runPromise(
      Effect.forEach(Array.from({ length: callers }), () => call, { concurrency: "unbounded", discard: true })
    )

const crowdOfPromises =
  (call: () => Promise<unknown>) =>
  (callers: number): Promise<unknown> =>
    Promise.all(Array.from({ length: callers }, call))

const named = (name: string, calls: number, run: Case["run"]): Case => ({
  name: `${name}, ${calls} callers`,
  calls,
  run
})

const mustLimit = async (bulkhead: Bulkhead.Bulkhead): Promise<void> => {
  let active = 0
  let most = 0
  let made = 0
  const counted = Effect.acquireUseRelease(
    Effect.sync(() => {
      made++
      most = Math.max(most, ++active)
    }),
    () => work,
    () => Effect.sync(() => active--)
  )
  await crowd(bulkhead.protect(counted))(few)
  mustHold(most === permits && made === few, `${most} of ${made} calls were under way at once`)
}

const ratio = (of: Reading, callers: number): number =>
  of(`Bulkhead, ${callers} callers`).wall / of(`no limit, ${callers} callers`).wall

/** Many callers on few permits, per caller. The limit itself makes them take turns, so CPU time matters beside wall time. */
export const question: Question = {
  id: 7,
  title: `callers on ${permits} permits, each sleeping 1 ms, per caller`,
  prepare: async () => {
    const bulkhead = await lasting(Bulkhead.make("bench", { maxConcurrent: permits, maxQueue: many }))
    await mustLimit(bulkhead)
    const semaphore = await Effect.runPromise(Effect.makeSemaphore(permits))
    const limited = crowd(bulkhead.protect(work))
    const ofCockatiel = cockatielBulkhead(permits, many)
    const limit = pLimit(permits)
    return {
      reference: `no limit, ${many} callers`,
      mostRounds: { quick: 2, thorough: 31 },
      cases: [
        named("no limit", many, crowd(work)),
        named("Bulkhead", many, limited),
        named(
          "cockatiel bulkhead",
          many,
          crowdOfPromises(() => ofCockatiel.execute(promised))
        ),
        named(
          "p-limit",
          many,
          crowdOfPromises(() => limit(promised))
        ),
        named("no limit", few, crowd(work)),
        named("Bulkhead", few, limited),
        // Not with more: each release there wakes every waiter.
        named("Effect.Semaphore", 2 * permits, crowd(semaphore.withPermits(1)(work)))
      ],
      comparisons: [
        {
          question: `bulkhead, ${many} callers on ${permits} permits`,
          peer: "no limit",
          goal: 1.6,
          ours: (of) => of(`Bulkhead, ${many} callers`).wall,
          theirs: (of) => of(`no limit, ${many} callers`).wall
        },
        {
          question: `bulkhead, flat from ${few} to ${many} callers`,
          peer: `no limit, times the ratio at ${few}`,
          goal: 1.6,
          ours: (of) => of(`Bulkhead, ${many} callers`).wall,
          theirs: (of) => of(`no limit, ${many} callers`).wall * ratio(of, few)
        }
      ],
      afterwards: async () => {
        const { active, queued } = await Effect.runPromise(bulkhead.snapshot)
        mustHold(active === 0 && queued === 0, `${active} permits did not come back, ${queued} still wait`)
      }
    }
  }
}
