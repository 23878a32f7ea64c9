import { Outcome } from "@effect-resilience/core"
import { HttpClient, HttpClientRequest } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Config, Duration, Effect, Option, Schema, TestClock } from "effect"
import * as Dependency from "../../../examples/order-service/src/Dependency.js"
import { type Answer, coded, refused, reset, ScriptedClient } from "../../support/ScriptedClient.js"

const plain = HttpClientRequest.post("/reservations")
const withKey = HttpClientRequest.setHeader(plain, "idempotency-key", "order-1")

/** How the failed answer to a request counts: `+` where it is repeated. */
const told = (answer: Answer, request = plain) =>
  Effect.gen(function* () {
    const { client, requests } = new ScriptedClient(answer)
    const { ask } = yield* Effect.provideService(
      Dependency.make("inventory", Config.succeed("http://inventory.example")),
      HttpClient.HttpClient,
      client
    )
    const error = yield* Effect.flip(ask(request, Schema.parseJson(Schema.Struct({ ok: Schema.Boolean }))))
    expect(requests).toHaveLength(1)
    return error
  })

const counts = (answer: Answer, request = plain) =>
  Effect.map(told(answer, request), (error) => {
    const outcome = error[Outcome.OutcomeTypeId]
    return `${outcome._tag}${Outcome.isTransient(outcome) ? "+" : ""}`
  })

const waits = (answer: Answer) =>
  Effect.map(told(answer), (error) =>
    Option.map(Outcome.retryAfter(error[Outcome.OutcomeTypeId]), Duration.toMillis).pipe(Option.getOrNull)
  )

describe("a failed call of a dependency", () => {
  it.effect("that got no answer counts by what became of the connection", () =>
    Effect.gen(function* () {
      expect(yield* counts(refused)).toBe("Failure+")
      expect(yield* counts(reset)).toBe("Failure+")
      expect(yield* counts({ cause: coded("HPE_INVALID_CONSTANT") })).toBe("Failure")
      expect(yield* counts({ cause: coded("DEPTH_ZERO_SELF_SIGNED_CERT") })).toBe("Failure")
    })
  )

  it.effect("is repeated whatever its method and key, since nothing is harmed by it, where that may help", () =>
    Effect.gen(function* () {
      for (const status of [408, 425, 500, 502, 503, 504]) {
        expect([status, yield* counts({ status })]).toEqual([status, "Failure+"])
      }
      expect(yield* counts({ status: 429 })).toBe("Ignored+")
      expect(yield* counts({ status: 501 })).toBe("Failure")
      expect(yield* counts({ status: 404 })).toBe("Success")
    })
  )

  it.effect("is no failure while the first with the same key still runs", () =>
    Effect.gen(function* () {
      expect(yield* counts({ status: 409 })).toBe("Success")
      expect(yield* counts({ status: 409 }, withKey)).toBe("Ignored+")
    })
  )

  it.effect("counts also when the answer breaks off, or is not as agreed", () =>
    Effect.gen(function* () {
      expect(yield* counts({ body: [Effect.succeed("{"), Effect.die("reset")] })).toBe("Failure+")
      expect(yield* counts({ body: "nonsense" })).toBe("Failure")
    })
  )

  it.effect("says how long the dependency asks to wait: in seconds, by a date, or by its rate limit", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.parse("Mon, 01 Jun 2026 12:00:00 GMT"))
      expect(yield* waits({ status: 503, headers: { "retry-after": "1.5" } })).toBe(1500)
      const date = "Mon, 01 Jun 2026 12:00:07 GMT"
      expect(yield* waits({ status: 503, headers: { "retry-after": date } })).toBe(7000)
      expect(yield* waits({ status: 429, headers: { ratelimit: '"default";r=0;t=3' } })).toBe(3000)
      expect(yield* waits({ status: 503 })).toBeNull()
    })
  )
})
