/**
 * Retries counted once per request. With the breaker inside the retry every attempt counts: one request that would have
 * got through at its third attempt opens the circuit for everybody, itself included.
 */
import { FaultPlan } from "@effect-resilience/chaos"
import { Backoff, CircuitBreaker, Policy, Retry } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { endings, faulty, played, requests } from "../support/Outage.js"

/** Two calls of the first request fail, and no other. */
const blip = FaultPlan.make(FaultPlan.fault("Unavailable", { times: 2 }))

const retry = { maxRetries: 2, backoff: Backoff.constant("100 millis") }
const circuitBreaker = { tripPolicy: CircuitBreaker.consecutive(2), openJitter: 0 }

const outage = <E>(policy: Policy.Policy<E>) =>
  Effect.gen(function* () {
    const { call, dependency } = yield* faulty("stock", blip, Effect.void)
    const all = yield* requests(5, "1 second", () => policy.protect(call))
    return { requests: endings(all), asked: dependency.asked }
  })

describe("a request that gets through at its third attempt", () => {
  it.effect("opens the circuit if each attempt counts", () =>
    Effect.gen(function* () {
      const { timeline, value } = yield* played(
        Effect.gen(function* () {
          const breaker = yield* CircuitBreaker.make("stock", circuitBreaker)
          return yield* outage(Policy.all(yield* Retry.make("stock", retry), breaker))
        })
      )
      expect(value).toEqual({ requests: { CircuitOpen: 5 }, asked: 2 })
      expect(timeline).toEqual([
        " time  policy         event           state",
        "0.000  stock service  fault",
        "0.000  stock          RetryScheduled  Closed",
        "0.100  stock          CircuitChanged  Open",
        "0.100  stock          RetryScheduled  Open",
        "0.200  stock          CallRejected    Open    x 5 until 4.000"
      ])
    })
  )

  it.effect("counts once, as a success, with the breaker outside the retry", () =>
    Effect.gen(function* () {
      const { timeline, value } = yield* played(
        Effect.flatMap(Policy.standard("stock", { retry, circuitBreaker }), outage)
      )
      expect(value).toEqual({ requests: { Success: 5 }, asked: 7 })
      expect(timeline).toEqual([
        " time  policy         event           state",
        "0.000  stock service  fault",
        "0.000  stock          RetryScheduled         x 2 until 0.100"
      ])
    })
  )
})
