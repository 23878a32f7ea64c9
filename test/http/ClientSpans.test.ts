/** One client span for each attempt, under the caller's. */
import { Backoff } from "@effect-resilience/core"
import { ResilientHttpClient } from "@effect-resilience/http"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Option, TestClock, Tracer } from "effect"
import { reset, ScriptedClient } from "../support/ScriptedClient.js"

describe("the spans of a call", () => {
  it.scoped("are one for each attempt, with how often it was sent before, under the caller's", () =>
    Effect.gen(function* () {
      const spans: Array<Tracer.Span> = []
      const plain = yield* Effect.tracer
      const tracer = Tracer.make({
        span: (...args) => {
          const span = plain.span(...args)
          spans.push(span)
          return span
        },
        context: (f, fiber) => plain.context(f, fiber)
      })
      const scripted = new ScriptedClient({ status: 503 }, reset, { status: 200 })
      const retry = { maxRetries: 2, backoff: Backoff.constant("10 millis") }
      const client = yield* ResilientHttpClient.protect(scripted.client, "a", { retry })
      const call = Effect.withSpan(client.get("http://a.example/x"), "caller")
      const fiber = yield* Effect.fork(Effect.withTracer(call, tracer))
      yield* Effect.repeatN(TestClock.adjust("50 millis"), 5)
      yield* fiber
      const [caller, ...attempts] = spans
      expect(attempts.map(({ kind, name }) => `${kind} ${name}`)).toEqual(Array(3).fill("client http.client GET"))
      expect(attempts.map(({ attributes }) => attributes.get("http.request.resend_count"))).toEqual([undefined, 1, 2])
      expect(attempts.map(({ attributes }) => attributes.get("http.response.status_code"))).toEqual([
        503,
        undefined,
        200
      ])
      const parents = attempts.map(({ parent }) => Option.getOrUndefined(parent)?.spanId)
      expect(parents).toEqual(Array(3).fill(caller?.spanId))
      const traceparents = scripted.requests.map(({ headers }) => headers["traceparent"]?.split("-")[2])
      expect(traceparents).toEqual(attempts.map(({ spanId }) => spanId))
    })
  )
})
