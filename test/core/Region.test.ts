/** Entering a region by the frames of the runtime is what entering it by a mask is, in fewer steps. */
import { describe, expect, it } from "@effect/vitest"
import { Criticality, Deadline, Region, Timeout } from "@effect-resilience/core"
import { Effect, Either, Fiber, FiberRef, Option, Predicate, Request, RequestResolver, RuntimeFlags } from "effect"
import { everyPolicy } from "../support/EveryPolicy.js"
import { atEveryTurn } from "../support/EveryTurn.js"

const asItIs = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiberRuntime<A, E, R>(() => self)

/** Makes its fiber one of a kind of its own, whose frames nobody has seen: its regions are entered by masks. */
const byMasks = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiberRuntime<A, E, R>((fiber) => {
    Object.setPrototypeOf(fiber, Object.create(Object.getPrototypeOf(fiber)))
    return self
  })

const opOf = (frame: unknown) => (Predicate.hasProperty(frame, "_op") ? frame._op : undefined)

/** What stands on the stack of the fiber that runs this, what its flags are, and how many steps it has made. */
const look = Effect.withFiberRuntime<{ frames: ReadonlyArray<unknown>; flags: string; steps: number }>(
  (fiber, { runtimeFlags }) => {
    const stack = "_stack" in fiber && Array.isArray(fiber._stack) ? fiber._stack : []
    const steps = "currentOpCount" in fiber && Predicate.isNumber(fiber.currentOpCount) ? fiber.currentOpCount : NaN
    return Effect.succeed({ frames: stack.map(opOf), flags: RuntimeFlags.render(runtimeFlags), steps })
  }
)

class Ask extends Request.TaggedClass("Ask")<number, never, { readonly n: number }> {}

const answers = RequestResolver.makeBatched((requests: ReadonlyArray<Ask>) =>
  Effect.forEach(requests, (request) => Request.succeed(request, request.n), { discard: true })
)

const ask = (n: number) => Effect.request(new Ask({ n }), answers)

/** Those whose work runs in the fiber of the caller, at once, in a region of their own. */
const inFewerSteps = [
  "a breaker by count",
  "a bulkhead",
  "a bulkhead with a line",
  "an adaptive limiter",
  "a load shedder",
  "a timeout",
  "a standard policy without anything"
]

for (const [kind, making] of Object.entries(everyPolicy)) {
  describe(`the regions of ${kind}`, () => {
    it.scopedLive("leave the frames and the flags of masks", () =>
      Effect.gen(function* () {
        const { protect } = yield* making
        for (const caller of [Effect.interruptible, Effect.uninterruptible]) {
          const call = caller(protect(look))
          yield* call
          const seen = yield* Effect.flatMap(Effect.fork(asItIs(call)), Fiber.join)
          const masked = yield* Effect.flatMap(Effect.fork(byMasks(call)), Fiber.join)
          expect(seen.frames.length).toBeGreaterThan(0)
          expect([seen.frames, seen.flags]).toEqual([masked.frames, masked.flags])
          if (caller === Effect.interruptible && inFewerSteps.includes(kind)) {
            expect(seen.steps).toBeLessThan(masked.steps)
          }
        }
      })
    )

    it.live("leave nothing in the context of who batches requests in them", () =>
      Effect.gen(function* () {
        const { protect } = yield* making
        const batched = Effect.forEach([1, 2], (n) => Effect.zipRight(protect(ask(n)), Effect.context<never>()), {
          batching: true,
          concurrency: "unbounded"
        })
        const before = yield* Effect.context<never>()
        const each = yield* batched
        for (const after of [...each, yield* Effect.context<never>()]) {
          expect([...after.unsafeMap.keys()]).toEqual([...before.unsafeMap.keys()])
        }
      }).pipe(Effect.scoped)
    )

    it.live("are left by who is interrupted at any turn, where they were entered by masks", () =>
      Effect.gen(function* () {
        const { protect } = yield* making
        const seen = yield* atEveryTurn((ward) =>
          Effect.succeed({ effect: byMasks(protect(ward.work(Effect.repeatN(Effect.yieldNow(), 3)))) })
        )
        expect(seen.ended).toBe(1)
        expect(seen.begun).toContain(1)
      }).pipe(Effect.scoped)
    )
  })
}

describe("a region that may be refused", () => {
  it.effect("is refused in the step in which it would begin, wherever the runtime lets others go on", () =>
    Effect.gen(function* () {
      let free = 1
      let least = 1
      const oneAtATime = <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E | "busy", R> =>
        Region.region<A, E | "busy", R>(
          () => {
            free--
            least = Math.min(least, free)
            return Region.outside(work, (exit) => {
              free++
              return exit
            })
          },
          () => (free === 0 ? Effect.fail("busy") : undefined)
        )
      const call = Effect.either(oneAtATime(Effect.repeatN(Effect.yieldNow(), 50)))
      for (const caller of [Effect.interruptible, Effect.uninterruptible, byMasks]) {
        for (let most = 10; most < 30; most++) {
          const both = Effect.all([caller(call), caller(call)], { concurrency: "unbounded" })
          const ended = yield* Effect.locally(both, FiberRef.currentMaxOpsBeforeYield, most)
          expect(ended.filter(Either.isRight).length).toBe(1)
          expect([most, free, least]).toEqual([most, 1, 0])
        }
      }
    })
  )
})

describe("references that a policy sets", () => {
  it.live("are put back also around requests that are batched", () =>
    Effect.gen(function* () {
      // From now on all that holds a permit says so to what is inside of it.
      yield* Timeout.make("abandons", { duration: "1 hour", mode: "disconnect" })
      const each = Effect.forEach(
        [1, 2],
        (n) =>
          Criticality.withClass(Deadline.detached(ask(n)), "SHEDDABLE").pipe(
            Effect.zipRight(Effect.zip(Criticality.current, Deadline.remaining))
          ),
        { batching: true, concurrency: "unbounded" }
      )
      const afterwards = Effect.zip(Criticality.current, Deadline.remaining)
      const [inside, outside] = yield* Deadline.protect(Effect.zip(each, afterwards), "1 minute")
      const seen = [...inside, outside].map(([criticality, remaining]) => [criticality, Option.isSome(remaining)])
      expect(seen).toEqual([1, 2, 3].map(() => ["CRITICAL", true]))
    }).pipe(Effect.scoped)
  )
})
