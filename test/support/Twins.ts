/**
 * Calls by a script, made under a policy on a clock that is moved by hand, and all that can be seen of them. Two policies
 * that mean the same are seen to do the same.
 */
import { type Bulkhead, type CircuitBreaker, Outcome, type Policy } from "@effect-resilience/core"
import { Clock, Deferred, Duration, Effect, Exit, Fiber, Random, type Scope } from "effect"
import { Declined, TooMany, Unavailable } from "./Dependency.js"
import { Dice } from "./Dice.js"
import { Listener } from "./Listener.js"
import { shape } from "./Play.js"

export const endings = ["answers", "is ill", "fails", "defers", "throttles", "declines", "dies", "hangs"] as const
export type Ending = (typeof endings)[number]

/** What the dependency does when it is asked once. */
export interface Attempt {
  readonly afterMillis: number
  readonly ending: Ending
  readonly uninterruptible: boolean
}

export interface Call {
  readonly atMillis: number
  readonly attempts: ReadonlyArray<Attempt>
  /** When the caller is interrupted, if it is. */
  readonly interruptedAfterMillis: number | undefined
}

export interface Tested {
  readonly policy: Policy.Policy<unknown>
  readonly breaker: CircuitBreaker.CircuitBreaker
  readonly bulkhead: Bulkhead.Bulkhead
}

/** So many calls, at the most so far apart from one another. */
export const scriptOf = (seed: number, calls: number, apartMillis: readonly [number, number]): ReadonlyArray<Call> => {
  const dice = new Dice(seed)
  const oneOf = <A>(all: readonly [A, ...ReadonlyArray<A>]): A => all[dice.between(0, all.length - 1)] ?? all[0]
  const attempt = (): Attempt => ({
    afterMillis: dice.happens(0.2) ? 0 : dice.between(1, 180),
    ending: dice.happens(0.4) ? "answers" : oneOf(endings),
    uninterruptible: dice.happens(0.15)
  })
  let atMillis = 0
  return Array.from({ length: calls }, () => {
    atMillis += dice.between(...apartMillis)
    const attempts = [attempt(), attempt(), attempt(), attempt()]
    return { atMillis, attempts, interruptedAfterMillis: dice.happens(0.2) ? dice.between(1, 250) : undefined }
  })
}

/** An answer that says "ill" is a failure that passes. */
export const illIsFailure: Outcome.Classify = (exit) =>
  Exit.isSuccess(exit) && exit.value === "ill" ? Outcome.failure({ transient: true }) : Outcome.classify(exit)

type Failed = Unavailable | TooMany | Declined

const ends: Readonly<Record<Ending, Effect.Effect<string, Failed>>> = {
  answers: Effect.succeed("well"),
  "is ill": Effect.succeed("ill"),
  fails: Effect.fail(new Unavailable({})),
  defers: Effect.fail(new Unavailable({ retryAfter: Duration.millis(170) })),
  throttles: Effect.fail(new TooMany({ retryAfter: Duration.millis(90) })),
  declines: Effect.fail(new Declined({ reason: "no funds" })),
  dies: Effect.die("a bug"),
  hangs: Effect.never
}

const dependency = ({ attempts }: Call, asked: Array<number>): Effect.Effect<string, Failed> => {
  let made = 0
  return Effect.flatMap(Clock.currentTimeMillis, (now) => {
    asked.push(now)
    const attempt = attempts[made++] ?? { afterMillis: 0, ending: "answers", uninterruptible: false }
    const end = Effect.zipRight(Effect.sleep(attempt.afterMillis), ends[attempt.ending])
    return attempt.uninterruptible && attempt.ending !== "hangs" ? Effect.uninterruptible(end) : end
  })
}

const plainly = (value: unknown): unknown => JSON.parse(JSON.stringify(value) ?? "null")

/** Makes the calls of a script, and tells all that can be seen of them. */
export const seen = (make: Effect.Effect<Tested, never, Scope.Scope>, calls: ReadonlyArray<Call>) =>
  Effect.gen(function* () {
    const { breaker, bulkhead, policy } = yield* make
    const listener = new Listener()
    const one = (call: Call) =>
      Effect.gen(function* () {
        yield* Effect.sleep(call.atMillis)
        const start = yield* Clock.currentTimeMillis
        const asked: Array<number> = []
        const ended = yield* Deferred.make<unknown>()
        const tell = (exit: Exit.Exit<unknown, unknown>) =>
          Effect.flatMap(Clock.currentTimeMillis, (now) =>
            Deferred.succeed(ended, { exit: plainly(shape(exit)), after: now - start })
          )
        const fiber = yield* Effect.fork(Effect.onExit(policy.protect(dependency(call, asked)), tell))
        if (call.interruptedAfterMillis !== undefined) {
          yield* Effect.fork(Effect.zipRight(Effect.sleep(call.interruptedAfterMillis), Fiber.interruptFork(fiber)))
        }
        const end = yield* Deferred.await(ended)
        const states = yield* Effect.all([breaker.snapshot, bulkhead.snapshot])
        return { end, asked: asked.map((at) => at - start), states: plainly(states) }
      })
    const told = yield* listener.hear(Effect.forEach(calls, one, { concurrency: "unbounded" }))
    // Parts have a classifier each, which says once what it does not know; fused they have one together.
    const once = new Set(listener.of("UnclassifiedError").map(({ error }) => error))
    const events = listener.events.filter(({ _tag }) => _tag !== "UnclassifiedError")
    return { calls: told, events: events.map((event) => JSON.stringify(event)).toSorted(), unclassified: [...once] }
  }).pipe(Effect.scoped, Effect.withRandom(Random.make("twins")))
