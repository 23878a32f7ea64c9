/** Under which policy a degraded answer is told: the one that the error came out of, whether or not the error names it. */
import { Bulkhead, CircuitBreaker, Degrade, Fallback, Keyed, Outcome, Policy, Telemetry } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Data, Effect } from "effect"

class Refused extends Data.TaggedError("Refused")<{ readonly at: number }> {
  get [Outcome.OutcomeTypeId](): Outcome.Outcome {
    return Outcome.failure({ transient: false })
  }
}

const degraded = <A, E>(self: Effect.Effect<A, E>) =>
  self.pipe(
    Fallback.primary,
    Fallback.tier("none", { kind: "empty" }, () => Effect.void)
  )

/** Whose the events of degraded answers are, as policy and Keyed. */
const owners = (program: Effect.Effect<unknown>) =>
  Effect.suspend(() => {
    const heard: Array<string> = []
    const sink = Telemetry.layer(({ _tag, keyed, policy }) => {
      if (_tag === "FallbackServed" || _tag === "PartDegraded")
        heard.push(keyed === undefined ? policy : `${policy} of ${keyed}`)
    })
    return Effect.as(Effect.provide(program, sink), heard)
  })

describe("the policy of a degraded answer", () => {
  it.scoped("is the one whose call has failed with an error that names none", () =>
    Effect.gen(function* () {
      let ran = 0
      const fails = Effect.suspend(() => new Refused({ at: ++ran }))
      const standard = yield* Policy.standard("standard", { circuitBreaker: "none" })
      const breaker = yield* CircuitBreaker.make("breaker")
      const told = yield* owners(
        Effect.all([
          degraded(standard.protect(fails)),
          degraded(breaker.protect(fails)),
          Degrade.all({ part: Degrade.optional(standard.protect(fails)) }),
          degraded(fails)
        ])
      )
      expect(ran).toBe(4)
      expect(told).toEqual(["standard", "breaker", "standard", "fallback"])
    })
  )

  it.scoped("is the outermost of several, and the one that an error names, whatever that passed through", () =>
    Effect.gen(function* () {
      const inner = yield* Policy.standard("inner", {
        retry: "none",
        circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(1) }
      })
      const outer = yield* Policy.standard("outer", { retry: "none" })
      const call = degraded(Effect.fail(new Refused({ at: 0 })).pipe(inner.protect, outer.protect))
      expect(yield* owners(Effect.zip(call, call))).toEqual(["outer", "inner"])
    })
  )

  it.scoped("is known with the Keyed that it is of, of a failure as of a refusal", () =>
    Effect.gen(function* () {
      const hosts = yield* Keyed.make("hosts", {
        lookup: (host: string) =>
          Policy.standard(host, { retry: "none", circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(1) } }),
        capacity: 10,
        idleTimeToLive: "1 hour"
      })
      const lines = yield* Keyed.make("lines", {
        lookup: (line: string) => Bulkhead.make(line, { maxConcurrent: 1 }),
        capacity: 10,
        idleTimeToLive: "1 hour"
      })
      const call = degraded(hosts.protect("a")(Effect.fail(new Refused({ at: 0 }))))
      const full = lines.protect("b")(Effect.scoped(degraded(lines.protect("b")(Effect.void))))
      const told = yield* owners(Effect.all([call, call, Effect.orDie(full)]))
      expect(told).toEqual(["a of hosts", "a of hosts", "b of lines"])
    })
  )

  it.scoped("is not guessed: of an error that was made of another, or is no object, nobody knows it", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("policy")
      const made = Effect.mapError(policy.protect(Effect.fail(new Refused({ at: 0 }))), () => new Refused({ at: 1 }))
      expect(yield* owners(Effect.zip(degraded(made), degraded(policy.protect(Effect.fail("no")))))).toEqual([
        "fallback",
        "fallback"
      ])
    })
  )
})
