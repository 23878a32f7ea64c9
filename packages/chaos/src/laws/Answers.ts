/**
 * Laws of what a call gives, how often its work runs, and what that sees.
 */
import { Cause, Chunk, Context, Effect, Exit, FiberRef, Scope } from "effect"
import { holds, type Rule, succeededWith, Work, wordsOf } from "./Trial.js"

class Failure {
  readonly _tag = "Failure"
}

/** A success goes through. */
const success: Rule = {
  name: "a success is handed back as it is",
  holds: (trial) =>
    Effect.gen(function* () {
      const { protect } = yield* trial.make
      const value = { id: 1 }
      for (const work of [Effect.succeed(value), Effect.as(Effect.yieldNow(), value)]) {
        const exit = yield* trial.call(protect(work))
        yield* holds(succeededWith(exit, value), "the very value that the work gave", wordsOf(exit))
      }
    })
}

/** A typed failure goes through. */
const failure: Rule = {
  name: "a typed failure is handed back as it is",
  holds: (trial) =>
    Effect.gen(function* () {
      const { protect } = yield* trial.make
      const error = new Failure()
      const exit = yield* trial.call(protect(Effect.fail(error)))
      const errors = Exit.isFailure(exit) ? [...Cause.failures(exit.cause)] : []
      yield* holds(errors.length === 1 && errors[0] === error, "the very error that the work gave", wordsOf(exit))
    })
}

/** A defect goes through. */
const defect: Rule = {
  name: "a defect stays a defect",
  holds: (trial) =>
    Effect.gen(function* () {
      const { protect } = yield* trial.make
      const bug = new Error("a bug")
      const exit = yield* trial.call(protect(Effect.die(bug)))
      const same = Exit.isFailure(exit) && Chunk.contains(Cause.defects(exit.cause), bug)
      const untyped = Exit.isFailure(exit) && Chunk.isEmpty(Cause.failures(exit.cause))
      yield* holds(same && untyped, "the defect of the work and no typed failure", wordsOf(exit))
    })
}

/** The work may interrupt itself. */
const ownInterruption: Rule = {
  name: "an interruption of the work itself reaches its caller",
  holds: (trial) =>
    Effect.gen(function* () {
      const { protect } = yield* trial.make
      const exit = yield* trial.call(protect(Effect.interrupt))
      yield* holds(Exit.isInterrupted(exit), "an interruption", wordsOf(exit))
    })
}

/** A call is a description. */
const again: Rule = {
  name: "the work runs when the call is run, and again when it is run again",
  holds: (trial) =>
    Effect.gen(function* () {
      const { protect } = yield* trial.make
      const work = new Work()
      const call = protect(work.of(Effect.void))
      yield* trial.turns(10)
      const counts = [work.begun]
      for (const _ of ["first", "second"]) {
        yield* trial.call(call)
        counts.push(work.begun)
      }
      const [before = 0, once = 0, twice = 0] = counts
      const seen = `${before} before the call, ${once} after it was run once, ${twice} after twice`
      yield* holds(before === 0 && once > 0 && twice > once, "none before the call was run, more after each run", seen)
    })
}

/** Only a typed failure may be a reason to repeat. */
const noRepetition: Rule = {
  name: "the work is repeated only after a typed failure",
  holds: (trial) =>
    Effect.gen(function* () {
      const { protect } = yield* trial.make
      const ends = { success: Effect.void, defect: Effect.die("a bug"), interruption: Effect.interrupt }
      for (const [what, end] of Object.entries(ends)) {
        const work = new Work()
        yield* trial.call(protect(work.of(end)))
        yield* holds(work.begun === 1, `1 attempt where that ends in a ${what}`, String(work.begun))
      }
      const work = new Work()
      const recovers = Effect.suspend(() => (work.begun === 1 ? Effect.fail(new Failure()) : Effect.void))
      yield* trial.call(protect(work.of(recovers)))
      yield* holds(work.begun <= 2, "at most 2 attempts where the second succeeds", String(work.begun))
    })
}

class Service extends Context.Tag("@effect-resilience/chaos/laws/Service")<Service, string>() {}
class Reference extends Context.Reference<Reference>()("@effect-resilience/chaos/laws/Reference", {
  defaultValue: () => "default"
}) {}

/** The work belongs to its caller. */
const surroundings: Rule = {
  name: "the work has the services, references, fiber refs and scope of its caller, and changes to them stay",
  holds: (trial) =>
    Effect.gen(function* () {
      const { protect } = yield* trial.make
      const level = yield* FiberRef.make("at first")
      const scope = yield* Scope.make()
      let released = false
      // The first attempt alone: what a policy repeats without need is another law's.
      let inside: string | undefined
      const look = Effect.map(
        Effect.all([Service, Reference, FiberRef.get(level)]),
        (all) => (inside ??= all.join(", "))
      )
      const resource = Effect.acquireRelease(FiberRef.set(level, "changed"), () => Effect.sync(() => (released = true)))
      const call = Effect.locally(
        Effect.zip(protect(Effect.zipLeft(look, resource)), FiberRef.get(level)),
        level,
        "the caller's"
      ).pipe(
        Effect.provideService(Service, "the caller's"),
        Effect.provideService(Reference, "the caller's"),
        Scope.extend(scope)
      )
      const exit = yield* trial.call(call)
      const seen = Exit.isSuccess(exit) ? exit.value.join(", ") : wordsOf(exit)
      const expected = "the caller's, the caller's, the caller's, changed"
      yield* holds(seen === expected, `service, reference, fiber ref, and that afterwards to be ${expected}`, seen)
      yield* holds(!released, "a resource to stay with the scope of the caller", "it released after the call")
      yield* Scope.close(scope, Exit.void)
      yield* holds(released, "a resource to be released with the scope of the caller", "it was not")
    })
}

/** All of them. */
export const answers: ReadonlyArray<Rule> = [
  success,
  failure,
  defect,
  ownInterruption,
  again,
  noRepetition,
  surroundings
]
