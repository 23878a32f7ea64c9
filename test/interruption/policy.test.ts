/** A standard policy interrupted at every point: nothing that a call took may stay taken. */
import { Backoff, CircuitBreaker, Outcome, Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { Dependency, Unavailable } from "../support/Dependency.js"
import { atEveryPoint, count, interruptedAt } from "../support/InterruptionPoints.js"
import { VirtualClock } from "../support/VirtualClock.js"

const options: Policy.StandardOptions = {
  retry: { maxRetries: 2, backoff: Backoff.constant(0) },
  bulkhead: { maxConcurrent: 1, maxQueue: 2 },
  circuitBreaker: {
    tripPolicy: CircuitBreaker.rate({ threshold: 1, window: CircuitBreaker.count(1_000_000), minimumCalls: 1_000_000 })
  }
}

/** Work of a few steps. */
const work = Effect.gen(function* () {
  for (let step = 0; step < 3; step++) yield* Effect.yieldNow()
})

const making = (changes: Policy.StandardOptions = {}) =>
  Effect.gen(function* () {
    const policy = yield* Policy.standard("payment", { ...options, ...changes })
    const circuit = yield* Effect.orDie(policy.circuitBreaker)
    const bulkhead = yield* Effect.orDie(policy.bulkhead)
    return { policy, circuit, bulkhead, payment: new Dependency() }
  })

/** How far a call came, and how it ended. */
const story = (begun: boolean, exit: Exit.Exit<unknown, unknown>) => `${begun ? "begun" : "not begun"}, ${exit._tag}`

const idle = { active: 0, queued: 0, limit: 1 }

describe("a call interrupted anywhere", () => {
  for (const [name, ending] of [
    ["that succeeds", work],
    ["whose attempts fail", Effect.zipRight(work, new Unavailable({}))],
    ["that would never end", Effect.zipRight(work, Effect.never)]
  ] as const) {
    it.scopedLive(`${name}, gives its permit back and leaves nothing running`, () =>
      Effect.gen(function* () {
        const { bulkhead, circuit, payment, policy } = yield* making()
        const stories = new Set<string>()
        yield* atEveryPoint((point) =>
          Effect.gen(function* () {
            const { asked } = payment
            const counted = (yield* circuit.snapshot).calls
            const exit = yield* interruptedAt(point, policy.protect(payment.ask(ending)), Effect.void)
            stories.add(story(payment.asked > asked, exit))
            expect([point, yield* bulkhead.snapshot, payment.running]).toEqual([point, idle, 0])
            const counts = (yield* circuit.snapshot).calls - counted
            expect(counts === 1 || (counts === 0 && Exit.isInterrupted(exit))).toBe(true)
          })
        )
        expect(stories.has("not begun, Failure")).toBe(true)
        expect(stories.has("begun, Failure")).toBe(true)
        expect(yield* policy.protect(Effect.succeed("through"))).toBe("through")
      })
    )
  }

  it.scopedLive("in line, leaves it or passes on the permit that it was handed", () =>
    Effect.gen(function* () {
      const { bulkhead, payment, policy } = yield* making()
      const stories = new Set<string>()
      const next = new Dependency()
      yield* atEveryPoint((point) =>
        Effect.gen(function* () {
          const { asked } = payment
          const holder = yield* Effect.fork(policy.protect(Effect.never))
          yield* Effect.repeatN(Effect.yieldNow(), 5)
          const behind = yield* Effect.fork(
            Effect.zipRight(Effect.repeatN(Effect.yieldNow(), 8), policy.protect(next.ask(work)))
          )
          const meanwhile = Effect.zipRight(
            Effect.repeatN(Effect.yieldNow(), 12),
            Effect.asVoid(Fiber.interruptFork(holder))
          )
          const exit = yield* interruptedAt(point, policy.protect(payment.ask(work)), meanwhile)
          stories.add(story(payment.asked > asked, exit))
          yield* Fiber.join(behind)
          expect([point, yield* bulkhead.snapshot]).toEqual([point, idle])
        })
      )
      expect(next.asked).toBe(count)
      expect(stories.has("not begun, Failure")).toBe(true)
    })
  )

  it.scopedLive("as a probe, gives its place back", () => {
    const clock = new VirtualClock()
    return Effect.gen(function* () {
      const circuitBreaker: CircuitBreaker.Options = {
        tripPolicy: CircuitBreaker.consecutive(1),
        openDuration: "10 seconds",
        openJitter: 0,
        halfOpen: { successThreshold: 1_000_000 }
      }
      const { bulkhead, circuit, payment, policy } = yield* making({ circuitBreaker })
      yield* Effect.exit(circuit.protect(new Unavailable({})))
      yield* clock.pass(10_000)
      const stories = new Set<string>()
      yield* atEveryPoint((point) =>
        Effect.gen(function* () {
          const { asked } = payment
          const exit = yield* interruptedAt(point, policy.protect(payment.ask(work)), Effect.void)
          stories.add(story(payment.asked > asked, exit))
          const { probing, state } = yield* circuit.snapshot
          expect([point, state, probing, yield* bulkhead.snapshot]).toEqual([point, "HalfOpen", 0, idle])
        })
      )
      expect(stories.has("not begun, Failure")).toBe(true)
      expect(stories.has("begun, Failure")).toBe(true)
    }).pipe(clock.rule)
  })

  it.scopedLive("while a classifier of its own judges, settles once all the same", () =>
    Effect.gen(function* () {
      let judged = 0
      const classify: Outcome.Classify = (exit) => {
        judged++
        return Outcome.classify(exit)
      }
      const { bulkhead, payment, policy } = yield* making({ classify, retry: "none" })
      yield* atEveryPoint((point) =>
        Effect.gen(function* () {
          const before = judged
          const exit = yield* interruptedAt(point, policy.protect(payment.ask(work)), Effect.void)
          expect(judged - before).toBeLessThanOrEqual(1)
          if (Exit.isSuccess(exit)) expect(judged - before).toBe(1)
          expect(yield* bulkhead.snapshot).toEqual(idle)
        })
      )
    })
  )
})
