/**
 * Refused connections fail at once, which makes them the cheapest calls there are: a caller who simply tries again makes
 * as many as the machine can, and the dependency that comes up again meets them all.
 */
import { FaultPlan } from "@effect-resilience/chaos"
import { Backoff, CircuitBreaker, Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { endings, faulty, played, requests } from "../support/Outage.js"

const plan = FaultPlan.phases(
  FaultPlan.phase("2 seconds"),
  FaultPlan.phase("10 seconds", FaultPlan.latency("10 millis"), FaultPlan.fault("Unavailable"))
)

/** A request a second for twenty seconds. */
const outage = <E>(protectedBy: (call: Effect.Effect<void, unknown>) => Effect.Effect<void, E>) =>
  Effect.gen(function* () {
    const { call, dependency } = yield* faulty("inventory", plan, Effect.sleep("20 millis"))
    const all = yield* requests(20, "1 second", () => protectedBy(call))
    return { requests: endings(all), asked: dependency.asked }
  })

const options: Policy.StandardOptions = {
  retry: { maxRetries: 2, backoff: Backoff.exponential({ base: "100 millis" }) },
  circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(3), openDuration: "5 seconds", openJitter: 0 }
}

describe("refused connections", () => {
  it.effect("are asked for over five thousand times by ten callers who try again at once", () =>
    Effect.gen(function* () {
      const { value } = yield* played(outage(Effect.retry({ while: () => true })))
      expect(value).toEqual({ requests: { Success: 20 }, asked: 5520 })
    })
  )

  it.effect("are asked for ten times under a policy: three requests with their retries, and a probe", () =>
    Effect.gen(function* () {
      const protectedOutage = Effect.flatMap(Policy.standard("inventory", options), ({ protect }) => outage(protect))
      const { timeline, value } = yield* played(protectedOutage, {
        keep: ({ event }) => event !== "RetryScheduled" && event !== "RetriesExhausted"
      })
      expect(value).toEqual({ requests: { Success: 6, Unavailable: 4, CircuitOpen: 10 }, asked: 16 })
      expect(timeline).toEqual([
        "  time  policy             event           state",
        " 0.000  inventory service  is well",
        " 2.000  inventory service  latency, fault",
        " 4.330  inventory          CircuitChanged  Open",
        " 5.000  inventory          CallRejected    Open      x 5 until 9.000",
        " 9.330  inventory          CircuitChanged  HalfOpen",
        "10.010  inventory          CircuitChanged  Open",
        "11.000  inventory          CallRejected    Open      x 2 until 12.000",
        "12.000  inventory service  is well",
        "13.000  inventory          CallRejected    Open      x 3 until 15.000",
        "15.010  inventory          CircuitChanged  HalfOpen",
        "16.020  inventory          CircuitChanged  Closed"
      ])
    })
  )
})
