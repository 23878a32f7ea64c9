/**
 * A hung probe. The one call that is let through to try the dependency out never comes back. A breaker that waits for it
 * stays half-open and refuses everybody, long after the dependency is well.
 */
import { FaultPlan } from "@effect-resilience/chaos"
import { CircuitBreaker } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { type Duration, Effect, Fiber } from "effect"
import { faulty, played, request } from "../support/Outage.js"

/** Down for five seconds; then one call hangs, and all is well. */
const plan = FaultPlan.phases(
  FaultPlan.phase("5 seconds", FaultPlan.fault("Unavailable")),
  FaultPlan.phase("forever", FaultPlan.hang({ times: 1 }))
)

/** A caller each second for five minutes, under a breaker alone: nothing else ends the probe. */
const outage = (probeTimeout: Duration.DurationInput) =>
  Effect.gen(function* () {
    const { call, dependency } = yield* faulty("payment", plan, Effect.void)
    const breaker = yield* CircuitBreaker.make("payment", {
      tripPolicy: CircuitBreaker.consecutive(3),
      openDuration: "10 seconds",
      openJitter: 0,
      halfOpen: { timeout: probeTimeout }
    })
    let answered = 0
    const callers = yield* Effect.forEach(Array.from({ length: 300 }), () =>
      Effect.zipLeft(
        Effect.fork(
          Effect.map(request(breaker.protect(call)), ({ end }) => {
            if (end === "Success") answered++
          })
        ),
        Effect.sleep("1 second")
      )
    )
    const { state } = yield* breaker.snapshot
    const asked = dependency.asked
    yield* Fiber.interruptAll(callers)
    return { answered, state, asked }
  })

describe("a probe that hangs", () => {
  it.effect("keeps the circuit half-open for as long as it may take", () =>
    Effect.gen(function* () {
      const { value } = yield* played(outage("1 day"))
      expect(value).toEqual({ answered: 0, state: "HalfOpen", asked: 4 })
    })
  )

  it.effect("loses its place after the time it was given, and the next one closes the circuit", () =>
    Effect.gen(function* () {
      const { timeline, value } = yield* played(outage("5 seconds"))
      expect(value).toEqual({ answered: 273, state: "Closed", asked: 277 })
      expect(timeline).toEqual([
        "  time  policy           event           state",
        " 0.000  payment service  fault",
        " 2.000  payment          CircuitChanged  Open",
        " 3.000  payment          CallRejected    Open      x 2 until 4.000",
        " 5.000  payment service  hang",
        " 5.000  payment          CallRejected    Open      x 7 until 11.000",
        "12.000  payment          CircuitChanged  HalfOpen",
        "13.000  payment          CallRejected    HalfOpen  x 4 until 16.000",
        "17.000  payment          CircuitChanged  Open",
        "17.000  payment          CallRejected    Open      x 10 until 26.000",
        "27.000  payment          CircuitChanged  HalfOpen",
        "27.000  payment          CircuitChanged  Closed"
      ])
    })
  )
})
