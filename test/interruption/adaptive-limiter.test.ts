/** An adaptive limiter and a load shedder, interrupted at every point: no permit stays taken, and nobody stays in line. */
import { AdaptiveLimiter, LoadShedder, type Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber, type Scope } from "effect"
import { Dependency, Unavailable } from "../support/Dependency.js"
import { atEveryPoint, count, interruptedAt } from "../support/InterruptionPoints.js"

interface Numbers {
  readonly inFlight: number
  readonly waiting: number
}

type Limiting = Policy.Policy<unknown> & { readonly snapshot: Effect.Effect<Numbers> }

const idle = { inFlight: 0, waiting: 0 }
const many = { algorithm: "aimd", min: 1, max: 1, maxQueue: 10 } as const

const kinds: Readonly<Record<string, Effect.Effect<Limiting, never, Scope.Scope>>> = {
  "an adaptive limiter": AdaptiveLimiter.make("reports", many),
  "an adaptive limiter with a limit to the wait": AdaptiveLimiter.make("reports", { ...many, maxWait: "1 hour" }),
  "a load shedder": LoadShedder.make("reports", { capacity: 1, target: "1 hour", interval: "1 hour" })
}

/** Begins a call, which gets as far as it comes. */
const begin = <A, E, R>(call: Effect.Effect<A, E, R>) =>
  Effect.tap(Effect.fork(call), () => Effect.repeatN(Effect.yieldNow(), 20))

/** Work of a few steps. */
const work = Effect.gen(function* () {
  for (let step = 0; step < 3; step++) yield* Effect.yieldNow()
})

const endings: Readonly<Record<string, Effect.Effect<void, Unavailable>>> = {
  succeeds: work,
  fails: Effect.zipRight(work, new Unavailable({})),
  dies: Effect.zipRight(work, Effect.die("a defect"))
}

for (const [kind, making] of Object.entries(kinds)) {
  describe(kind, () => {
    for (const [how, ending] of Object.entries(endings)) {
      it.scopedLive(`has its permit back from a call that ${how}, wherever that is interrupted`, () =>
        Effect.gen(function* () {
          const limiter = yield* making
          const reports = new Dependency()
          const seen = new Set<string>()
          yield* atEveryPoint((point) =>
            Effect.gen(function* () {
              const asked = reports.asked
              const exit = yield* interruptedAt(point, limiter.protect(reports.ask(ending)), Effect.void)
              seen.add(`${reports.asked === asked ? "not begun" : "begun"}, ${Exit.isInterrupted(exit)}`)
              expect([point, yield* limiter.snapshot]).toMatchObject([point, idle])
            })
          )
          expect(reports.running).toBe(0)
          expect(seen).toEqual(new Set(["not begun, true", "begun, true", "begun, false"]))
        })
      )
    }

    it.scopedLive("is left by who is interrupted in line", () =>
      Effect.gen(function* () {
        const limiter = yield* making
        const holder = yield* begin(limiter.protect(Effect.never))
        const reports = new Dependency()
        yield* atEveryPoint((point) =>
          Effect.gen(function* () {
            const exit = yield* interruptedAt(point, limiter.protect(reports.ask(work)), Effect.void)
            expect(Exit.isInterrupted(exit)).toBe(true)
            expect([point, yield* limiter.snapshot]).toMatchObject([point, { inFlight: 1, waiting: 0 }])
          })
        )
        yield* Fiber.interrupt(holder)
        expect(reports.asked).toBe(0)
        expect(yield* limiter.snapshot).toMatchObject(idle)
      })
    )

    it.scopedLive("hands on what it gave in the last moment to who was interrupted", () =>
      Effect.gen(function* () {
        const limiter = yield* making
        const reports = new Dependency()
        const next = new Dependency()
        const seen = new Set<string>()
        yield* atEveryPoint((point) =>
          Effect.gen(function* () {
            const holder = yield* Effect.fork(limiter.protect(Effect.never))
            yield* Effect.yieldNow()
            const asked = reports.asked
            const late = Effect.repeatN(Effect.yieldNow(), 1)
            const after = yield* Effect.fork(Effect.zipRight(late, limiter.protect(next.ask(work))))
            const meanwhile = Effect.gen(function* () {
              for (let turn = 0; turn < 6; turn++) yield* Effect.yieldNow()
              yield* Fiber.interruptFork(holder)
            })
            const exit = yield* interruptedAt(point, limiter.protect(reports.ask(work)), meanwhile)
            seen.add(`${reports.asked === asked ? "not begun" : "begun"}, ${exit._tag}`)
            expect(yield* Fiber.join(after)).toBeUndefined()
            expect([point, yield* limiter.snapshot]).toMatchObject([point, idle])
          })
        )
        expect(next.asked).toBe(count)
        expect(seen.has("not begun, Failure")).toBe(true)
        expect(seen.has("begun, Failure")).toBe(true)
      })
    )
  })
}
