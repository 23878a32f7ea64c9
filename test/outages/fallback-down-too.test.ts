/**
 * A fallback that calls something that is down too: the replica stands in the same place as the primary. A tier that calls
 * out needs a policy of its own, and the last one must not call out at all.
 */
import { FaultPlan, type Timeline } from "@effect-resilience/chaos"
import { CircuitBreaker, Fallback, Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { endings, faulty, longest, played, requests, tally } from "../support/Outage.js"

const options: Policy.StandardOptions = {
  timeout: "1 second",
  retry: "none",
  circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(3), openDuration: "1 minute", openJitter: 0 }
}

type Products = ReadonlyArray<string>
type Call = Effect.Effect<Products, unknown>

/** Both hang; ten pages, one each second. */
const outage = <E>(
  chain: (primary: Call, replica: Call, policy: Policy.Standard) => Effect.Effect<Fallback.Served<Products>, E>
) =>
  Effect.gen(function* () {
    const plan = FaultPlan.make(FaultPlan.hang())
    const products: Products = ["a book"]
    // It finds out itself that it cannot answer, after eight seconds, or this test would wait for ever.
    const late = FaultPlan.make(FaultPlan.latency("8 seconds"), FaultPlan.fault("Unavailable"))
    const primary = yield* faulty("catalog", plan, Effect.succeed(products))
    const replica = yield* faulty("replica", late, Effect.succeed(products))
    const policy = yield* Policy.standard("catalog", options)
    const ofReplica = yield* Policy.standard("replica", options)
    const tiers: Array<string> = []
    const page = chain(policy.protect(primary.call), replica.call, ofReplica)
    const told = Effect.tap(page, ({ tier }) => Effect.sync(() => tiers.push(tier)))
    const all = yield* requests(10, "1 second", () => told)
    return {
      pages: endings(all),
      tiers: tally(tiers),
      longest: longest(all),
      asked: primary.dependency.asked,
      replicaAsked: replica.dependency.asked
    }
  })

const bare = (primary: Call, replica: Call) =>
  primary.pipe(
    Fallback.primary,
    Fallback.tier("replica", { remote: true }, () => replica)
  )

const safe = (primary: Call, replica: Call, policy: Policy.Standard) =>
  primary.pipe(
    Fallback.primary,
    Fallback.tier("replica", { remote: true, policy: policy.name }, () => policy.protect(replica)),
    Fallback.tier("none", { kind: "empty" }, () => Effect.succeed([]))
  )

const trapsOf = <E>(chain: Effect.Effect<Fallback.Served<Products>, E>) =>
  Policy.explain("catalog", options, { fallback: Fallback.tiers(chain) }).traps.map(({ rule }) => rule)

const keep = ({ event }: Timeline.Row) => event === "CallTimedOut" || event === "CircuitChanged"

describe("a fallback that calls something that is down too", () => {
  it.effect("makes pages slower than none would", () =>
    Effect.gen(function* () {
      const { timeline, value } = yield* played(outage(bare), { keep })
      expect(value).toEqual({ pages: { Unavailable: 10 }, tiers: {}, longest: 9000, asked: 4, replicaAsked: 10 })
      expect(timeline).toEqual([
        " time  policy   event           state",
        "1.000  catalog  CallTimedOut    Closed  x 3 until 3.000",
        "3.000  catalog  CircuitChanged  Open",
        "4.000  catalog  CallTimedOut    Open"
      ])
      expect(trapsOf(bare(Effect.never, Effect.never))).toEqual(["remote-fallback"])
    })
  )

  it.effect("is given up soon under a policy of its own, and the next tier serves", () =>
    Effect.gen(function* () {
      const { timeline, value } = yield* played(outage(safe), { keep })
      expect(value).toEqual({ pages: { Success: 10 }, tiers: { none: 10 }, longest: 2000, asked: 4, replicaAsked: 5 })
      expect(timeline).toEqual([
        " time  policy   event           state",
        "1.000  catalog  CallTimedOut    Closed  x 2 until 2.000",
        "2.000  replica  CallTimedOut    Closed",
        "3.000  catalog  CallTimedOut    Closed",
        "3.000  catalog  CircuitChanged  Open",
        "3.000  replica  CallTimedOut    Closed",
        "4.000  catalog  CallTimedOut    Open",
        "4.000  replica  CallTimedOut    Closed",
        "4.000  replica  CircuitChanged  Open",
        "5.000  replica  CallTimedOut    Open    x 2"
      ])
    })
  )
})
