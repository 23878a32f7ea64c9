/**
 * One provider down beside two that are up. Email, SMS and push under one policy share its permits: SMS that hangs holds
 * them all. They share its circuit too, which stays closed meanwhile, because what is well comes between. Each needs its own.
 */
import { FaultPlan, type Timeline } from "@effect-resilience/chaos"
import { CircuitBreaker, Keyed, Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { endings, faulty, played, requests } from "../support/Outage.js"

const providers = ["email", "sms", "push"] as const
type Provider = (typeof providers)[number]

const options: Policy.StandardOptions = {
  timeout: "2 seconds",
  retry: "none",
  circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(5), openDuration: "15 seconds", openJitter: 0 },
  bulkhead: { maxConcurrent: 10 }
}

type ProtectedBy<E> = (provider: Provider) => <A, E2>(self: Effect.Effect<A, E2>) => Effect.Effect<A, E | E2>

/** For twenty seconds, ten messages a second to each of the providers. */
const outage = <E>(protectedBy: ProtectedBy<E>) =>
  Effect.gen(function* () {
    const hung = FaultPlan.phases(FaultPlan.phase("20 seconds", FaultPlan.hang()))
    const ends = yield* Effect.forEach(
      providers,
      (name, n) =>
        Effect.gen(function* () {
          const plan = name === "sms" ? hung : FaultPlan.phases()
          const { call, dependency } = yield* faulty(name, plan, Effect.sleep("50 millis"))
          yield* Effect.sleep(30 * n)
          const sent = yield* requests(200, "100 millis", () => protectedBy(name)(call))
          return [name, { ...endings(sent), asked: dependency.asked }] as const
        }),
      { concurrency: "unbounded" }
    )
    return Object.fromEntries(ends)
  })

/** All but the single calls. */
const keep = ({ event }: Timeline.Row) => event !== "CallRejected" && event !== "CallTimedOut"

describe("an SMS provider that hangs beside email and push that are well", () => {
  it.effect("takes them with it if they share a policy", () =>
    Effect.gen(function* () {
      const shared = Effect.flatMap(Policy.standard("notifications", options), ({ protect }) => outage(() => protect))
      const { timeline, value } = yield* played(shared, { keep })
      expect(value).toEqual({
        email: { Success: 9, BulkheadFull: 191, asked: 9 },
        sms: { TimedOut: 100, BulkheadFull: 100, asked: 100 },
        push: { Success: 99, BulkheadFull: 101, asked: 99 }
      })
      expect(timeline).toEqual([
        "  time  policy         event           state",
        " 0.000  sms service    hang",
        "20.000  sms service    is well",
        "21.330  notifications  CircuitChanged  Open"
      ])
    })
  )

  it.effect("is alone with it if each has a policy of its own", () =>
    Effect.gen(function* () {
      const each = Keyed.make("notifications", {
        lookup: (provider: Provider) => Policy.standard(provider, options),
        capacity: 10,
        idleTimeToLive: "1 hour"
      })
      const { timeline, value } = yield* played(
        Effect.flatMap(each, (keyed) => outage(keyed.protect)),
        { keep }
      )
      expect(value).toEqual({
        email: { Success: 200, asked: 200 },
        sms: { TimedOut: 15, CircuitOpen: 174, BulkheadFull: 11, asked: 15 },
        push: { Success: 200, asked: 200 }
      })
      expect(timeline).toEqual([
        "  time  policy       event           state",
        " 0.000  sms service  hang",
        " 2.430  sms          CircuitChanged  Open",
        "17.430  sms          CircuitChanged  HalfOpen",
        "19.430  sms          CircuitChanged  Open",
        "20.000  sms service  is well"
      ])
    })
  )
})
