/** What a call leaves behind that ends otherwise than with its response: nothing. */
import { Backoff, Bulkhead, Policy, Timeout } from "@effect-resilience/core"
import { ResilientHttpClient } from "@effect-resilience/http"
import { HttpClient, HttpClientError } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Scope, TestClock } from "effect"
import { type Answer, ScriptedClient } from "../support/ScriptedClient.js"

const at = "http://a.example/x"
const hanging: Answer = { status: 503, body: "hang" }

describe("a call that ends", () => {
  it.scoped("while it waits to be made again leaves no answer open", () =>
    Effect.gen(function* () {
      const scripted = new ScriptedClient(hanging)
      const bulkhead = yield* Bulkhead.make("a", { maxConcurrent: 5 })
      const standard = yield* Policy.standard("a", {
        bulkhead: "none",
        retry: { maxRetries: 1, backoff: Backoff.constant("1 second") },
        classify: ResilientHttpClient.classify
      })
      const both = Policy.all(bulkhead, standard)
      const client = yield* ResilientHttpClient.protectWith(scripted.client, "a", () => both, {
        statuses: { 503: { repeated: "always" } }
      })
      const call = yield* Effect.fork(client.get(at))
      yield* TestClock.adjust("500 millis")
      expect([scripted.requests.length, scripted.open.size, (yield* bulkhead.snapshot).active]).toEqual([1, 1, 1])
      yield* Fiber.interrupt(call)
      expect([scripted.requests.length, scripted.open.size, (yield* bulkhead.snapshot).active]).toEqual([1, 0, 0])
    })
  )

  it.scoped("before an answer that cannot be stopped leaves that to nobody", () =>
    Effect.gen(function* () {
      const scripted = new ScriptedClient({ ...hanging, after: Effect.sleep("5 seconds") })
      const unstoppable = HttpClient.transformResponse(scripted.client, Effect.uninterruptible)
      const bulkhead = yield* Bulkhead.make("a", { maxConcurrent: 5 })
      const timeout = yield* Timeout.make("a", { duration: "1 second", mode: "disconnect" })
      const both = Policy.all(bulkhead, timeout)
      const client = yield* ResilientHttpClient.protectWith(unstoppable, "a", () => both)
      const call = yield* Effect.fork(Effect.flip(client.get(at)))
      yield* TestClock.adjust("1 second")
      expect((yield* Fiber.join(call))._tag).toBe("TimedOut")
      expect([scripted.open.size, (yield* bulkhead.snapshot).active]).toEqual([1, 1])
      yield* TestClock.adjust("4 seconds")
      expect([scripted.open.size, (yield* bulkhead.snapshot).active]).toEqual([0, 0])
    })
  )

  it.scoped("while its attempt runs on leaves the answer to nobody", () =>
    Effect.gen(function* () {
      const scripted = new ScriptedClient({ ...hanging, after: Effect.sleep("5 seconds") })
      const bulkhead = yield* Bulkhead.make("a", { maxConcurrent: 5 })
      const protect = <A, E, R>(self: Effect.Effect<A, E, R>) => Bulkhead.protect(self, bulkhead, { hold: "settled" })
      const settled = new Proxy(bulkhead, {
        get: (of, name) => (name === "protect" ? protect : Reflect.get(of, name, of))
      })
      const client = yield* ResilientHttpClient.protectWith(scripted.client, "a", () => settled)
      const call = yield* Effect.fork(client.get(at))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(call)
      expect([scripted.open.size, (yield* bulkhead.snapshot).active]).toEqual([1, 1])
      yield* TestClock.adjust("4 seconds")
      expect([scripted.open.size, (yield* bulkhead.snapshot).active]).toEqual([0, 0])
    })
  )

  it.scoped("after its client has gone gets a body that is cut off", () =>
    Effect.gen(function* () {
      const scripted = new ScriptedClient({ body: "hang", after: Effect.sleep("1 second") })
      const scope = yield* Scope.make()
      const client = yield* Scope.extend(ResilientHttpClient.protect(scripted.client, "a"), scope)
      const call = yield* Effect.fork(client.get(at))
      yield* TestClock.adjust("500 millis")
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("500 millis")
      const response = yield* Fiber.join(call)
      const error = yield* Effect.flip(response.text)
      expect([error.cause, scripted.open.size]).toMatchObject([{ _tag: "BodyCutOff", reason: "closed" }, 0])
    })
  )

  it.scoped("with an error that the client has made of a status has its text, and no connection", () =>
    Effect.gen(function* () {
      for (const holdUntil of ["body", "headers"] as const) {
        const scripted = new ScriptedClient({ status: 422, body: "why not" }, { ...hanging, status: 422 })
        const filtered = HttpClient.filterStatusOk(scripted.client)
        const client = yield* ResilientHttpClient.protect(filtered, "a", { holdUntil })
        const exit = yield* Effect.exit(client.get(at))
        const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
        if (!(error instanceof HttpClientError.ResponseError)) return expect.fail("no error of a status")
        expect([yield* error.response.text, scripted.open.size]).toEqual(["why not", 0])
        const slow = yield* Effect.fork(Effect.exit(client.get(at)))
        yield* TestClock.adjust("100 millis")
        yield* Fiber.join(slow)
        expect([scripted.requests.length, scripted.open.size]).toEqual([2, 0])
        const stopped = yield* Effect.fork(Effect.exit(client.get(at)))
        yield* TestClock.adjust("50 millis")
        yield* Fiber.interrupt(stopped)
        expect([scripted.requests.length, scripted.open.size]).toEqual([3, 0])
      }
    })
  )
})
