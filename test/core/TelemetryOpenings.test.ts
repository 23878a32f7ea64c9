/** What is told of calls that open something which goes on: a call is its opening. */
import { Backoff, Outcome, Policy, Telemetry } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Data, Effect, Fiber, Stream, TestClock } from "effect"

class Refused extends Data.TaggedError("Refused") {
  get [Outcome.OutcomeTypeId](): Outcome.Outcome {
    return Outcome.failure({ transient: true })
  }
}

/** What a program tells of its calls, in words. */
const calls = <E>(program: Effect.Effect<unknown, E>) =>
  Effect.suspend(() => {
    const heard: Array<string> = []
    const sink = Telemetry.layer(
      (event) => {
        if (event._tag === "CallSettled") {
          const { attempts, counted, duration, lastAttempt, operation, status } = event
          heard.push(`${operation}: ${status} (${counted}), ${attempts} in ${duration} ms, the last ${lastAttempt} ms`)
        }
        if (event._tag === "AttemptSettled")
          heard.push(`attempt ${event.attempt}: ${event.status}, ${event.duration} ms`)
        if (event._tag === "RetrySettled") heard.push(`retry ${event.attempt}: ${event.succeeded}`)
      },
      { calls: true }
    )
    return Effect.as(Effect.provide(program, sink), heard)
  })

const policy = Effect.map(
  Policy.standard("feed", { timeout: "1 second", retry: { maxRetries: 1, backoff: Backoff.constant("100 millis") } }),
  (feed) => feed.with({ operation: "open" })
)

describe("a Stream under a policy", () => {
  it.scoped("is one call, which ends with its first element, however long it goes on", () =>
    Effect.gen(function* () {
      const feed = yield* policy
      let opened = 0
      const first = Effect.delay(
        Effect.sync(() => ++opened),
        "300 millis"
      )
      const stream = Stream.concat(
        Stream.fromEffect(first),
        Stream.fromEffect(Effect.delay(Effect.succeed(2), "5 seconds"))
      )
      const run = yield* Effect.fork(calls(Stream.runDrain(Policy.protectStream(stream, feed))))
      yield* TestClock.adjust("10 seconds")
      expect(yield* Fiber.join(run)).toEqual(["open: ok (success), 1 in 300 ms, the last 300 ms"])
      expect(opened).toBe(1)
    })
  )

  it.scoped("whose opening is repeated tells of each attempt, and of what failed later nothing", () =>
    Effect.gen(function* () {
      const feed = yield* policy
      let opened = 0
      const stream = Stream.unwrap(
        Effect.sync(() =>
          ++opened === 1 ? Stream.never : Stream.concat(Stream.make(1, 2), Stream.fail(new Refused()))
        )
      )
      const run = yield* Effect.fork(calls(Effect.exit(Stream.runDrain(Policy.protectStream(stream, feed)))))
      yield* TestClock.adjust("10 seconds")
      expect(yield* Fiber.join(run)).toEqual([
        "attempt 1: timeout, 1000 ms",
        "retry 2: true",
        "open: ok (success), 2 in 1100 ms, the last 0 ms"
      ])
      expect(opened).toBe(2)
    })
  )

  it.scoped("that fails before its first element is a failed call, and an empty one is none", () =>
    Effect.gen(function* () {
      const feed = (yield* policy).with({ repeatable: false })
      const drained = (stream: Stream.Stream<unknown, Refused>) =>
        Effect.exit(Stream.runDrain(Policy.protectStream(stream, feed)))
      const told = yield* calls(Effect.zip(drained(Stream.fail(new Refused())), drained(Stream.empty)))
      expect(told).toEqual([
        "open: error (failure), 1 in 0 ms, the last 0 ms",
        "open: ok (success), 1 in 0 ms, the last 0 ms"
      ])
    })
  )
})

describe("an acquisition under a policy", () => {
  it.scoped("is one call, which ends when it was made, and not when it is released", () =>
    Effect.gen(function* () {
      const feed = yield* policy
      const log: Array<string> = []
      let acquired = 0
      const connection = Effect.acquireRelease(
        Effect.suspend(() =>
          ++acquired === 1 ? Effect.fail(new Refused()) : Effect.delay(Effect.succeed("open"), "200 millis")
        ),
        () => Effect.sync(() => log.push("released"))
      )
      const used = Effect.scoped(Effect.zipRight(Policy.protectScoped(connection, feed), Effect.sleep("5 seconds")))
      const run = yield* Effect.fork(calls(used))
      yield* TestClock.adjust("10 seconds")
      expect(yield* Fiber.join(run)).toEqual([
        "attempt 1: error, 0 ms",
        "retry 2: true",
        "open: ok (success), 2 in 300 ms, the last 200 ms"
      ])
      expect([acquired, log]).toEqual([2, ["released"]])
    })
  )
})
