/**
 * A bulkhead wider than its pool. Sixty queries at once for ten connections: those that the bulkhead lets in beyond ten wait
 * for a connection inside it, on the time of their attempt, and time out without having asked anything. The breaker takes the
 * database for ill, which is well.
 */
import { FaultPlan } from "@effect-resilience/chaos"
import { CircuitBreaker, Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { endings, faulty, played, requests } from "../support/Outage.js"

const pool = { name: "database", size: 10 }

/** Sixty queries of 300 ms at once, and one more after two seconds. */
const rush = (options: Policy.StandardOptions) =>
  Effect.gen(function* () {
    const { call, dependency } = yield* faulty("database", FaultPlan.phases(), Effect.sleep("300 millis"))
    const connections = yield* Effect.makeSemaphore(pool.size)
    const policy = yield* Policy.standard("database", options)
    const query = policy.protect(connections.withPermits(1)(call))
    const all = yield* requests(60, 0, () => query)
    yield* Effect.sleep("1 second")
    const later = yield* requests(1, 0, () => query)
    return { requests: endings(all), later: endings(later), asked: dependency.asked }
  })

const circuitBreaker = {
  tripPolicy: CircuitBreaker.rate({ threshold: 0.5, window: CircuitBreaker.time("30 seconds"), minimumCalls: 20 }),
  openJitter: 0
}
const shared = { timeout: "1 second", retry: "none", circuitBreaker, pool } as const
const wide: Policy.StandardOptions = { ...shared, bulkhead: { maxConcurrent: 60 } }
const fitting: Policy.StandardOptions = {
  ...shared,
  bulkhead: { maxConcurrent: 10, maxQueue: 20, maxWait: "1 second" }
}
const trapsOf = (options: Policy.StandardOptions) => Policy.explain("database", options).traps.map(({ rule }) => rule)

describe("a rush for a database that is well", () => {
  it.effect("opens the circuit if the bulkhead lets in more than the pool has", () =>
    Effect.gen(function* () {
      const { timeline, value } = yield* played(rush(wide))
      expect(value).toEqual({ requests: { Success: 30, TimedOut: 30 }, later: { CircuitOpen: 1 }, asked: 40 })
      expect(timeline).toEqual([
        " time  policy    event           state",
        "1.000  database  CallTimedOut    Closed  x 30",
        "1.000  database  CircuitChanged  Open",
        "2.000  database  CallRejected    Open"
      ])
      expect(trapsOf(wide)).toEqual(["pool"])
    })
  )

  it.effect("is turned away at the door beyond what the pool and a short line can take", () =>
    Effect.gen(function* () {
      const { timeline, value } = yield* played(rush(fitting))
      expect(value).toEqual({ requests: { Success: 30, BulkheadFull: 30 }, later: { Success: 1 }, asked: 31 })
      expect(timeline).toEqual([" time  policy    event         state", "0.000  database  CallRejected         x 30"])
      expect(trapsOf(fitting)).toEqual([])
    })
  )
})
