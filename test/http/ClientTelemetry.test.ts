/** What telemetry is told of a client's calls: under which name, and what came of them. */
import { Backoff, Policy, Telemetry } from "@effect-resilience/core"
import { ResilientHttpClient } from "@effect-resilience/http"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"
import { HttpClient } from "@effect/platform"
import { hangs, reset, ScriptedClient } from "../support/ScriptedClient.js"

/** What a program tells of its calls. */
const told = (program: Effect.Effect<unknown>) =>
  Effect.gen(function* () {
    const heard: Array<string> = []
    const sink = Telemetry.layer(
      (event) => {
        if (event._tag === "CallTimedOut") heard.push(`timed out: ${event.operation}`)
        if (event._tag !== "CallSettled" && event._tag !== "AttemptSettled") return
        heard.push(`${event._tag === "CallSettled" ? "call" : "attempt"}: ${event.operation} ${event.status}`)
      },
      { calls: true }
    )
    const fiber = yield* Effect.fork(Effect.provide(program, sink))
    yield* Effect.repeatN(TestClock.adjust("100 millis"), 30)
    yield* Fiber.await(fiber)
    return heard
  })

const retry = { maxRetries: 1, backoff: Backoff.constant("10 millis") }

describe("telemetry of a client's calls", () => {
  it.scoped("tells the status code of each attempt, and what there was in place of one", () =>
    Effect.gen(function* () {
      const scripted = new ScriptedClient({ status: 503 }, { status: 201 })
      const client = yield* ResilientHttpClient.protect(scripted.client, "a", { retry, timeout: "1 second" })
      const call = (method: "get" | "post") => Effect.exit(client[method]("http://a.example/orders/17?token=s3cret"))
      expect(yield* told(call("get"))).toEqual(["attempt: GET 503", "call: GET 201"])
      scripted.become({ status: 404 })
      expect(yield* told(call("post"))).toEqual(["call: POST 404"])
      scripted.become(reset, hangs)
      expect(yield* told(call("get"))).toEqual(["attempt: GET error", "timed out: GET", "call: GET timeout"])
      expect(scripted.requests).toHaveLength(5)
    })
  )

  it.scoped("tells that of an error which a client has made of a response", () =>
    Effect.gen(function* () {
      const scripted = new ScriptedClient({ status: 409 })
      const strict = HttpClient.filterStatusOk(scripted.client)
      const client = yield* ResilientHttpClient.protect(strict, "a", { retry: "none" })
      expect(yield* told(Effect.exit(client.del("http://a.example/17")))).toEqual(["call: DELETE 409"])
    })
  )

  it.scoped("knows a call by the name that it is given, in place of the method", () =>
    Effect.gen(function* () {
      const scripted = new ScriptedClient({ status: 200 })
      const client = yield* ResilientHttpClient.protect(scripted.client, "a")
      const call = Effect.exit(client.get("http://a.example/orders/17"))
      const found = ResilientHttpClient.override(call, { operation: "find order" })
      expect(yield* told(Effect.zip(found, call))).toEqual(["call: find order 200", "call: GET 200"])
    })
  )

  it.scoped("is for policies of one's own to ask for", () =>
    Effect.gen(function* () {
      const scripted = new ScriptedClient({ status: 418 })
      const policy = (yield* Policy.standard("tea")).with({ operation: "brew", status: ResilientHttpClient.status })
      const client = yield* ResilientHttpClient.protectWith(scripted.client, "tea", () => policy)
      expect(yield* told(Effect.exit(client.get("http://a.example/")))).toEqual(["call: brew 418"])
    })
  )
})
