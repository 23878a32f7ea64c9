/** However a run ends, nothing that it began goes on. */
import { VirtualTime } from "@effect-resilience/chaos"
import { describe, expect, it } from "@effect/vitest"
import { Clock, Deferred, Effect, Exit, Fiber, FiberRef } from "effect"
import { turns } from "../support/Turns.js"

/** Work that knows how much of it is open, and takes a while to close. */
const ward = () => {
  const counts = { open: 0, closedAt: [] as ReadonlyArray<number> }
  const open = <A, E, R>(self: Effect.Effect<A, E, R>) =>
    Effect.acquireUseRelease(
      Effect.sync(() => counts.open++),
      () => self,
      () =>
        Effect.sleep("3 seconds").pipe(
          Effect.zipRight(Clock.currentTimeMillis),
          Effect.map((at) => {
            counts.open--
            counts.closedAt = [...counts.closedAt, at]
          })
        )
    )
  return { counts, open }
}

const ticking = Effect.forever(Effect.sleep("1 second"))

describe("the end of a run", () => {
  it.effect("interrupts the daemons that are left, and waits for their finalizers in virtual time", () =>
    Effect.gen(function* () {
      const { counts, open } = ward()
      const main = Effect.forkDaemon(open(ticking)).pipe(
        Effect.zipRight(
          Effect.forkDaemon(open(Effect.ensuring(Effect.never, Effect.forkDaemon(open(Effect.interruptible(ticking))))))
        ),
        Effect.zipRight(Effect.sleep("10 seconds")),
        Effect.as("done")
      )
      expect(yield* VirtualTime.run(main)).toBe("done")
      expect(counts).toEqual({ open: 0, closedAt: [13_000, 13_000, 13_000] })
    })
  )

  it.effect("is told when a daemon cannot be ended, which is left behind and ends in real time", () =>
    Effect.gen(function* () {
      const { counts, open } = ward()
      const door = yield* Deferred.make<void>()
      const stubborn = Effect.ensuring(
        Effect.uninterruptible(Deferred.await(door)),
        Effect.sync(() => counts.open++)
      )
      const error = yield* Effect.flip(VirtualTime.run(Effect.forkDaemon(stubborn).pipe(Effect.delay(500), open)))
      expect([error._tag, error.message]).toEqual(["WaitsForRealTime", expect.stringContaining("1 fiber waits")])
      expect(counts).toEqual({ open: 0, closedAt: [3500] })
      yield* Deferred.succeed(door, undefined)
      yield* turns
      expect(counts.open).toBe(1)
    })
  )

  it.effect("by an interruption interrupts the program and all it has begun", () =>
    Effect.gen(function* () {
      const { counts, open } = ward()
      const begun = yield* Deferred.make<void>()
      const program = open(Effect.zipRight(Effect.forkDaemon(open(ticking)), Effect.never))
      const running = Effect.forkDaemon(Effect.zipRight(Deferred.succeed(begun, undefined), program))
      const fiber = yield* Effect.fork(VirtualTime.run(Effect.zipRight(running, ticking), { limit: "20 days" }))
      yield* Deferred.await(begun)
      yield* turns
      expect(counts.open).toBe(2)
      const exit = yield* Fiber.interrupt(fiber)
      expect(Exit.isInterrupted(exit)).toBe(true)
      expect([counts.open, counts.closedAt.length]).toEqual([0, 2])
    })
  )

  it.effect("is its own: in a finalizer of a fiber that was interrupted it runs as ever", () =>
    Effect.gen(function* () {
      let at = 0
      const inside = Effect.flatMap(
        Effect.zipRight(Effect.interruptible(Effect.sleep("4 seconds")), Clock.currentTimeMillis),
        (seen) =>
          Effect.sync(() => {
            at = seen
          })
      )
      const fiber = yield* Effect.fork(Effect.ensuring(Effect.never, Effect.orDie(VirtualTime.run(inside))))
      yield* turns
      yield* Fiber.interrupt(fiber)
      expect(at).toBe(4000)
    })
  )

  it.scoped("keeps what is set in a FiberRef inside, and takes in what was set outside", () =>
    Effect.gen(function* () {
      const ref = yield* FiberRef.make("default")
      const seen = yield* Effect.locally(
        VirtualTime.run(Effect.zipLeft(FiberRef.get(ref), FiberRef.set(ref, "inside"))),
        ref,
        "outside"
      )
      expect([seen, yield* FiberRef.get(ref)]).toEqual(["outside", "default"])
    })
  )
})
