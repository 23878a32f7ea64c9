/** What is left to fail when a fallback stands outside a policy. Each refusal below is one that `tsc` must make. */
import { Fallback, type Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Data, Effect } from "effect"

class Declined extends Data.TaggedError("Declined") {}
class Stale extends Data.TaggedError("Stale") {}

declare const policy: Policy.Standard

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(yes: Same<A, B>): Same<A, B> => yes

const primary = () => Effect.fail(new Declined()).pipe(policy.protect, Fallback.primary)

/** Never run: only its type is looked at. */
const lastOf = {
  infallible: () => primary().pipe(Fallback.tier("none", { kind: "empty" }, () => Effect.succeed("none"))),
  fallible: () => primary().pipe(Fallback.tier("stale", { kind: "stale" }, () => Effect.fail(new Stale()))),
  selective: () => primary().pipe(Fallback.tier("stale", { when: "CircuitOpen" }, () => Effect.fail(new Stale())))
}

type ErrorOf<F> = F extends () => Effect.Effect<infer _, infer E, infer _> ? E : never

describe("a fallback outside a policy", () => {
  it("fails with nothing when its last tier does not", () => {
    expect(same<ErrorOf<typeof lastOf.infallible>, never>(true)).toBe(true)
  })

  it("fails with the last tier's error when that can fail, with options as without", () => {
    expect(same<ErrorOf<typeof lastOf.fallible>, Stale>(true)).toBe(true)
  })

  it("fails with what no tier selects, and with the error of the one that was selected", () => {
    type Left = Declined | Stale | Exclude<Policy.StandardError, { readonly _tag: "CircuitOpen" }>
    expect(same<ErrorOf<typeof lastOf.selective>, Left>(true)).toBe(true)
  })
})
