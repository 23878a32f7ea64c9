/**
 * Slow, not down. Nothing fails, so nothing alarms: but each call to the slow dependency holds one of the service's ten
 * handlers for five seconds, and soon requests that do not need the dependency wait for a handler too.
 */
import { FaultPlan } from "@effect-resilience/chaos"
import { CircuitBreaker, Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { endings, faulty, longest, played, requests } from "../support/Outage.js"

const plan = FaultPlan.phases(
  FaultPlan.phase("5 seconds"),
  FaultPlan.phase("30 seconds", FaultPlan.latency("5 seconds"))
)

/** For a minute four pages a second, and as many others that have no reviews. */
const outage = (options: Policy.StandardOptions) =>
  Effect.gen(function* () {
    const reviews = yield* faulty("reviews", plan, Effect.sleep("50 millis"))
    const policy = yield* Policy.standard("reviews", options)
    const handlers = yield* Effect.makeSemaphore(10)
    const pages = requests(240, "250 millis", () => handlers.withPermits(1)(policy.protect(reviews.call)))
    const others = requests(240, "250 millis", () => handlers.withPermits(1)(Effect.sleep("10 millis")))
    const [ofPages, ofOthers] = yield* Effect.zip(pages, others, { concurrent: true })
    return { pages: endings(ofPages), othersWaited: longest(ofOthers), asked: reviews.dependency.asked }
  })

const unprotected: Policy.StandardOptions = {
  deadline: "none",
  timeout: "none",
  retry: "none",
  circuitBreaker: "none",
  bulkhead: "none"
}

const safe: Policy.StandardOptions = {
  timeout: "500 millis",
  retry: "none",
  circuitBreaker: {
    tripPolicy: CircuitBreaker.rate({ threshold: 0.5, window: CircuitBreaker.count(10), minimumCalls: 5 }),
    openDuration: "10 seconds",
    openJitter: 0
  }
}

describe("a dependency that is slow, not down", () => {
  it.effect("without a timeout makes everything slow that shares its handlers, though nothing fails", () =>
    Effect.gen(function* () {
      const { timeline, value } = yield* played(outage(unprotected))
      expect(value).toEqual({ pages: { Success: 240 }, othersWaited: 15_610, asked: 240 })
      expect(timeline).toEqual([
        "  time  policy           event    state",
        " 0.000  reviews service  is well",
        " 5.000  reviews service  latency",
        "35.000  reviews service  is well"
      ])
    })
  )

  it.effect("with a timeout and a breaker costs its own pages a part, and the others nothing", () =>
    Effect.gen(function* () {
      const { timeline, value } = yield* played(outage(safe), { keep: ({ event }) => event !== "CallTimedOut" })
      expect(value).toEqual({
        pages: { Success: 110, TimedOut: 9, CircuitOpen: 121 },
        othersWaited: 10,
        asked: 119
      })
      expect(timeline).toEqual([
        "  time  policy           event           state",
        " 0.000  reviews service  is well",
        " 5.000  reviews service  latency",
        " 6.500  reviews          CircuitChanged  Open",
        " 6.750  reviews          CallRejected    Open      x 39 until 16.250",
        "16.500  reviews          CircuitChanged  HalfOpen",
        "16.750  reviews          CallRejected    HalfOpen  x 2 until 17.000",
        "17.000  reviews          CircuitChanged  Open",
        "17.250  reviews          CallRejected    Open      x 39 until 26.750",
        "27.000  reviews          CircuitChanged  HalfOpen",
        "27.250  reviews          CallRejected    HalfOpen  x 2 until 27.500",
        "27.500  reviews          CircuitChanged  Open",
        "27.750  reviews          CallRejected    Open      x 30 until 35.000",
        "35.000  reviews service  is well",
        "35.250  reviews          CallRejected    Open      x 9 until 37.250",
        "37.500  reviews          CircuitChanged  HalfOpen",
        "37.550  reviews          CircuitChanged  Closed"
      ])
    })
  )
})
