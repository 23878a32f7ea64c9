/**
 * Laws of many calls, of interruption from outside, and of what is left when all is over.
 */
import { PolicyRegistry } from "@effect-resilience/core"
import { Deferred, Effect, Exit, Fiber, Scope, Supervisor } from "effect"
import { type Complaint, holds, type Rule, succeededWith, type Trial, Work, wordsOf } from "./Trial.js"

/** Callers are let in or refused, but none waits for ever. */
const together: Rule = {
  name: "fifty calls at a time all end, each with its own answer or a refusal",
  holds: (trial) =>
    Effect.gen(function* () {
      const { protect } = yield* trial.make
      const numbers = Array.from({ length: 50 }, (_, n) => n)
      const calls = yield* Effect.forEach(numbers, (n) => trial.begin(protect(Effect.as(Effect.yieldNow(), n))))
      let answered = 0
      for (const [n, call] of calls.entries()) {
        const exit = yield* trial.end(call, `call ${n} of 50`)
        const refused = Exit.isFailure(exit) && exit.cause._tag === "Fail"
        yield* holds(refused || succeededWith(exit, n), `call ${n} to be refused or to give ${n}`, wordsOf(exit))
        if (!refused) answered++
      }
      yield* holds(answered > 0, "an answer to some of 50 calls", "none")
    })
}

/** Work that nobody waits for any more is ended; a policy that disconnects may let its caller go before that. */
const interruption: Rule = {
  name: "an interruption from outside ends the call and its work, whose finalizers run",
  holds: (trial) =>
    Effect.gen(function* () {
      const policy = yield* trial.make
      const work = new Work()
      let finalized = false
      const slowly = Effect.zipRight(
        Effect.repeatN(Effect.yieldNow(), 5),
        Effect.sync(() => (finalized = true))
      )
      const call = yield* trial.begin(policy.protect(work.of(Effect.onInterrupt(Effect.never, () => slowly))))
      yield* holds(yield* trial.comes(Effect.sync(() => work.running === 1)), "the work to begin", "it did not")
      yield* Fiber.interruptFork(call)
      const exit = yield* trial.end(call, "an interrupted call")
      yield* holds(Exit.isInterrupted(exit), "an interruption", wordsOf(exit))
      const over = Effect.sync(() => finalized && work.running === 0)
      yield* holds(yield* trial.comes(over), "the work and its finalizers to end", "that they had not")
    })
}

/** A step of a call lets others go on after so many operations: small numbers put the interruption at many places. */
const interruptedAt = (trial: Trial, call: Effect.Effect<unknown, unknown>, n: number) =>
  trial.during(Effect.withMaxOpsBeforeYield(call, 10 + (n % 16)), (fiber) =>
    trial
      .turns(n % 7)
      .pipe(
        Effect.zipRight(Fiber.interruptFork(fiber)),
        Effect.zipRight(trial.end(fiber, `interrupted call ${n} of 1000`))
      )
  )

/** What a call took is given back wherever it was interrupted. */
const nothingLeaks: Rule = {
  name: "after a thousand interrupted calls a thousand more pass",
  holds: (trial) =>
    Effect.gen(function* () {
      const policy = yield* trial.make
      const steps = Effect.repeatN(Effect.yieldNow(), 3)
      for (let n = 0; n < 1000; n++) {
        yield* interruptedAt(trial, policy.protect(n % 2 === 0 ? steps : Effect.never), n)
      }
      for (let n = 0; n < 50; n++) yield* trial.passes(policy, "after 1000 that were interrupted", 20)
    })
}

/** A caller that must not be interrupted has work that must not be. */
const uninterruptible: Rule = {
  name: "work is uninterruptible where its caller is, and what ends late answers nobody else",
  holds: (trial) =>
    Effect.gen(function* () {
      const policy = yield* trial.make
      const go = yield* Deferred.make<void>()
      const work = new Work()
      let finished = false
      const late = work.of(
        Effect.zipRight(
          Deferred.await(go),
          Effect.sync(() => (finished = true))
        )
      )
      const call = yield* trial.begin(Effect.uninterruptible(policy.protect(late)))
      yield* holds(yield* trial.comes(Effect.sync(() => work.running === 1)), "the work to begin", "it did not")
      yield* Fiber.interruptFork(call)
      yield* trial.turns(20)
      yield* Deferred.succeed(go, undefined)
      yield* trial.end(call, "a call whose work was let finish")
      yield* holds(finished, "the work to finish", "it was interrupted")
      yield* trial.passes(policy, "after one that ended late")
    })
}

const used = (trial: Trial): Effect.Effect<void, Complaint, Scope.Scope> =>
  Effect.gen(function* () {
    const { protect } = yield* trial.make
    yield* trial.call(protect(Effect.yieldNow()))
    yield* trial.call(protect(Effect.fail("a failure")))
    const work = new Work()
    // Work that ends by itself: what goes on after its caller has left is another law's.
    const call = yield* trial.begin(protect(work.of(Effect.repeatN(Effect.yieldNow(), 100))))
    yield* trial.comes(Effect.sync(() => work.running === 1))
    yield* Fiber.interruptFork(call)
    yield* trial.end(call, "an interrupted call")
  })

/** Nothing outlives the scope of a policy. */
const closing: Rule = {
  name: "closing the scope of a policy ends its fibers and takes it out of the registry",
  holds: (trial) =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const supervisor = yield* Supervisor.track
      yield* used(trial).pipe(Scope.extend(scope), Effect.supervised(supervisor))
      yield* Scope.close(scope, Exit.void)
      const names = (yield* PolicyRegistry.entries).map(({ name }) => name)
      yield* holds(names.length === 0, "an empty registry", names.join(", "))
      const left = Effect.map(supervisor.value, (fibers) => fibers.length)
      const none = yield* trial.comes(Effect.map(left, (count) => count === 0))
      yield* holds(none, "no fiber to be left", `${yield* left}`)
    }).pipe(Effect.provide(PolicyRegistry.layer))
}

/** All of them. */
export const lifetimes: ReadonlyArray<Rule> = [together, interruption, nothingLeaks, uninterruptible, closing]
