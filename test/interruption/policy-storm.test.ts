/** A crowd at a whole policy over a dependency that is well, ill, and well again, while half of the crowd gives up. */
import { Backoff, CircuitBreaker, Deadline, Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { Chance } from "../support/Chance.js"
import { crowd, visit } from "../support/Crowd.js"
import { Dependency, Unavailable } from "../support/Dependency.js"
import { Dice } from "../support/Dice.js"
import { failureOf } from "../support/Passing.js"
import { VirtualClock } from "../support/VirtualClock.js"

const storm = (seed: number) =>
  Effect.gen(function* () {
    const clock = new VirtualClock()
    const dice = new Dice(seed)
    const policy = yield* Policy.standard("payment", {
      deadline: 60,
      timeout: 20,
      retry: { maxRetries: 2, backoff: Backoff.constant(5) },
      circuitBreaker: {
        tripPolicy: CircuitBreaker.rate({ threshold: 0.5, window: CircuitBreaker.count(20), minimumCalls: 10 }),
        openDuration: 40,
        halfOpen: { probes: 2, successThreshold: 2, timeout: 25 }
      },
      bulkhead: { maxConcurrent: 6, maxQueue: 6, maxWait: 12 }
    })
    const circuit = yield* Effect.orDie(policy.circuitBreaker)
    const bulkhead = yield* Effect.orDie(policy.bulkhead)
    const payment = new Dependency()
    const states = new Set<CircuitBreaker.State>()
    const attempt = (work: Effect.Effect<void>) =>
      Effect.suspend(() => {
        const now = clock.unsafeCurrentTimeMillis()
        const ill = now > 100 && now < 300
        if (dice.happens(ill ? 0.7 : 0.02)) return new Unavailable({})
        return dice.happens(ill ? 0.3 : 0) ? Effect.never : work
      })
    const callers = crowd(seed, 800, 600)
    const look = Effect.gen(function* () {
      states.add((yield* circuit.snapshot).state)
      expect((yield* circuit.snapshot).probing).toBeLessThanOrEqual(2)
      expect(payment.running).toBeLessThanOrEqual(6)
    })
    const protect = (work: Effect.Effect<void>, { name }: { readonly name: number }) => {
      const call = policy.protect(payment.ask(attempt(work)))
      return name % 3 === 0 ? Deadline.protect(call, 1 + (name % 40)) : call
    }
    const endings = yield* visit(clock, callers, protect, look)
    const kinds = new Set(
      endings.map(({ exit }) => {
        const failure = failureOf(exit)
        if (Exit.isSuccess(exit)) return "served"
        if (Exit.isInterrupted(exit)) return "interrupted"
        return failure instanceof Error ? failure.name : "something else"
      })
    )
    // Long after the last call: no probe is out, and the circuit lets calls through again.
    const after = Effect.zipRight(clock.pass(10_000), policy.protect(Effect.succeed("through")))
    return {
      kinds,
      states,
      permits: yield* bulkhead.snapshot,
      running: payment.running,
      probing: (yield* Effect.withClock(circuit.snapshot, clock)).probing,
      after: yield* Effect.withClock(after, clock)
    }
  }).pipe(new Chance([0.5]).rule)

describe("a storm on a whole policy", () => {
  for (const seed of [1, 2, 3]) {
    it.scopedLive(`leaves every permit, every probe's place and the line as they were (seed ${seed})`, () =>
      Effect.gen(function* () {
        const { after, kinds, permits, probing, running, states } = yield* storm(seed)
        expect({ permits, running, probing }).toEqual({
          permits: { active: 0, queued: 0, limit: 6 },
          running: 0,
          probing: 0
        })
        expect(after).toBe("through")
        expect(states).toEqual(new Set(["Closed", "Open", "HalfOpen"]))
        expect([...kinds].toSorted()).toEqual([
          "BulkheadFull",
          "CircuitOpen",
          "DeadlineExceeded",
          "TimedOut",
          "Unavailable",
          "interrupted",
          "served"
        ])
      })
    )
  }
})
