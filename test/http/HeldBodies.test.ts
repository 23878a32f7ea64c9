/** How long a call holds its permit and its connection: until its body has ended. */
import { Backoff, Bulkhead, Policy, PolicyRegistry } from "@effect-resilience/core"
import { ResilientHttpClient } from "@effect-resilience/http"
import { FileSystem, type HttpClientResponse, HttpIncomingMessage } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Option, Scope, Stream, TestClock } from "effect"
import { type Answer, hangs, ScriptedClient } from "../support/ScriptedClient.js"
import { turns } from "../support/Turns.js"

const at = "http://a.example/x"

/** A protected client, and how many of its permits are taken. */
const protectedBy = (scripted: ScriptedClient, options: ResilientHttpClient.Options = {}) =>
  Effect.gen(function* () {
    const bulkhead = yield* Bulkhead.make("a", { maxConcurrent: 5 })
    const { beforeAttempt, bodyIdle, holdUntil, ...rest } = options
    const standard = yield* Policy.standard("a", { ...rest, bulkhead: "none", classify: ResilientHttpClient.classify })
    const both = Policy.all(bulkhead, standard)
    const client = yield* ResilientHttpClient.protectWith(scripted.client, "a", () => both, {
      bodyIdle,
      holdUntil,
      beforeAttempt
    })
    return { client, taken: Effect.map(bulkhead.snapshot, ({ active }) => active) }
  })

const ofOne = (answer: Answer, options?: ResilientHttpClient.Options) =>
  Effect.gen(function* () {
    const scripted = new ScriptedClient(answer)
    const { client, taken } = yield* protectedBy(scripted, options)
    const response = yield* client.get(at)
    return {
      response,
      scripted,
      taken,
      state: Effect.map(taken, (n) => [n, scripted.open.size, scripted.aborted.length])
    }
  })

const causeOf = (exit: Exit.Exit<unknown, unknown>) => {
  const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  return error instanceof Error ? error.cause : error
}

const large = { "content-length": "100000" }

describe("the body of a response", () => {
  it.scoped("holds the permit until it has been read, whichever way", () =>
    Effect.gen(function* () {
      const ways: ReadonlyArray<(response: HttpClientResponse.HttpClientResponse) => Effect.Effect<unknown, unknown>> =
        [
          (response) => response.text,
          (response) => response.json,
          (response) => response.arrayBuffer,
          (response) => response.urlParamsBody,
          (response) => Stream.runDrain(response.stream)
        ]
      for (const read of ways) {
        for (const headers of [{}, { "content-length": "" }]) {
          const { response, state } = yield* ofOne({ body: "[1]", headers })
          expect(yield* state).toEqual([1, 1, 0])
          yield* read(response)
          expect(yield* state).toEqual([0, 0, 0])
        }
      }
    })
  )

  it.scoped("reads the same however long it is, and more than once", () =>
    Effect.gen(function* () {
      for (const headers of [{}, large]) {
        const { response } = yield* ofOne({ body: '{"a":"ä"}', headers })
        expect(yield* response.json).toEqual({ a: "ä" })
        expect(yield* response.text).toBe('{"a":"ä"}')
      }
      const { response, state } = yield* ofOne({ body: "no json", headers: large })
      expect(Exit.isFailure(yield* Effect.exit(response.json))).toBe(true)
      expect([yield* response.text, yield* state]).toEqual(["no json", [0, 0, 0]])
    })
  )

  it.scoped("holds nothing where there is none", () =>
    Effect.gen(function* () {
      for (const answer of [{ body: "" }, { status: 200, body: "", headers: { "content-length": "0" } }]) {
        const { response, taken } = yield* ofOne(answer)
        expect([yield* taken, yield* response.text, yield* response.json]).toEqual([0, "", null])
        expect(yield* Stream.runCount(response.stream)).toBe(1)
      }
    })
  )

  it.scoped("is read into memory where it is small and nobody asks for it", () =>
    Effect.gen(function* () {
      const { response, state } = yield* ofOne({ status: 404, body: "not here" })
      yield* TestClock.adjust("99 millis")
      expect(yield* state).toEqual([1, 1, 0])
      yield* TestClock.adjust("1 millis")
      yield* turns
      expect(yield* state).toEqual([0, 0, 0])
      expect(yield* response.text).toBe("not here")
    })
  )

  it.scoped("is cut off after bodyIdle of silence, with the connection, whether anybody reads it or not", () =>
    Effect.gen(function* () {
      for (const headers of [{}, large]) {
        const { response, state } = yield* ofOne({ body: "hang", headers }, { bodyIdle: "5 seconds" })
        const reader = yield* Effect.fork(response.text)
        yield* TestClock.adjust("4999 millis")
        expect(yield* state).toEqual([1, 1, 0])
        yield* TestClock.adjust("1 millis")
        expect(causeOf(yield* Fiber.await(reader))).toMatchObject({ _tag: "BodyCutOff", reason: "silent" })
        expect(yield* state).toEqual([0, 0, 1])

        const unread = yield* ofOne({ body: "hang", headers }, { bodyIdle: "5 seconds" })
        yield* TestClock.adjust("4999 millis")
        expect(yield* unread.state).toEqual([1, 1, 0])
        yield* TestClock.adjust("1 millis")
        expect(yield* unread.state).toEqual([0, 0, 1])
        expect(causeOf(yield* Effect.exit(unread.response.text))).toMatchObject({ reason: "silent" })
      }
    })
  )

  it.scoped("is cut off when it falls silent after it has begun", () =>
    Effect.gen(function* () {
      for (const read of [
        (response: HttpClientResponse.HttpClientResponse) => Effect.asVoid(response.text),
        (response: HttpClientResponse.HttpClientResponse) => Stream.runDrain(response.stream)
      ]) {
        const { response, state } = yield* ofOne(
          { body: [Effect.succeed("a"), Effect.never] },
          { bodyIdle: "5 seconds", deadline: "none" }
        )
        const reader = yield* Effect.fork(read(response))
        yield* turns
        yield* TestClock.adjust("5 seconds")
        expect(causeOf(yield* Fiber.await(reader))).toMatchObject({ _tag: "BodyCutOff", reason: "silent" })
        expect(yield* state).toEqual([0, 0, 1])
      }
    })
  )

  it.scoped("may be no larger than the reader says", () =>
    Effect.gen(function* () {
      const body = [Effect.succeed("abc"), Effect.succeed("d"), Effect.succeed("")]
      const limited = (most: number) => HttpIncomingMessage.withMaxBodySize(Option.some(FileSystem.Size(most)))
      const enough = yield* ofOne({ body })
      expect(yield* enough.response.text.pipe(limited(4))).toBe("abcd")
      const { response, state } = yield* ofOne({ body })
      expect(yield* Effect.flip(response.text.pipe(limited(3)))).toMatchObject({ _tag: "ResponseError" })
      expect(yield* state).toEqual([0, 0, 1])
    })
  )

  it.scoped("may take longer than bodyIdle in all, and its reader too", () =>
    Effect.gen(function* () {
      let release = () => {}
      const gate = () => Effect.promise(() => new Promise<void>((resolve) => (release = resolve)))
      const chunk = (text: string) => Effect.as(gate(), text)
      const body = [chunk("a"), chunk("b"), Effect.succeed("")]
      const { response, state } = yield* ofOne({ body }, { bodyIdle: "5 seconds", deadline: "none" })
      const seen: Array<string> = []
      const reader = yield* Effect.fork(
        Stream.runForEach(Stream.decodeText(response.stream), (text) =>
          Effect.zipRight(
            Effect.sync(() => seen.push(text)),
            text === "b" ? Effect.sleep("1 minute") : Effect.void
          )
        )
      )
      for (const expected of ["a", "b"]) {
        yield* TestClock.adjust("4 seconds")
        yield* turns
        release()
        yield* turns
        expect(seen.at(-1)).toBe(expected)
      }
      yield* TestClock.adjust("59 seconds")
      expect(yield* state).toEqual([1, 1, 0])
      yield* TestClock.adjust("1 seconds")
      yield* turns
      expect(Exit.isSuccess(yield* Fiber.await(reader))).toBe(true)
      expect(yield* state).toEqual([0, 0, 0])
    })
  )

  it.scoped("is cut off when the budget of its call ends", () =>
    Effect.gen(function* () {
      const { response, state } = yield* ofOne({ body: "hang" }, { deadline: "3 seconds", timeout: "1 second" })
      const reader = yield* Effect.fork(response.text)
      yield* TestClock.adjust("2999 millis")
      expect(yield* state).toEqual([1, 1, 0])
      yield* TestClock.adjust("1 millis")
      expect(causeOf(yield* Fiber.await(reader))).toMatchObject({ reason: "deadline" })
      expect(yield* state).toEqual([0, 0, 1])
    })
  )

  it.scoped("ends with its reader, and with what is left unread of a stream", () =>
    Effect.gen(function* () {
      const { response, state } = yield* ofOne({ body: "hang" })
      const reader = yield* Effect.fork(response.text)
      yield* TestClock.adjust("1 millis")
      yield* Fiber.interrupt(reader)
      expect(yield* state).toEqual([0, 0, 1])
      const part = yield* ofOne({ body: [Effect.succeed("a"), Effect.never] })
      expect(yield* Stream.runCount(Stream.take(part.response.stream, 1))).toBe(1)
      expect(yield* part.state).toEqual([0, 0, 1])
    })
  )

  it.scoped("is the caller's own affair from the headers on, if it says so, also for one call", () =>
    Effect.gen(function* () {
      const hanging = new ScriptedClient({ body: "hang" })
      const of = yield* protectedBy(hanging)
      yield* of.client.get(at).pipe(ResilientHttpClient.override({ holdUntil: "headers" }))
      expect(yield* of.taken).toBe(0)
      yield* of.client.get(at)
      expect(yield* of.taken).toBe(1)
      const { response, taken, scripted } = yield* ofOne({ body: "hang" }, { holdUntil: "headers" })
      expect(yield* taken).toBe(0)
      yield* TestClock.adjust("1 minute")
      expect([scripted.open.size, response.status]).toEqual([1, 200])
    })
  )

  it.scoped("is cut off when the client's scope closes", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { response, state } = yield* Scope.extend(ofOne({ body: "hang" }), scope)
      yield* Scope.close(scope, Exit.void)
      expect(yield* state).toEqual([0, 0, 1])
      expect(causeOf(yield* Effect.exit(response.text))).toMatchObject({ reason: "closed" })
    })
  )

  it.scoped("of a response that is repeated is discarded before the next attempt", () =>
    Effect.gen(function* () {
      const hanging = new ScriptedClient({ status: 503, body: "hang" }, { status: 503, body: "small" }, { status: 200 })
      const inUse: Array<number> = []
      const retry = { maxRetries: 2, backoff: Backoff.constant("10 millis") }
      const { client, taken } = yield* protectedBy(hanging, {
        retry,
        beforeAttempt: (request) => (inUse.push(hanging.open.size), request)
      })
      const fiber = yield* Effect.fork(client.get(at))
      yield* Effect.repeatN(TestClock.adjust("100 millis"), 10)
      expect((yield* Fiber.join(fiber)).status).toBe(200)
      expect([inUse, hanging.aborted]).toEqual([[0, 0, 0], [1]])
      expect([yield* taken, hanging.open.size]).toEqual([0, 0])
    })
  )

  it.scoped("is not left open by a call that is interrupted, or times out, at any point", () =>
    Effect.gen(function* () {
      for (const answer of [hangs, { status: 503, body: "hang" }]) {
        const scripted = new ScriptedClient(answer)
        const { client, taken } = yield* protectedBy(scripted, { timeout: "1 second" })
        const fiber = yield* Effect.fork(client.get(at))
        yield* TestClock.adjust("50 millis")
        yield* Fiber.interrupt(fiber)
        expect([yield* taken, scripted.open.size]).toEqual([0, 0])
      }
    })
  )
})

describe("an origin whose bodies hang", () => {
  it.scoped("keeps its policy as long as one of them is open, however idle or crowded it is", () =>
    Effect.gen(function* () {
      const scripted = new ScriptedClient({ body: "hang", headers: large })
      const client = yield* ResilientHttpClient.protect(scripted.client, "web", {
        bulkhead: { maxConcurrent: 1 },
        deadline: "none",
        bodyIdle: "1 hour",
        idleTimeToLive: "1 minute",
        capacity: 1
      })
      yield* client.get("http://a.example/x")
      yield* TestClock.adjust("2 minutes")
      yield* client.get("http://b.example/x")
      expect((yield* Effect.flip(client.get("http://a.example/x")))._tag).toBe("BulkheadFull")
    })
  )

  it.scoped("takes its own permits only", () =>
    Effect.gen(function* () {
      const scripted = new ScriptedClient({ body: "hang" })
      const registry = { live: new Set<PolicyRegistry.Entry>() }
      const client = yield* Effect.provideService(
        ResilientHttpClient.protect(scripted.client, "web", { bulkhead: { maxConcurrent: 2 } }),
        PolicyRegistry.PolicyRegistry,
        registry
      )
      const get = (host: string) => Effect.exit(client.get(`http://${host}/x`))
      const tags = (exit: Exit.Exit<unknown, unknown>) =>
        Exit.match(exit, {
          onSuccess: () => "ok",
          onFailure: (cause) => Option.match(Cause.failureOption(cause), { onNone: () => "?", onSome: String })
        })
      expect(tags(yield* get("a.example"))).toBe("ok")
      expect(tags(yield* get("a.example"))).toBe("ok")
      expect(tags(yield* get("a.example"))).toContain("a.example")
      expect(tags(yield* get("b.example"))).toBe("ok")
      expect(registry.live.size).toBe(1)
    })
  )
})
