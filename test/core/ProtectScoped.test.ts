/** An effect that acquires something for its scope: what is protected is the acquisition. */
import { Backoff, Bulkhead, CircuitBreaker, Deadline, Policy, Retry, Timeout } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Option, Scope, TestClock } from "effect"
import { Unavailable } from "../support/Dependency.js"
import { everyPolicy } from "../support/EveryPolicy.js"
import { begin, during, failureOf } from "../support/Passing.js"

const unavailable = new Unavailable({})

/** Things that are acquired and released, in order. */
class Inventory {
  readonly log: Array<string> = []
  readonly take = (thing: string): Effect.Effect<string, never, Scope.Scope> =>
    Effect.acquireRelease(
      Effect.sync(() => {
        this.log.push(`+${thing}`)
        return thing
      }),
      () => Effect.sync(() => this.log.push(`-${thing}`))
    )
}

for (const [kind, making] of Object.entries(everyPolicy)) {
  describe(`an acquisition under ${kind}`, () => {
    it.scoped("gives what was acquired, which is released with its caller's scope, in order", () =>
      Effect.gen(function* () {
        const policy = yield* making
        const inventory = new Inventory()
        const both = Effect.zip(inventory.take("a"), inventory.take("b"))
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* inventory.take("before")
            expect(yield* Policy.protectScoped(both, policy)).toEqual(["a", "b"])
            yield* inventory.take("after")
            expect(inventory.log).toEqual(["+before", "+a", "+b", "+after"])
          })
        )
        expect(inventory.log.slice(4)).toEqual(["-after", "-b", "-a", "-before"])
      })
    )

    it.scoped("tells what it acquired how the scope ended", () =>
      Effect.gen(function* () {
        const policy = yield* making
        const exits: Array<Exit.Exit<unknown, unknown>> = []
        const acquire = Effect.addFinalizer((exit) => Effect.sync(() => exits.push(exit)))
        const scope = yield* Scope.make()
        yield* acquire.pipe(Policy.protectScoped(policy), Scope.extend(scope))
        yield* Scope.close(scope, Exit.fail("why"))
        expect(exits).toEqual([Exit.fail("why")])
      })
    )

    it.scoped(
      "releases what it had got when it fails or is interrupted, and leaves nothing to its caller's scope",
      () =>
        Effect.gen(function* () {
          const policy = yield* making
          const inventory = new Inventory()
          const fails = Effect.zipRight(inventory.take("a"), Effect.fail("no b"))
          expect(failureOf(yield* Effect.exit(Policy.protectScoped(fails, policy)))).toBe("no b")
          expect(inventory.log).toEqual(["+a", "-a"])
          const hangs = Effect.zipRight(inventory.take("b"), Effect.never)
          const call = yield* begin(Policy.protectScoped(hangs, policy))
          expect(inventory.log.slice(2)).toEqual(["+b"])
          expect(Exit.isInterrupted(yield* Fiber.interrupt(call))).toBe(true)
          yield* TestClock.adjust(0)
          expect(inventory.log.slice(2)).toEqual(["+b", "-b"])
        })
    )

    it.scoped("lets what it has forked live until the scope closes", () =>
      Effect.gen(function* () {
        const policy = yield* making
        let running = 0
        const worker = Effect.acquireUseRelease(
          Effect.sync(() => running++),
          () => Effect.never,
          () => Effect.sync(() => running--)
        )
        const scope = yield* Scope.make()
        yield* Effect.zipRight(Effect.fork(worker), Effect.yieldNow()).pipe(
          Policy.protectScoped(policy),
          Scope.extend(scope)
        )
        yield* TestClock.adjust("1 minute")
        expect(running).toBe(1)
        yield* Scope.close(scope, Exit.void)
        expect(running).toBe(0)
      })
    )
  })
}

describe("an acquisition", () => {
  it.scoped("gives its permit back when it is made, and is counted then", () =>
    Effect.gen(function* () {
      const bulkhead = yield* Bulkhead.make("pool", { maxConcurrent: 1 })
      const breaker = yield* CircuitBreaker.make("pool", { tripPolicy: CircuitBreaker.consecutive(1) })
      const policy = Policy.all(bulkhead, breaker)
      const inventory = new Inventory()
      const go = yield* Deferred.make<void>()
      const acquire = Effect.zipRight(Deferred.await(go), inventory.take("a"))
      const call = yield* begin(Policy.protectScoped(acquire, policy))
      expect([(yield* bulkhead.snapshot).active, (yield* breaker.snapshot).calls]).toEqual([1, 0])
      yield* Deferred.succeed(go, undefined)
      yield* Fiber.join(call)
      expect([(yield* bulkhead.snapshot).active, (yield* breaker.snapshot).calls]).toEqual([0, 1])
      expect(inventory.log).toEqual(["+a"])
    })
  )

  it.scoped("that is made again has released what the attempts before it had got", () =>
    Effect.gen(function* () {
      const retry = yield* Retry.make("pool", { maxRetries: 2, backoff: Backoff.constant("1 second") })
      const inventory = new Inventory()
      let attempts = 0
      const acquire = Effect.zipRight(
        inventory.take("socket"),
        Effect.suspend(() => (++attempts < 3 ? Effect.fail(unavailable) : inventory.take("session")))
      )
      const scope = yield* Scope.make()
      const call = acquire.pipe(Policy.protectScoped(retry), Scope.extend(scope))
      expect(yield* during("2 seconds", call)).toEqual(Exit.succeed("session"))
      expect(inventory.log).toEqual(["+socket", "-socket", "+socket", "-socket", "+socket", "+session"])
      yield* Scope.close(scope, Exit.void)
      expect(inventory.log.slice(6)).toEqual(["-session", "-socket"])
    })
  )

  it.scoped("that is made too late is released at once", () =>
    Effect.gen(function* () {
      const timeout = yield* Timeout.make("pool", { duration: "1 second" })
      const inventory = new Inventory()
      const slow = Effect.uninterruptible(Effect.delay(inventory.take("a"), "2 seconds"))
      const exit = yield* during("2 seconds", Policy.protectScoped(slow, timeout))
      expect(failureOf(exit)).toMatchObject({ _tag: "TimedOut" })
      expect(inventory.log).toEqual(["+a", "-a"])
    })
  )

  it.scoped("lives in its caller's budget and not in the policy's", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("pool", { deadline: "1 second", timeout: "1 second" })
      const worker = Effect.forkScoped(Effect.delay(Deadline.remaining, "1 minute"))
      const remaining = Effect.flatMap(Policy.protectScoped(worker, policy), Fiber.join)
      expect(yield* during("1 minute", Effect.scoped(remaining))).toEqual(Exit.succeed(Option.none()))
    })
  )

  it.scoped("does not give a permit back twice that what it has forked takes hold of later", () =>
    Effect.gen(function* () {
      const bulkhead = yield* Bulkhead.make("pool", { maxConcurrent: 2 })
      const limit = yield* Timeout.make("pool", { duration: "1 second", mode: "disconnect" })
      const worker = Effect.forkScoped(Effect.exit(Effect.delay(Effect.never.pipe(limit.protect), "1 second")))
      yield* begin(bulkhead.protect(Effect.never))
      yield* Policy.protectScoped(worker, bulkhead)
      yield* TestClock.adjust("1 minute")
      expect((yield* bulkhead.snapshot).active).toBe(1)
    })
  )
})
