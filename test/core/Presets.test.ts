import { Policy, Presets } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"

const presets: ReadonlyArray<readonly [string, Policy.StandardOptions]> = Object.entries(Presets)

describe("every preset", () => {
  it("is one of the fifteen", () => {
    expect(presets).toHaveLength(15)
  })

  for (const [name, options] of presets) {
    it.scoped(`${name} makes a policy that lets a call through`, () =>
      Effect.gen(function* () {
        const policy = yield* Policy.standard(name, options)
        expect(yield* policy.protect(Effect.succeed("answer"))).toBe("answer")
      })
    )

    it(`${name} has no trap, and fits its deadline in the worst case`, () => {
      const explanation = Policy.explain(name, options)
      expect(explanation.traps).toEqual([])
      expect(explanation.worstCaseMillis).toBe(explanation.unboundedMillis)
      expect(explanation.retriesThatFit).toBe(explanation.attempts - 1)
    })
  }
})

describe("the numbers of the presets", () => {
  it.each([
    [Presets.healthCheck, "1 second"],
    [Presets.simpleQuery, "3 seconds"],
    [Presets.complexQuery, "10 seconds"],
    [Presets.upload, "60 seconds"]
  ] as const)("by operation are what a call may take in all: %o", ({ deadline }, expected) => {
    expect(deadline).toBe(expected)
  })

  it.each([
    [Presets.database, "500 millis"],
    [Presets.databaseComplex, "5 seconds"],
    [Presets.cache, "200 millis"],
    [Presets.internalService, "2 seconds"],
    [Presets.payment, "10 seconds"],
    [Presets.email, "5 seconds"],
    [Presets.mlInference, "30 seconds"]
  ] as const)("by dependency are what an attempt may take: %o", ({ timeout }, expected) => {
    expect(timeout).toBe(expected)
  })

  it("repeat a realtime call once, a background one eight times, and a payment never", () => {
    const retries = (options: Policy.StandardOptions) => Policy.explain("p", options).attempts - 1
    expect([Presets.realtime, Presets.background, Presets.payment].map(retries)).toEqual([1, 8, 0])
  })

  it("can be overridden one by one", () => {
    const keyed = { ...Presets.payment, deadline: "25 seconds", idempotent: true, retry: { maxRetries: 1 } } as const
    expect(Policy.explain("payment", keyed)).toMatchObject({ attempts: 2, traps: [] })
  })
})
