/**
 * A budget of five seconds with attempts of two. Three attempts and the waits between them take nine seconds; the client
 * hangs up after five. What is asked for after that, nobody waits for, and an ill dependency does it all the same.
 */
import { FaultPlan } from "@effect-resilience/chaos"
import { Backoff, Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { faulty, played, request } from "../support/Outage.js"

const options = {
  timeout: "2 seconds",
  retry: { maxRetries: 2, backoff: Backoff.exponential({ base: "1 second" }) }
} as const

/** A client that hangs up after five seconds, which the server does not notice. */
const outage = (deadline: Policy.StandardOptions["deadline"]) =>
  Effect.gen(function* () {
    const { call, dependency } = yield* faulty("payment", FaultPlan.make(FaultPlan.hang()), Effect.void)
    const policy = yield* Policy.standard("payment", { ...options, deadline })
    const answering = yield* Effect.fork(request(policy.protect(call)))
    yield* Effect.sleep("5001 millis")
    const ended = yield* Fiber.poll(answering)
    const { end, took } = yield* Fiber.join(answering)
    return { inTime: ended._tag === "Some", end, took, asked: dependency.asked }
  })

describe("a budget of five seconds with attempts of two", () => {
  it.effect("that nobody keeps is spent nearly twice, and an attempt is made that nobody waits for", () =>
    Effect.gen(function* () {
      const { timeline, value } = yield* played(outage("none"), { details: true })
      expect(value).toEqual({ inTime: false, end: "TimedOut", took: 9000, asked: 3 })
      expect(timeline).toEqual([
        " time  policy           event             state  detail",
        "0.000  payment service  hang",
        "2.000  payment          CallTimedOut             limit 2000 ms",
        "2.000  payment          RetryScheduled           attempt 1, delay 1000 ms, error TimedOut",
        "5.000  payment          CallTimedOut             limit 2000 ms",
        "5.000  payment          RetryScheduled           attempt 2, delay 2000 ms, error TimedOut",
        "9.000  payment          CallTimedOut             limit 2000 ms",
        "9.000  payment          RetriesExhausted         attempts 3, reason attempts, error TimedOut"
      ])
    })
  )

  it.effect("has room for one retry: the call answers while the client is there, without a third attempt", () =>
    Effect.gen(function* () {
      const { timeline, value } = yield* played(outage("5 seconds"), { details: true })
      expect(value).toEqual({ inTime: true, end: "TimedOut", took: 5000, asked: 2 })
      expect(timeline).toEqual([
        " time  policy           event             state  detail",
        "0.000  payment service  hang",
        "2.000  payment          CallTimedOut             limit 2000 ms",
        "2.000  payment          RetryScheduled           attempt 1, delay 1000 ms, error TimedOut",
        "5.000  payment          CallTimedOut             limit 2000 ms",
        "5.000  payment          RetriesExhausted         attempts 2, reason deadline, error TimedOut"
      ])
    })
  )

  it("is explained before anything is called", () => {
    const { retriesThatFit, traps, unboundedMillis } = Policy.explain("payment", { ...options, deadline: "5 seconds" })
    expect([unboundedMillis, retriesThatFit, traps.map(({ rule }) => rule)]).toEqual([9000, 1, ["budget"]])
  })
})
