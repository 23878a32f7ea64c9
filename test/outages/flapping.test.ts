/**
 * A flapping dependency: two seconds up, two seconds down. It never fails often enough in a row for a rule on failures in a
 * row, and half of all callers wait for their timeout, for as long as it goes on.
 */
import { FaultPlan, type Timeline } from "@effect-resilience/chaos"
import { CircuitBreaker, Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { endings, faulty, played, requests } from "../support/Outage.js"

const flap = [FaultPlan.phase("2 seconds"), FaultPlan.phase("2 seconds", FaultPlan.hang())] as const
const plan = FaultPlan.phases(...flap, ...flap, ...flap, ...flap, ...flap, ...flap, ...flap, ...flap, ...flap, ...flap)

/** Two requests a second for a minute; the dependency stops flapping after forty seconds. */
const outage = (circuitBreaker: CircuitBreaker.Options) =>
  Effect.gen(function* () {
    const { call, dependency } = yield* faulty("search", plan, Effect.sleep("20 millis"))
    const policy = yield* Policy.standard("search", { timeout: "1 second", retry: "none", circuitBreaker })
    const all = yield* requests(120, "500 millis", () => policy.protect(call))
    return { requests: endings(all), asked: dependency.asked }
  })

const keep = ({ event }: Timeline.Row) => event === "CircuitChanged"

describe("a flapping dependency", () => {
  it.effect("never opens a circuit that waits for five failures in a row", () =>
    Effect.gen(function* () {
      const { timeline, value } = yield* played(outage({ tripPolicy: CircuitBreaker.consecutive(5) }), { keep })
      expect(value).toEqual({ requests: { Success: 80, TimedOut: 40 }, asked: 120 })
      expect(timeline).toEqual(["time  policy  event  state"])
    })
  )

  it.effect("opens one that looks at the share, for longer each time it turns out not to have recovered", () =>
    Effect.gen(function* () {
      const { timeline, value } = yield* played(
        outage({
          tripPolicy: CircuitBreaker.rate({ threshold: 0.5, window: CircuitBreaker.count(8), minimumCalls: 8 }),
          openDuration: (opening) => Duration.seconds(Math.min(5 * 2 ** (opening - 1), 20)),
          openJitter: 0,
          halfOpen: { successThreshold: 5 }
        }),
        { keep }
      )
      expect(value).toEqual({ requests: { Success: 43, TimedOut: 6, CircuitOpen: 71 }, asked: 49 })
      expect(timeline).toEqual([
        "  time  policy  event           state",
        " 4.500  search  CircuitChanged  Open",
        " 9.500  search  CircuitChanged  HalfOpen",
        "11.000  search  CircuitChanged  Open",
        "21.000  search  CircuitChanged  HalfOpen",
        "23.000  search  CircuitChanged  Open",
        "43.000  search  CircuitChanged  HalfOpen",
        "45.020  search  CircuitChanged  Closed"
      ])
    })
  )
})
