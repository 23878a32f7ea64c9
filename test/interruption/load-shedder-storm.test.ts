/** Two thousand requests of all classes at a server of ten places, nearly three times what it can do; half give up. */
import { Criticality, LoadShedder } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { type Caller, crowd, type Ending, visit } from "../support/Crowd.js"
import { failureOf } from "../support/Passing.js"
import { VirtualClock } from "../support/VirtualClock.js"

const capacity = 10
const patient = { target: "1 hour", interval: "1 hour" } as const

/** As many of each class. */
const classOf = ({ name }: Caller): Criticality.Criticality => Criticality.classes[name % 4] ?? "CRITICAL"

const storm = (seed: number, options: LoadShedder.Options) =>
  Effect.gen(function* () {
    const clock = new VirtualClock()
    const shedder = yield* LoadShedder.make("api", { capacity, maxWaiting: 40, ...options })
    const refusals: Array<{ readonly of: Criticality.Criticality; readonly at: number; readonly reason: string }> = []
    let running = 0
    let most = 0
    const counted = (work: Effect.Effect<void>) =>
      Effect.acquireUseRelease(
        Effect.sync(() => (most = Math.max(most, ++running))),
        () => work,
        () => Effect.sync(() => running--)
      )
    const protect = (work: Effect.Effect<void>, caller: Caller) =>
      shedder.protect(counted(work)).pipe(
        Effect.tapError(({ class: of, reason }) =>
          Effect.sync(() => refusals.push({ of, at: clock.unsafeCurrentTimeMillis(), reason }))
        ),
        Criticality.withClass(classOf(caller))
      )
    const look = Effect.map(shedder.snapshot, ({ inFlight, waiting }) => {
      expect(inFlight).toBe(running)
      // Nobody waits while there is room.
      if (waiting > 0) expect(inFlight).toBe(capacity)
    })
    const endings = yield* visit(clock, crowd(seed, 2_000, 400), protect, look)
    return { endings, refusals, most, after: yield* shedder.snapshot }
  })

/** The share of those who did not give up that was refused, by class. */
const refusedShares = (endings: ReadonlyArray<Ending>) =>
  Criticality.classes.map((of) => {
    const mine = endings.filter(({ caller, exit }) => classOf(caller) === of && !Exit.isInterrupted(exit))
    return mine.filter(({ exit }) => failureOf(exit) instanceof LoadShedder.Shed).length / mine.length
  })

describe("in a storm of all classes", () => {
  for (const [seed, how, options] of [
    [1, "that wait as long as it takes", patient],
    [2, "that wait as long as it takes, the newest first", { ...patient, newestFirstAbove: 0 }],
    [3, "that wait no longer than is worth it", {}]
  ] as const) {
    it.scopedLive(
      `the lowest goes first, nobody who runs is cut off, and every place comes back: requests ${how}`,
      () =>
        Effect.gen(function* () {
          const { after, endings, most, refusals } = yield* storm(seed, options)
          expect(after).toMatchObject({ limit: capacity, inFlight: 0, waiting: 0 })
          expect(most).toBe(capacity)
          const [highest = 1, critical = 0, plus = 0, lowest = 0] = refusedShares(endings)
          expect(highest).toBeLessThan(0.01)
          expect(critical).toBeGreaterThanOrEqual(highest)
          expect(plus).toBeGreaterThan(critical)
          expect(lowest).toBeGreaterThanOrEqual(plus)
          expect(lowest).toBeGreaterThan(0.9)
          // Who began ended by itself, unless it gave up.
          for (const { beganAt, exit } of endings) {
            if (beganAt !== undefined) expect(Exit.isSuccess(exit) || Exit.isInterrupted(exit)).toBe(true)
          }
          const firstOf = (of: Criticality.Criticality) => refusals.find((each) => each.of === of)?.at ?? Infinity
          const firsts = Criticality.classes.toReversed().map(firstOf)
          expect(firsts).toEqual(firsts.toSorted((a, b) => a - b))
          // At the moments at which one of a class finds the line full, none of a lower class that comes is served.
          const full = refusals.filter(({ of, reason }) => of === "CRITICAL" && reason === "Full").map(({ at }) => at)
          expect(full.length).toBeGreaterThan(10)
          for (const { beganAt, caller } of endings) {
            if (beganAt !== caller.comesAt || !full.includes(beganAt)) continue
            expect(["CRITICAL_PLUS", "CRITICAL"]).toContain(classOf(caller))
          }
        })
    )
  }
})
