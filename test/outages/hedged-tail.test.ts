/**
 * A fan-out over a dependency with a heavy tail, under the real policy: 150 requests, each of which makes 100 calls at once
 * and needs all of them. A call takes 10 to 110 ms, but one in 500 takes 1 to 3 seconds. What comes in the first two seconds,
 * before anything is learned, is not counted.
 */
import { Hedge, type Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { Dice } from "../support/Dice.js"
import { VirtualClock } from "../support/VirtualClock.js"

const fanOut = 100
const requests = 150
const everyMillis = 100

/** The latencies of the requests, in milliseconds, and how often the dependency was asked for each call. */
const played = (make: (name: string) => Effect.Effect<Pick<Policy.Policy<never>, "protect">>, seed: number) =>
  Effect.gen(function* () {
    const clock = new VirtualClock()
    const dice = new Dice(seed)
    let asked = 0
    const latencies: Array<number> = []
    const { protect } = yield* make("search")
    const work = Effect.suspend(() => {
      asked++
      return Effect.sleep(dice.happens(1 / 500) ? dice.between(1000, 3000) : dice.between(10, 110))
    })
    const request = (n: number) =>
      Effect.gen(function* () {
        yield* Effect.sleep(n * everyMillis)
        const beganMillis = yield* Clock.currentTimeMillis
        const calls = Array.from({ length: fanOut }, () => protect(work))
        yield* Effect.all(calls, { concurrency: "unbounded", discard: true })
        if (beganMillis >= 2000) latencies.push((yield* Clock.currentTimeMillis) - beganMillis)
      })
    const all = Effect.forEach(Array.from({ length: requests }), (_, n) => request(n), { concurrency: "unbounded" })
    const fiber = yield* Effect.fork(clock.rule(all))
    yield* clock.pass(30_000)
    yield* fiber
    latencies.sort((one, other) => one - other)
    return { p99: latencies[Math.floor(latencies.length * 0.99)] ?? 0, more: asked / (requests * fanOut) - 1 }
  })

const alone = () => Effect.succeed({ protect: <A, E, R>(self: Effect.Effect<A, E, R>) => self })

const hedged = (budget: number) => (name: string) =>
  Effect.scoped(
    Hedge.make(name, {
      delay: { quantile: 0.98, initial: "1 hour", window: "30 seconds" },
      idempotent: true,
      budget: { ratio: budget, minPerSecond: 0 }
    })
  )

describe("a hedge in a fan-out of 100", () => {
  it.live("ends the slow hundredth more than ten times as early, for about 2 % more calls", () =>
    Effect.gen(function* () {
      const without = yield* played(alone, 1)
      const within = yield* played(hedged(0.05), 1)
      expect(without.p99 / within.p99).toBeGreaterThan(10)
      expect(within.more).toBeGreaterThan(0.01)
      expect(within.more).toBeLessThan(0.03)
    })
  )

  it.live("never makes more calls than its budget", () =>
    Effect.gen(function* () {
      expect((yield* played(hedged(0.001), 2)).more).toBeLessThanOrEqual(0.001)
    })
  )
})
