/**
 * `Policy.standard` is fused, and does what `Policy.all` of the same parts does: on a clock of a test, where a limit is a
 * fiber that sleeps, and on the live one, where it is an alarm. Where the two are meant to differ (an open circuit is seen
 * before the line, a probe is never repeated), the scripts do not go.
 */
import {
  AdaptiveLimiter,
  Backoff,
  Bulkhead,
  CircuitBreaker,
  Hedge,
  type Outcome,
  Policy,
  Retry,
  RetryBudget,
  type Telemetry,
  Timeout
} from "@effect-resilience/core"
import { Clock, Effect, Option } from "effect"
import { describe, expect, it, vi } from "vitest"
import { illIsFailure, scriptOf, seen, type Tested } from "../support/Twins.js"
import { VirtualClock } from "../support/VirtualClock.js"

interface Family {
  /** What must have happened in the scripts, or they show nothing. */
  readonly reports: ReadonlyArray<Telemetry.Event["_tag"]>
  readonly calls: number
  readonly apartMillis: readonly [number, number]
  readonly retries: number
  readonly bulkhead: Bulkhead.Options
  readonly circuit: CircuitBreaker.Options
  readonly classify?: Outcome.Classify
  readonly budget?: RetryBudget.Options
  readonly concurrency?: AdaptiveLimiter.Options
  readonly hedge?: Hedge.Options
}

const timeout = 100
const name = "payment"
const many = { maxConcurrent: 1000 }
const halfOpen = { timeout: 200, probes: 2, successThreshold: 2 }
const trips: CircuitBreaker.Options = {
  tripPolicy: CircuitBreaker.any(
    CircuitBreaker.rate({ threshold: 0.6, window: CircuitBreaker.count(10), minimumCalls: 5 }),
    CircuitBreaker.slow({ threshold: 0.8, slowerThan: 90, window: CircuitBreaker.time("5 seconds"), minimumCalls: 5 })
  ),
  openDuration: 300,
  patience: 50,
  halfOpen
}
// Only `Policy.standard` knows how long the last of several attempts had had when the call was cut short.
const patience = "1 hour"
const staysOpen = { ...trips, tripPolicy: CircuitBreaker.consecutive(4), openDuration: "1 hour", patience } as const
const staysClosed = { ...trips, tripPolicy: CircuitBreaker.consecutive(1000), patience } as const

const families: Readonly<Record<string, Family>> = {
  "one attempt, a circuit that opens and closes": {
    reports: ["CallRejected", "CallTimedOut", "CircuitChanged"],
    calls: 40,
    apartMillis: [1, 90],
    retries: 0,
    bulkhead: many,
    circuit: trips
  },
  "several attempts, a line": {
    reports: ["CallRejected", "CallTimedOut", "RetriesExhausted", "RetryScheduled"],
    calls: 30,
    apartMillis: [1, 90],
    retries: 2,
    bulkhead: { maxConcurrent: 2, maxQueue: 2, maxWait: 140 },
    circuit: staysClosed
  },
  "several attempts, a circuit that opens": {
    reports: ["CallRejected", "CallTimedOut", "CircuitChanged", "RetriesExhausted", "RetryScheduled"],
    calls: 25,
    apartMillis: [2500, 3000],
    retries: 2,
    bulkhead: { maxConcurrent: 1 },
    circuit: staysOpen
  },
  "several attempts, a budget that runs out": {
    reports: ["CallTimedOut", "RetriesExhausted", "RetryScheduled"],
    calls: 30,
    apartMillis: [1, 90],
    retries: 3,
    bulkhead: many,
    circuit: staysClosed,
    budget: { ratio: 0.3, minPerSecond: 0, ttl: "1 second" }
  },
  "several attempts, a budget that successes fill": {
    reports: ["CallTimedOut", "RetriesExhausted", "RetryScheduled"],
    calls: 30,
    apartMillis: [1, 90],
    retries: 3,
    bulkhead: many,
    circuit: staysClosed,
    classify: illIsFailure,
    budget: RetryBudget.tokens({ capacity: 6, cost: 2 })
  },
  "several attempts, a limit that is learned": {
    reports: ["CallRejected", "CallTimedOut", "RetriesExhausted", "RetryScheduled"],
    calls: 40,
    apartMillis: [1, 40],
    retries: 2,
    bulkhead: many,
    circuit: staysClosed,
    concurrency: { algorithm: "aimd", initial: 4, maxQueue: 1, maxWait: 30 }
  },
  "several copies of an attempt": {
    reports: ["CallTimedOut", "HedgeSettled", "RetriesExhausted", "RetryScheduled"],
    calls: 40,
    apartMillis: [1, 90],
    retries: 1,
    bulkhead: many,
    circuit: staysClosed,
    hedge: { delay: 60, maxHedges: 2, idempotent: true, budget: "none", minAttempt: 10 }
  },
  "a classifier of its own": {
    reports: ["CallTimedOut", "RetriesExhausted", "RetryScheduled"],
    calls: 40,
    apartMillis: [1, 90],
    retries: 2,
    bulkhead: many,
    circuit: staysClosed,
    classify: illIsFailure
  }
}

const retryOf = ({ retries }: Family): Retry.Options => ({
  maxRetries: retries,
  backoff: Backoff.fullJitter({ base: 40, cap: 200 }),
  maxRetryAfter: 150,
  minAttempt: 10
})

const fused = (of: Family): Effect.Effect<Tested> =>
  Effect.map(
    Effect.scoped(
      Policy.standard(name, {
        deadline: "none",
        timeout,
        retry: retryOf(of),
        retryBudget: of.budget ?? "none",
        circuitBreaker: of.circuit,
        bulkhead: of.bulkhead,
        concurrency: of.concurrency,
        hedge: of.hedge,
        classify: of.classify
      })
    ),
    (policy) => ({
      policy,
      breaker: Option.getOrThrow(policy.circuitBreaker),
      bulkhead: Option.getOrThrow(policy.bulkhead)
    })
  )

const composed = (of: Family): Effect.Effect<Tested> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { classify } = of
      const breaker = yield* CircuitBreaker.make(name, { ...of.circuit, classify })
      const bulkhead = yield* Bulkhead.make(name, of.bulkhead)
      const budget = of.budget && (yield* RetryBudget.make(name, of.budget))
      const retry = yield* Retry.make(name, { ...retryOf(of), classify, budget })
      const limit = yield* Timeout.make(name, { duration: timeout })
      const hedges = of.hedge === undefined ? [] : [yield* Hedge.make(name, { ...of.hedge, classify })]
      const limits =
        of.concurrency === undefined ? [] : [yield* AdaptiveLimiter.make(name, { ...of.concurrency, classify })]
      return { policy: Policy.all(bulkhead, breaker, retry, ...hedges, ...limits, limit), breaker, bulkhead }
    })
  )

const longMillis = 120_000

const onVirtualClock = <A>(self: Effect.Effect<A>): Promise<A> => {
  const clock = new VirtualClock()
  return Effect.runPromise(
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(clock.rule(self))
      yield* clock.pass(longMillis)
      return yield* fiber
    })
  )
}

/** The live clock, but for its monotonic side, which goes by the wall: that is what fake timers move. */
const byTheWall = (): Clock.Clock => {
  const unsafeCurrentTimeNanos = () => BigInt(Date.now()) * 1_000_000n
  return Object.assign(Clock.make(), { unsafeCurrentTimeNanos, currentTimeNanos: Effect.sync(unsafeCurrentTimeNanos) })
}

const onLiveClock = async <A>(self: Effect.Effect<A>): Promise<A> => {
  vi.useFakeTimers({ now: 0, toFake: ["setTimeout", "clearTimeout", "setImmediate", "clearImmediate", "Date"] })
  const result = Effect.runPromise(Effect.withClock(self, byTheWall()))
  await vi.advanceTimersByTimeAsync(longMillis)
  vi.useRealTimers()
  return result
}

const clocks = { "on the clock of a test": onVirtualClock, "on the live clock": onLiveClock } as const

// One after the other, because the timers are those of the process.
describe.sequential("Policy.standard does what Policy.all of its parts does", () => {
  for (const [where, run] of Object.entries(clocks)) {
    for (const [what, family] of Object.entries(families)) {
      it(`${what}, ${where}`, async () => {
        const happened = new Set<string>()
        for (let seed = 1; seed <= 6; seed++) {
          const script = scriptOf(seed, family.calls, family.apartMillis)
          const ours = await run(seen(fused(family), script))
          const parts = await run(seen(composed(family), script))
          expect(ours).toEqual(parts)
          for (const event of ours.events) happened.add(JSON.parse(event)._tag)
        }
        expect([...happened].toSorted()).toEqual(family.reports)
      })
    }
  }
})
