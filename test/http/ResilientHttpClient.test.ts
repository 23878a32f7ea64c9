/** What a protected client sends, and what it hands back. */
import { Backoff, InvalidOptions, Policy } from "@effect-resilience/core"
import { ResilientHttpClient } from "@effect-resilience/http"
import { HttpBody, HttpClient, HttpClientRequest } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, type Scope, Stream, TestClock } from "effect"
import { type Answer, coded, hangs, refused, reset, ScriptedClient } from "../support/ScriptedClient.js"

const at = "http://a.example/x"
const get = HttpClientRequest.get(at)
const post = HttpClientRequest.post(at)
const withKey = HttpClientRequest.setHeader(post, "Idempotency-Key", "k-1")

const retry = (maxRetries: number) => ({ maxRetries, backoff: Backoff.constant("10 millis") })

/** Runs calls while the clock goes on. */
const passing = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(self)
    yield* Effect.repeatN(TestClock.adjust("500 millis"), 40)
    return yield* Fiber.await(fiber)
  })

/** What became of a request: how often it was sent, and how its call ended. */
const sent = (
  request: HttpClientRequest.HttpClientRequest,
  script: ReadonlyArray<Answer>,
  options: ResilientHttpClient.Options = {}
) =>
  Effect.gen(function* () {
    const scripted = new ScriptedClient(...script)
    const client = yield* ResilientHttpClient.protect(scripted.client, "a", { retry: retry(2), ...options })
    const exit = yield* passing(
      Effect.flatMap(client.execute(request), (response) => Effect.as(response.text, response))
    )
    const ended = Exit.match(exit, {
      onSuccess: ({ status }) => `${status}`,
      onFailure: (cause) => {
        const error = Cause.squash(cause)
        return error instanceof Error && "_tag" in error ? `${String(error._tag)}` : String(error)
      }
    })
    expect(scripted.open.size).toBe(0)
    return [scripted.requests.length, ended] as const
  })

describe("a protected client", () => {
  it.scoped("sends again what may be repeated, and gives the last answer unchanged", () =>
    Effect.gen(function* () {
      expect(yield* sent(get, [{ status: 503 }, { status: 503 }, { status: 200, body: "ok" }])).toEqual([3, "200"])
      expect(yield* sent(get, [{ status: 503, body: "no" }])).toEqual([3, "503"])
      expect(yield* sent(withKey, [{ status: 503 }])).toEqual([3, "503"])
      expect(yield* sent(get, [{ status: 500 }])).toEqual([3, "500"])
      expect(yield* sent(withKey, [{ status: 500 }])).toEqual([1, "500"])
      expect(yield* sent(get, [reset])).toEqual([3, "RequestError"])
      expect(yield* sent(get, [hangs], { timeout: "1 second" })).toEqual([3, "TimedOut"])
    })
  )

  it.scoped("sends a POST without a key once, wherever it may have left", () =>
    Effect.gen(function* () {
      for (const answer of [{ status: 503 }, { status: 500 }, { status: 429 }, { status: 409 }, reset, hangs]) {
        expect([answer, (yield* sent(post, [answer], { timeout: "1 second" }))[0]]).toEqual([answer, 1])
      }
      expect((yield* sent(post, [{ cause: coded("UND_ERR_SOCKET") }]))[0]).toBe(1)
      expect((yield* sent(post, [refused]))[0]).toBe(3)
      const streamed = HttpClientRequest.setBody(withKey, HttpBody.stream(Stream.make(new Uint8Array(1))))
      expect((yield* sent(streamed, [{ status: 503 }]))[0]).toBe(1)
      expect((yield* sent(streamed, [refused]))[0]).toBe(1)
    })
  )

  it.scoped("sends it once where the client turns it into what may be repeated", () =>
    Effect.gen(function* () {
      const scripted = new ScriptedClient(reset)
      const following = HttpClient.transform(scripted.client, () => scripted.client.execute(get))
      const client = yield* ResilientHttpClient.protect(following, "a", { retry: retry(2) })
      expect(Exit.isFailure(yield* passing(client.execute(post)))).toBe(true)
      expect(scripted.requests).toHaveLength(1)
      yield* passing(client.execute(withKey))
      expect(scripted.requests).toHaveLength(4)
    })
  )

  it.scoped("sends n + 1 with n retries whatever comes, and one without", () =>
    Effect.gen(function* () {
      const mix = [{ status: 503 }, reset, refused, { status: 502 }, hangs, { status: 429 }, reset, { status: 500 }]
      for (const n of [0, 1, 2, 5, 7]) {
        const made = yield* sent(get, mix, { retry: retry(n), timeout: "1 second", deadline: "none" })
        expect([n, made[0]]).toEqual([n, n + 1])
      }
    })
  )

  it.scoped("does as it is told for a status, and for a request", () =>
    Effect.gen(function* () {
      const statuses = { 404: { counts: "failure", repeated: "repeatable" }, 503: { repeated: "never" } } as const
      expect((yield* sent(get, [{ status: 404 }], { statuses }))[0]).toBe(3)
      expect((yield* sent(get, [{ status: 503 }], { statuses }))[0]).toBe(1)
      const scripted = new ScriptedClient({ status: 503 })
      const client = yield* ResilientHttpClient.protect(scripted.client, "a", { retry: retry(2) })
      const count = (overrides: ResilientHttpClient.Overrides, request: HttpClientRequest.HttpClientRequest) =>
        Effect.gen(function* () {
          const before = scripted.requests.length
          yield* passing(ResilientHttpClient.override(client.execute(request), overrides))
          return scripted.requests.length - before
        })
      expect(yield* count({ repeatable: true }, post)).toBe(3)
      expect(yield* count({ repeatable: false }, get)).toBe(1)
      expect(yield* count({ statuses: { 503: { counts: "success" } } }, get)).toBe(1)
      scripted.become(refused)
      expect(yield* count({ repeatable: false }, get)).toBe(1)
      scripted.become(hangs)
      const exit = yield* passing(ResilientHttpClient.override(client.execute(post), { timeout: "30 millis" }))
      expect(Exit.isFailure(exit) && JSON.stringify(exit)).toContain("30")
    })
  )

  it.scoped("sends the same key with every attempt, and tells the attempt what it may know", () =>
    Effect.gen(function* () {
      const scripted = new ScriptedClient(reset, { status: 503 }, { status: 200 })
      const seen: Array<ResilientHttpClient.Attempt> = []
      const client = yield* ResilientHttpClient.protect(scripted.client, "a", {
        retry: retry(2),
        timeout: "1 second",
        deadline: "3 seconds",
        beforeAttempt: (request, attempt) => {
          seen.push(attempt)
          return HttpClientRequest.setHeader(request, "X-Attempt", `${attempt.resendCount}`)
        }
      })
      yield* passing(client.execute(withKey))
      expect(scripted.requests.map(({ headers }) => headers["idempotency-key"])).toEqual(["k-1", "k-1", "k-1"])
      expect(scripted.requests.map(({ headers }) => headers["x-attempt"])).toEqual(["0", "1", "2"])
      expect(JSON.stringify(seen.map(({ timeout }) => timeout))).toContain("1000")
      expect(JSON.stringify(seen[0]?.remaining)).toContain("3000")
    })
  )

  it.scoped("waits as long as the server asks", () =>
    Effect.gen(function* () {
      const scripted = new ScriptedClient({ status: 429, headers: { RateLimit: '"a";r=0;t=4' } }, { status: 200 })
      const client = yield* ResilientHttpClient.protect(scripted.client, "a", { retry: retry(2) })
      const fiber = yield* Effect.fork(client.execute(get))
      yield* TestClock.adjust("3900 millis")
      expect(scripted.requests).toHaveLength(1)
      yield* TestClock.adjust("1 second")
      expect(scripted.requests).toHaveLength(2)
      expect((yield* Fiber.join(fiber)).status).toBe(200)
    })
  )

  it.scoped("keeps what a client does to a request before it is sent, and knows the origin after that", () =>
    Effect.gen(function* () {
      let prepared = 0
      const scripted = new ScriptedClient({ status: 503 }, { status: 200 })
      const base = scripted.client.pipe(
        HttpClient.mapRequest(HttpClientRequest.prependUrl("http://b.example:8080")),
        HttpClient.mapRequestEffect((request) => Effect.sync(() => ((prepared += 1), request)))
      )
      const keys: Array<string> = []
      const client = yield* ResilientHttpClient.protect(base, "a", {
        retry: retry(2),
        key: ({ url }) => (keys.push(url), url)
      })
      yield* passing(client.pipe(HttpClient.mapRequest(HttpClientRequest.setHeader("X-Outer", "1"))).get("/path"))
      expect(scripted.requests.map(({ url }) => url)).toEqual(Array(2).fill("http://b.example:8080/path"))
      expect(scripted.requests.map(({ headers }) => headers["x-outer"])).toEqual(["1", "1"])
      expect([prepared, keys]).toEqual([1, ["http://b.example:8080/path"]])
    })
  )

  it.scoped("dies of all options that cannot be meant at once, naming each, also those that no compiler has seen", () =>
    Effect.gen(function* () {
      const { client } = new ScriptedClient({})
      const named = (making: Effect.Effect<unknown, never, Scope.Scope>) =>
        Effect.map(Effect.exit(making), (exit) => {
          const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
          return error instanceof InvalidOptions.InvalidOptions
            ? error.problems.map(({ option, value }) => `${option} ${value}`).toSorted()
            : error
        })
      const odd = {
        ...{ timout: "1 second", deadlineHeader: true, beforeAttempt: 1, retry: true, holdUntil: "end" },
        ...{ timeout: "0 millis", capacity: 0, bodyIdle: -1, maxRedirects: 0.5 }
      }
      const wrong = [
        ...["beforeAttempt 1", "bodyIdle -1", "capacity 0", "deadlineHeader true", 'holdUntil "end"'],
        ...["maxRedirects 0.5", "retry true", 'timeout "0 millis"', 'timout "1 second"']
      ]
      expect(yield* named(Reflect.apply(ResilientHttpClient.protect, undefined, [client, "a", odd]))).toEqual(wrong)
      const header = { deadlineHeader: { margin: -1 } }
      expect(yield* named(Reflect.apply(ResilientHttpClient.protect, undefined, [client, "a", header]))).toEqual([
        "deadlineHeader.margin -1",
        "deadlineHeader.origins undefined"
      ])
      const own = [client, "a", () => Policy.all(), { timeout: 1, holdUntil: "end", bodyIdle: 0 }]
      expect(yield* named(Reflect.apply(ResilientHttpClient.protectWith, undefined, own))).toEqual([
        "bodyIdle 0",
        'holdUntil "end"',
        "timeout 1"
      ])
    })
  )
})
