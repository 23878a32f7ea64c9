/** What holds of every error that our policies fail with. */
import {
  Bulkhead,
  CircuitBreaker,
  Criticality,
  Deadline,
  InvalidOptions,
  LoadShedder,
  type Policy,
  Timeout
} from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Option, Schema } from "effect"

const none = Option.none()
const common = { policy: Schema.String, retryAfter: Schema.Option(Schema.Duration) }

/** An error encoded by the schema of its fields, sent as JSON and decoded. */
const throughJson =
  <A extends object, I>(schema: Schema.Schema<A, I>) =>
  (error: object) =>
    Effect.gen(function* () {
      const sent = JSON.stringify(yield* Schema.encodeUnknown(schema)(error))
      return { ...(yield* Schema.decodeUnknown(schema)(JSON.parse(sent))) }
    })

/** Each error, a schema of its fields, and what its message must say: what happened, and what to do. */
const errors = {
  TimedOut: {
    error: new Timeout.TimedOut({ policy: "payment", limit: Duration.seconds(2), retryAfter: none }),
    received: throughJson(Schema.TaggedStruct("TimedOut", { ...common, limit: Schema.Duration })),
    says: ["payment", "2s", "unknown"]
  },
  DeadlineExceeded: {
    error: new Deadline.DeadlineExceeded({
      policy: "checkout",
      budget: Duration.seconds(5),
      elapsed: Duration.millis(5020),
      where: "in-flight",
      retryAfter: none
    }),
    received: throughJson(
      Schema.TaggedStruct("DeadlineExceeded", {
        ...common,
        budget: Schema.Duration,
        elapsed: Schema.Duration,
        where: Schema.Literal("before-start", "in-flight", "waiting")
      })
    ),
    says: ["checkout", "5s", "5s 20ms", "in-flight", "larger budget"]
  },
  CircuitOpen: {
    error: new CircuitBreaker.CircuitOpen({
      policy: "payment",
      state: "Open",
      retryAfter: Option.some(Duration.seconds(30)),
      reason: { _tag: "Rate", failures: 6, calls: 10, threshold: 0.5 }
    }),
    received: throughJson(
      Schema.TaggedStruct("CircuitOpen", {
        ...common,
        state: Schema.Literal("Open", "HalfOpen"),
        reason: Schema.TaggedStruct("Rate", {
          failures: Schema.Number,
          calls: Schema.Number,
          threshold: Schema.Number
        })
      })
    ),
    says: ["payment", "30s", "6 of 10", "0.5", "fallback"]
  },
  BulkheadFull: {
    error: new Bulkhead.BulkheadFull({ policy: "reports", limit: 3, queued: 2, reason: "full", retryAfter: none }),
    received: throughJson(
      Schema.TaggedStruct("BulkheadFull", {
        ...common,
        limit: Schema.Number,
        queued: Schema.Number,
        reason: Schema.Literal("full", "waited")
      })
    ),
    says: ["reports", "3 permits", "2 wait", "fallback"]
  },
  Shed: {
    error: new LoadShedder.Shed({
      policy: "api",
      class: "SHEDDABLE",
      reason: "Displaced",
      retryAfter: Option.some(Duration.seconds(3))
    }),
    received: throughJson(
      Schema.TaggedStruct("Shed", {
        ...common,
        class: Schema.Literal(...Criticality.classes),
        reason: Schema.Literal("Full", "Displaced")
      })
    ),
    says: ["api", "overloaded", "SHEDDABLE", "Displaced", "3s"]
  },
  InvalidOptions: {
    error: new InvalidOptions.InvalidOptions({
      policy: "search",
      problems: [{ option: "maxRetries", value: "-1", allowed: "a whole number" }]
    }),
    received: throughJson(
      Schema.TaggedStruct("InvalidOptions", {
        policy: Schema.String,
        problems: Schema.Array(Schema.Struct({ option: Schema.String, value: Schema.String, allowed: Schema.String }))
      })
    ),
    says: ["search", "maxRetries", "-1", "a whole number"]
  }
}

describe("every error of ours", () => {
  for (const [tag, { error, received, says }] of Object.entries(errors)) {
    it(`${tag} says what happened and what to do`, () => {
      expect(error).toBeInstanceOf(Error)
      expect(error._tag).toBe(tag)
      expect(error.name).toBe(tag)
      for (const part of says) expect(error.message).toContain(part)
    })

    it.effect(`${tag} is plain data: it survives being encoded, sent as JSON and decoded`, () =>
      Effect.gen(function* () {
        expect(yield* received(error)).toStrictEqual({ ...error, _tag: tag })
      })
    )
  }

  it.effect("is caught by its tag, with its fields", () => {
    const fail = (error: Policy.StandardError): Effect.Effect<never, Policy.StandardError> => Effect.fail(error)
    const caught = (error: Policy.StandardError) =>
      fail(error).pipe(
        Effect.catchTag("TimedOut", ({ limit }) => Effect.succeed(Duration.toMillis(limit))),
        Effect.catchTag("DeadlineExceeded", ({ where }) => Effect.succeed(where)),
        Effect.catchTags({
          CircuitOpen: ({ reason }) => Effect.succeed(reason._tag),
          BulkheadFull: ({ reason }) => Effect.succeed(reason),
          Throttled: ({ policy }) => Effect.succeed(policy),
          RateLimited: ({ policy }) => Effect.succeed(policy)
        })
      )
    return Effect.gen(function* () {
      const { BulkheadFull, CircuitOpen, DeadlineExceeded, TimedOut } = errors
      const all = [TimedOut.error, DeadlineExceeded.error, CircuitOpen.error, BulkheadFull.error]
      expect(yield* Effect.forEach(all, caught)).toEqual([2000, "in-flight", "Rate", "full"])
    })
  })
})
