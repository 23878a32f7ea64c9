/**
 * A breaker without a timeout. It counts calls that have ended; calls to a dependency that hangs never do. The circuit stays
 * closed, and whoever comes hangs too.
 */
import { FaultPlan } from "@effect-resilience/chaos"
import { CircuitBreaker, Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { endings, faulty, longest, played, requests } from "../support/Outage.js"

const circuitBreaker = { tripPolicy: CircuitBreaker.consecutive(5), openJitter: 0 }
const without = { deadline: "none", timeout: "none", retry: "none", bulkhead: "none", circuitBreaker } as const
const bounded = { ...without, timeout: "2 seconds" } as const

const hung = FaultPlan.make(FaultPlan.hang())

describe("a breaker around a dependency that hangs", () => {
  it.effect("without a timeout never hears of it, and after a minute sixty callers hang", () =>
    Effect.gen(function* () {
      const outage = Effect.gen(function* () {
        const { call, dependency } = yield* faulty("payment", hung, Effect.void)
        const policy = yield* Policy.standard("payment", without)
        const all = yield* Effect.fork(requests(60, "1 second", () => policy.protect(call)))
        yield* Effect.sleep("1 minute")
        const { state } = yield* (yield* policy.circuitBreaker).snapshot
        const hanging = dependency.running
        yield* Fiber.interrupt(all)
        return { state, hanging }
      })
      expect((yield* played(outage)).value).toEqual({ state: "Closed", hanging: 60 })
      expect(Policy.explain("payment", without).traps.map(({ rule, severity }) => [rule, severity])).toEqual([
        ["no-timeout", "error"]
      ])
    })
  )

  it.effect("with one opens after seven calls, and nobody waits longer than the timeout", () =>
    Effect.gen(function* () {
      const outage = Effect.gen(function* () {
        const { call, dependency } = yield* faulty("payment", hung, Effect.void)
        const policy = yield* Policy.standard("payment", bounded)
        const all = yield* requests(30, "1 second", () => policy.protect(call))
        return { requests: endings(all), longest: longest(all), asked: dependency.asked }
      })
      const { timeline, value } = yield* played(outage)
      expect(value).toEqual({ requests: { TimedOut: 7, CircuitOpen: 23 }, longest: 2000, asked: 7 })
      expect(timeline).toEqual([
        " time  policy           event           state",
        "0.000  payment service  hang",
        "2.000  payment          CallTimedOut    Closed  x 5 until 6.000",
        "6.000  payment          CircuitChanged  Open",
        "7.000  payment          CallRejected    Open",
        "7.000  payment          CallTimedOut    Open",
        "8.000  payment          CallRejected    Open",
        "8.000  payment          CallTimedOut    Open",
        "9.000  payment          CallRejected    Open    x 21 until 29.000"
      ])
    })
  )
})
