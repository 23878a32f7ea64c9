/** What holds for any policy, and for any composition of policies, as long as it has no reason to refuse. */
import { Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Context, Deferred, Effect, Exit, Fiber, FiberRef, Scope, TestClock } from "effect"
import { Declined, Dependency } from "../support/Dependency.js"
import { everyPolicy } from "../support/EveryPolicy.js"
import { begin } from "../support/Passing.js"

class Currency extends Context.Tag("test/Currency")<Currency, string>() {}

for (const [kind, making] of Object.entries(everyPolicy)) {
  describe(kind, () => {
    it.scoped("hands back a value, an error and a defect as they are", () =>
      Effect.gen(function* () {
        const { protect } = yield* making
        const value = { id: 1 }
        const error = new Declined({ reason: "no funds" })
        const defect = new Error("a bug")
        expect(yield* protect(Effect.succeed(value))).toBe(value)
        expect(yield* Effect.flip(protect(Effect.fail(error)))).toBe(error)
        expect(yield* Effect.exit(protect(Effect.die(defect)))).toEqual(Exit.failCause(Cause.die(defect)))
      })
    )

    it.scoped("runs nothing until it is run, then once, and once more when run again", () =>
      Effect.gen(function* () {
        const { protect } = yield* making
        const dependency = new Dependency()
        const call = protect(dependency.answers())
        expect(dependency.asked).toBe(0)
        yield* call
        expect(dependency.asked).toBe(1)
        yield* call
        expect(dependency.asked).toBe(2)
      })
    )

    it.scoped("runs an error that nobody calls transient once", () =>
      Effect.gen(function* () {
        const { protect } = yield* making
        const dependency = new Dependency()
        yield* Effect.exit(protect(dependency.ask(Effect.fail(new Declined({ reason: "no funds" })))))
        yield* Effect.exit(protect(dependency.ask(Effect.die("a bug"))))
        expect(dependency.asked).toBe(2)
      })
    )

    it.scoped("interrupts the work when its caller is interrupted, and waits for its finalizers", () =>
      Effect.gen(function* () {
        const { protect } = yield* making
        const dependency = new Dependency()
        let finalized = false
        const slow = Effect.onInterrupt(Effect.never, () =>
          Effect.zipRight(
            Effect.yieldNow(),
            Effect.sync(() => (finalized = true))
          )
        )
        const call = yield* begin(protect(dependency.ask(slow)))
        expect(dependency.running).toBe(1)
        expect(Exit.isInterrupted(yield* Fiber.interrupt(call))).toBe(true)
        yield* TestClock.adjust(0)
        expect([finalized, dependency.running]).toEqual([true, 0])
        expect(yield* protect(Effect.succeed("through"))).toBe("through")
      })
    )

    it.scoped("passes the interruption of the work itself on to its caller", () =>
      Effect.gen(function* () {
        const { protect } = yield* making
        expect(Exit.isInterrupted(yield* Effect.exit(protect(Effect.interrupt)))).toBe(true)
      })
    )

    it.scoped(
      "gives the work the environment, the scope and the fiber's state of its caller, and keeps what it changes",
      () =>
        Effect.gen(function* () {
          const { protect } = yield* making
          const level = yield* FiberRef.make(1)
          const scope = yield* Scope.make()
          let released = false
          const resource = Effect.acquireRelease(
            FiberRef.update(level, (n) => n + 1),
            () => Effect.sync(() => (released = true))
          )
          const call = protect(Effect.zipRight(resource, Currency)).pipe(
            Effect.provideService(Currency, "EUR"),
            Scope.extend(scope)
          )
          expect(yield* call).toBe("EUR")
          expect([yield* FiberRef.get(level), released]).toEqual([2, false])
          yield* Scope.close(scope, Exit.void)
          expect(released).toBe(true)
        })
    )

    it.scoped("leaves the work uninterruptible where its caller is", () =>
      Effect.gen(function* () {
        const { protect } = yield* making
        const go = yield* Deferred.make<void>()
        let finished = false
        const work = Effect.zipRight(
          Deferred.await(go),
          Effect.sync(() => (finished = true))
        )
        const call = yield* begin(Effect.uninterruptible(protect(work)))
        yield* Fiber.interruptFork(call)
        yield* begin(Effect.void)
        yield* Deferred.succeed(go, undefined)
        yield* Fiber.await(call)
        expect(finished).toBe(true)
      })
    )

    it.scoped("lets many callers go on at a time, each with its own answer", () =>
      Effect.gen(function* () {
        const { protect } = yield* making
        const calls = Array.from({ length: 50 }, (_, n) => protect(Effect.as(Effect.yieldNow(), n)))
        const answers = yield* Effect.all(calls, { concurrency: "unbounded" })
        expect(answers).toEqual(calls.map((_, n) => n))
      })
    )

    it.scoped("is no effect itself, has a name, and can be piped", () =>
      Effect.gen(function* () {
        const policy = yield* making
        expect(Effect.isEffect(policy)).toBe(false)
        expect(typeof policy.name).toBe("string")
        expect(policy.pipe((self) => self)).toBe(policy)
        expect(yield* Effect.succeed(1).pipe(Policy.protect(policy))).toBe(1)
      })
    )

    it.scoped("may stand inside itself", () =>
      Effect.gen(function* () {
        const { protect } = yield* making
        expect(yield* protect(protect(Effect.succeed("twice")))).toBe("twice")
      })
    )
  })
}
