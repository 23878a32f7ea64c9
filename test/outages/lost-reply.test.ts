/**
 * A reply lost after the charge. The connection breaks when the card was charged already; to the caller that looks like a
 * connection that broke before. Whoever repeats the call charges twice.
 */
import { FaultInjection, FaultPlan, Timeline } from "@effect-resilience/chaos"
import { Backoff, Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { Unavailable } from "../support/Dependency.js"
import { played, request } from "../support/Outage.js"

/** What the payment service has charged, by the key of the charge. */
class Ledger {
  readonly charges: Array<{ readonly key: string; readonly cents: number }> = []

  readonly charge = (key: string, cents: number, once: boolean): Effect.Effect<"charged", Unavailable> =>
    Effect.suspend(() => {
      if (once && this.has(key)) return Effect.as(Timeline.note("ledger", "knows the charge"), "charged")
      this.charges.push({ key, cents })
      return Effect.as(Timeline.note("ledger", "charges"), "charged")
    })

  readonly status = (key: string): Effect.Effect<"charged" | "unknown", Unavailable> =>
    Effect.suspend(() => Effect.as(Timeline.note("ledger", "is asked"), this.has(key) ? "charged" : "unknown"))

  private has(key: string): boolean {
    return this.charges.some((charge) => charge.key === key)
  }
}

const plan = FaultPlan.make(FaultPlan.lostReply("Unavailable", { methods: ["charge"], times: 1 }))

const options = { retry: { maxRetries: 2, backoff: Backoff.constant("100 millis") } } as const

/** One order of 10.00, whose reply is lost. */
const order = <E>(pay: (ledger: Ledger, policy: Policy.Standard) => Effect.Effect<string, E>) =>
  Effect.gen(function* () {
    const real = new Ledger()
    const ledger = yield* FaultInjection.wrap(real, plan, {
      name: "payment",
      errors: { Unavailable: () => new Unavailable({}) }
    })
    const policy = yield* Policy.standard("payment", options)
    const { end } = yield* request(pay(ledger, policy))
    return { end, charges: real.charges.length }
  })

describe("a reply that is lost after the charge", () => {
  it.effect("costs the customer twice if the charge is repeated", () =>
    Effect.gen(function* () {
      const { timeline, value } = yield* played(
        order((ledger, policy) => policy.protect(ledger.charge("order-1", 1000, false)))
      )
      expect(value).toEqual({ end: "Success", charges: 2 })
      expect(timeline).toEqual([
        " time  policy   event           state",
        "0.000  ledger   charges",
        "0.000  payment  RetryScheduled",
        "0.100  ledger   charges"
      ])
      const { traps } = Policy.explain("payment", { ...options, idempotent: false })
      expect(traps.map(({ rule }) => rule)).toEqual(["not-idempotent"])
    })
  )

  it.effect("costs once if the dependency knows the charge by its key", () =>
    Effect.gen(function* () {
      const { timeline, value } = yield* played(
        order((ledger, policy) => policy.protect(ledger.charge("order-1", 1000, true)))
      )
      expect(value).toEqual({ end: "Success", charges: 1 })
      expect(timeline).toEqual([
        " time  policy   event             state",
        "0.000  ledger   charges",
        "0.000  payment  RetryScheduled",
        "0.100  ledger   knows the charge"
      ])
    })
  )

  it.effect("costs once where it may not be repeated, and what is repeated is the question whether it was", () =>
    Effect.gen(function* () {
      const { timeline, value } = yield* played(
        order((ledger, policy) =>
          ledger.charge("order-1", 1000, false).pipe(
            policy.with({ repeatable: false }).protect,
            Effect.catchTag("Unavailable", () => policy.protect(ledger.status("order-1"))),
            Effect.filterOrFail(
              (status) => status === "charged",
              () => "not charged"
            )
          )
        )
      )
      expect(value).toEqual({ end: "Success", charges: 1 })
      expect(timeline).toEqual([" time  policy  event     state", "0.000  ledger  charges", "0.000  ledger  is asked"])
    })
  )
})
