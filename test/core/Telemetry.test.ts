import { Backoff, CircuitBreaker, Deadline, Fallback, Outcome, Policy, Telemetry } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Data, Effect, Exit, TestClock } from "effect"
import { heard, play } from "../support/Play.js"

class Refused extends Data.TaggedError("Refused")<{ readonly authorization: string; readonly card: string }> {
  override get message(): string {
    return `refused ${this.card}`
  }
}

const secret = new Refused({ authorization: "Bearer s3cret", card: "4111 1111" })
/** What code outside Effect throws has no tag, and no type either. */
const untagged: unknown = new TypeError(secret.message)
const again = Outcome.failure({ transient: true })
const repeatAll: Outcome.Classify = (exit) => (Exit.isSuccess(exit) ? Outcome.success : again)

describe("telemetry", () => {
  it.scoped("carries the tag of an error and nothing that the error holds", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", {
        retry: { maxRetries: 1, backoff: Backoff.constant(0) },
        circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(1) },
        classify: repeatAll
      })
      const call = policy.protect(Effect.fail(secret)).pipe(
        Fallback.primary,
        Fallback.tier("replica", () => Effect.fail(secret)),
        Fallback.tier("last", () => Effect.fail(untagged))
      )
      const [, events] = yield* heard(
        Effect.all([
          Effect.exit(call),
          Effect.exit(call),
          Effect.exit(policy.with({ classify: undefined }).protect(Effect.fail(secret)))
        ])
      )
      const errors = events.map((event) => ("error" in event ? `${event._tag} ${event.error}` : event._tag))
      expect(errors).toEqual([
        "RetryScheduled Refused",
        "RetriesExhausted Refused",
        "CircuitChanged",
        "FallbackFailed Refused",
        "FallbackFailed TypeError",
        "CallRejected",
        "FallbackFailed Refused",
        "FallbackFailed TypeError",
        "CallRejected"
      ])
      expect(JSON.stringify(events)).not.toMatch(/s3cret|4111/)
      expect(JSON.parse(JSON.stringify(events))).toEqual(events)
    })
  )

  it.effect("cuts an endless tag short, and names what has none by its kind", () =>
    Effect.sync(() => {
      expect(Outcome.errorTag({ _tag: "x".repeat(5000) })).toBe("x".repeat(100))
      expect([new RangeError("4111"), "4111", 4111, undefined, null, { _tag: 4111 }].map(Outcome.errorTag)).toEqual([
        "RangeError",
        "string",
        "number",
        "undefined",
        "object",
        "object"
      ])
    })
  )

  it.effect("loses an event whose sink throws, never the call", () =>
    Effect.gen(function* () {
      let told = 0
      const broken = Telemetry.layer(() => {
        told++
        throw new Error("the sink is full")
      })
      const program = Effect.succeed("value").pipe(
        Effect.zipLeft(Effect.fail("no")),
        Fallback.primary,
        Fallback.tier("known", () => Effect.succeed("known"))
      )
      expect((yield* Effect.provide(program, broken)).value).toBe("known")
      expect(told).toBe(1)
    })
  )

  it.effect("tells monotonic time, which a wall clock that is set does not move", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("3 seconds")
      const { events } = yield* play(Deadline.protect(Effect.never, "2 seconds"))
      expect(events).toEqual([
        { _tag: "DeadlineMissed", policy: "deadline", at: 5000, where: "in-flight", budget: 2000 }
      ])
    })
  )

  it.effect("is heard by the program that it was provided to and by those around that, and by no other", () =>
    Effect.gen(function* () {
      const served = Effect.fail("no").pipe(
        Fallback.primary,
        Fallback.tier("none", () => Effect.void)
      )
      const [[, inner], outer] = yield* heard(heard(served))
      expect(inner.map((event) => event._tag)).toEqual(["FallbackServed"])
      expect(outer).toEqual(inner)
      yield* served
      expect(inner.length).toBe(1)
    })
  )
})
