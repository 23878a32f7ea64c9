/** The policies in virtual time: as under the `TestClock`, whose twin each script has. */
import { VirtualTime } from "@effect-resilience/chaos"
import { Backoff, Bulkhead, CircuitBreaker, Policy, type Telemetry, Timeout } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Random, Supervisor, TestClock } from "effect"
import { Dependency, Unavailable } from "../support/Dependency.js"
import { Dice } from "../support/Dice.js"
import { failureOf } from "../support/Passing.js"
import { heard, script, shape } from "../support/Play.js"

const within = <A, E, R>(self: Effect.Effect<A, E, R>) => VirtualTime.run(self, { seed: 7 })

describe("a policy in virtual time", () => {
  it.effect("gives a dependency that hangs up at its limits", () =>
    Effect.gen(function* () {
      const payment = new Dependency()
      const played = Effect.gen(function* () {
        const policy = yield* Policy.standard("payment", {
          deadline: "5 seconds",
          timeout: "2 seconds",
          retry: { maxRetries: 1, backoff: Backoff.constant("500 millis") }
        })
        const exit = yield* Effect.exit(policy.protect(payment.hangs()))
        return [failureOf(exit), yield* Clock.currentTimeMillis] as const
      })
      const [failure, at] = yield* within(Effect.scoped(played))
      expect(failure).toMatchObject({ _tag: "TimedOut" })
      expect([at, payment.asked, payment.running]).toEqual([4500, 2, 0])
    })
  )

  it.effect("lets work that ends at its limit be in time, and what follows it alone", () =>
    Effect.gen(function* () {
      const played = Effect.gen(function* () {
        const timeout = yield* Timeout.make("payment", { duration: "1 second" })
        const inTime = Effect.as(Effect.sleep("1 second"), "in time")
        const answers = yield* Effect.forEach([1, 2, 3], () => timeout.protect(inTime))
        yield* Effect.sleep("3 seconds")
        const late = yield* Effect.exit(timeout.protect(Effect.sleep("1001 millis")))
        return [answers, failureOf(late), yield* Clock.currentTimeMillis] as const
      })
      const [answers, failure, at] = yield* within(Effect.scoped(played))
      expect(answers).toEqual(["in time", "in time", "in time"])
      expect(failure).toMatchObject({ _tag: "TimedOut" })
      expect(at).toBe(7000)
    })
  )

  it.effect("has no fiber for its limits", () =>
    Effect.gen(function* () {
      let begun = 0
      class Count extends Supervisor.AbstractSupervisor<void> {
        override readonly value = Effect.void
        override onStart(): void {
          begun++
        }
      }
      const played = Effect.gen(function* () {
        const policy = yield* Policy.standard("payment")
        const calls = Effect.forEach(Array.from({ length: 100 }), () => policy.protect(Effect.sleep("1 milli")))
        const one = Effect.flatMap(Effect.fork(Effect.void), Fiber.join)
        yield* Effect.supervised(Effect.zipRight(one, calls), new Count())
        return yield* Clock.currentTimeMillis
      })
      expect(yield* within(Effect.scoped(played))).toBe(100)
      expect(begun).toBe(1)
    })
  )

  it.effect("serves the line of a bulkhead in order, one after the other", () =>
    Effect.gen(function* () {
      const served: Array<readonly [number, number]> = []
      const played = Effect.gen(function* () {
        const bulkhead = yield* Bulkhead.make("reports", { maxConcurrent: 2, maxQueue: 4 })
        const work = (i: number) =>
          Effect.zipRight(
            Effect.sleep("1 second"),
            Effect.map(Clock.currentTimeMillis, (at) => served.push([i, at]))
          )
        const exits = yield* Effect.forEach([0, 1, 2, 3, 4, 5, 6], (i) => Effect.exit(bulkhead.protect(work(i))), {
          concurrency: "unbounded"
        })
        return exits.map((exit) => exit._tag)
      })
      const tags = yield* within(Effect.scoped(played))
      expect(tags).toEqual([...Array.from({ length: 6 }, () => "Success"), "Failure"])
      expect(served).toEqual([
        [0, 1000],
        [1, 1000],
        [2, 2000],
        [3, 2000],
        [4, 3000],
        [5, 3000]
      ])
    })
  )
})

/** Calls at random moments to a dependency that answers, fails, declines and hangs at random. */
const scenario = (seed: number) =>
  Effect.gen(function* () {
    const dice = new Dice(seed)
    const policy = yield* Policy.standard("payment", {
      deadline: 3001,
      timeout: 1009,
      retry: { maxRetries: 2, backoff: Backoff.fullJitter({ base: 211, cap: 1013 }) },
      circuitBreaker: {
        tripPolicy: CircuitBreaker.rate({ threshold: 0.5, window: CircuitBreaker.count(8), minimumCalls: 4 }),
        openDuration: 2003
      },
      bulkhead: { maxConcurrent: 2, maxQueue: 2 }
    })
    const answers = Array.from({ length: 200 }, () => {
      const takes = dice.between(1, 900)
      if (dice.happens(0.2)) return Effect.never
      return Effect.zipRight(Effect.sleep(takes), dice.happens(0.5) ? new Unavailable({}) : Effect.succeed(takes))
    })
    const dependency = script(Effect.succeed(0), ...answers)
    const calls = Array.from({ length: 25 }, () => dice.between(1, 20_000))
    const call = (comesAt: number) =>
      Effect.sleep(comesAt).pipe(
        Effect.zipRight(Effect.exit(policy.protect(dependency.call))),
        Effect.zip(Clock.currentTimeMillis),
        Effect.map(([exit, at]) => ({ comesAt, at, ...shape(exit) }))
      )
    const [ends, events] = yield* heard(Effect.forEach(calls, call, { concurrency: "unbounded" }))
    return { ends, asked: dependency.at, events }
  }).pipe(Effect.scoped)

const kinds = (events: ReadonlyArray<Telemetry.Event>) => events.map(({ _tag }) => _tag)

describe("the same script", () => {
  it.effect("under the TestClock and in virtual time: the same exits, calls, times and events", () =>
    Effect.gen(function* () {
      const seen = new Set<string>()
      for (let seed = 1; seed <= 8; seed++) {
        const virtual = yield* VirtualTime.run(scenario(seed), { seed })
        const fiber = yield* Effect.fork(Effect.withRandom(scenario(seed), Random.make(seed)))
        // Times are since the TestClock was here; each script begins at a round hour.
        const began = yield* Clock.currentTimeMillis
        yield* TestClock.adjust("1 hour")
        const { asked, ends, events } = yield* Fiber.join(fiber)
        const tested = {
          ends: ends.map((end) => ({ ...end, at: end.at - began })),
          asked: asked.map((at) => at - began),
          events: events.map((event) => ({ ...event, at: event.at - began }))
        }
        expect([seed, virtual]).toEqual([seed, tested])
        kinds(events).forEach((kind) => seen.add(kind))
      }
      expect([...seen].toSorted()).toEqual([
        "CallRejected",
        "CallTimedOut",
        "CircuitChanged",
        "DeadlineMissed",
        "RetriesExhausted",
        "RetryScheduled"
      ])
    })
  )
})
