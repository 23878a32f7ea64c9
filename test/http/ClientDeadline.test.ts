/** What a protected client tells of its time, and what it makes of a 504 that came when that was over. */
import { Backoff, CircuitBreaker, Deadline } from "@effect-resilience/core"
import { ResilientHttpClient } from "@effect-resilience/http"
import { HttpClient } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Cause, type Duration, Effect, Either, Exit, Fiber, TestClock } from "effect"
import { type Answer, ScriptedClient } from "../support/ScriptedClient.js"

const at = "http://a.example/x"
const origins = ["http://a.example"]
const retry = { maxRetries: 2, backoff: Backoff.constant("100 millis") }

const sentBy = ({ requests }: ScriptedClient) => requests.map(({ headers }) => headers["x-request-timeout-ms"])

const running = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(self)
    yield* Effect.repeatN(TestClock.adjust("10 millis"), 400)
    return yield* Fiber.await(fiber)
  })

describe("a client that tells its deadline", () => {
  it.scoped("tells each attempt the shorter of its limit and what is left, less the margin", () =>
    Effect.gen(function* () {
      const slow: Answer = { status: 503, after: Effect.sleep("300 millis") }
      const scripted = new ScriptedClient(slow, slow, {})
      const client = yield* ResilientHttpClient.protect(scripted.client, "a", {
        retry,
        timeout: "800 millis",
        deadline: "1500 millis",
        deadlineHeader: { origins, margin: "10 millis" }
      })
      yield* running(client.get(at))
      // 1,500 ms in all; two attempts of 300 ms and two waits of 100 ms have gone before the last.
      expect(sentBy(scripted)).toEqual(["790", "790", "690"])
      const before = scripted.requests.length
      yield* running(client.get(at).pipe(Deadline.protect("400 millis")))
      expect(sentBy(scripted).slice(before)).toEqual(["390"])
    })
  )

  it.scoped("tells no other origin, and takes it from what goes there", () =>
    Effect.gen(function* () {
      const scripted = new ScriptedClient({ status: 307, headers: { location: "http://b.example/y" } }, {})
      const client = yield* ResilientHttpClient.protect(scripted.client, "a", {
        maxRedirects: 1,
        deadlineHeader: { origins }
      })
      yield* client.get(at, { headers: { "x-request-timeout-ms": "7" } })
      expect(sentBy(scripted)).toEqual(["1995", undefined])
    })
  )

  it.scoped("tells of an attempt what the answer before it has not taken", () =>
    Effect.gen(function* () {
      const scripted = new ScriptedClient({ status: 503, body: "hang" }, {})
      const client = yield* ResilientHttpClient.protect(scripted.client, "a", {
        retry,
        timeout: "500 millis",
        deadlineHeader: { origins }
      })
      yield* running(client.get(at))
      expect(sentBy(scripted)).toEqual(["495", "445"])
    })
  )

  it.scoped("dies of an origin that is none", () =>
    Effect.gen(function* () {
      const making = ResilientHttpClient.protect(new ScriptedClient({}).client, "a", {
        deadlineHeader: { origins: ["a.example/x"] }
      })
      const exit = yield* Effect.exit(making)
      expect(Exit.isFailure(exit) && Cause.squash(exit.cause)).toMatchObject({ _tag: "InvalidOptions" })
    })
  )
})

describe("a 504", () => {
  /** How often a request was sent that is answered by 504 after so long, and what the next one meets. */
  const met = (afterMillis: number, options: ResilientHttpClient.Options = {}, filtered = false) =>
    metWithin("10 seconds", afterMillis, options, filtered)
  const metWithin = (
    budget: Duration.DurationInput,
    afterMillis: number,
    options: ResilientHttpClient.Options = {},
    filtered = false
  ) =>
    Effect.gen(function* () {
      const scripted = new ScriptedClient({ status: 504, after: Effect.sleep(afterMillis) })
      const inTime = Deadline.protect(budget)
      const client = yield* ResilientHttpClient.protect(
        filtered ? HttpClient.filterStatusOk(scripted.client) : scripted.client,
        "a",
        {
          retry,
          timeout: "500 millis",
          circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(1) },
          deadlineHeader: { origins, margin: 100 },
          ...options
        }
      )
      yield* running(inTime(client.get(at)))
      const sent = scripted.requests.length
      scripted.become({})
      const next = yield* Effect.either(client.get(at))
      return [sent, Either.match(next, { onLeft: ({ _tag }) => _tag, onRight: ({ status }) => status })]
    })

  it.scoped("that came when the deadline was over is not repeated and opens no circuit", () =>
    Effect.gen(function* () {
      expect(yield* metWithin("300 millis", 200)).toEqual([1, 200])
      expect(yield* metWithin("300 millis", 200, {}, true)).toEqual([1, 200])
      // A clock that counts whole milliseconds may be one ahead.
      expect(yield* metWithin("300 millis", 199)).toEqual([1, 200])
      expect(yield* metWithin("349 millis", 249)).toEqual([1, 200])
    })
  )

  it.scoped("that came when the dependency had had its patience, too, counts and is not repeated", () =>
    Effect.gen(function* () {
      expect(yield* metWithin("350 millis", 250)).toEqual([1, "CircuitOpen"])
      expect(yield* metWithin("350 millis", 250, {}, true)).toEqual([1, "CircuitOpen"])
      expect(yield* met(400)).toEqual([1, "CircuitOpen"])
      const patient = { tripPolicy: CircuitBreaker.consecutive(1), patience: 401 }
      expect(yield* met(400, { circuitBreaker: patient })).toEqual([1, 200])
      expect(yield* met(400, { circuitBreaker: "none" })).toEqual([1, 200])
    })
  )

  it.scoped("that came before, or without one, counts and is repeated as any", () =>
    Effect.gen(function* () {
      expect(yield* met(398)).toEqual([3, "CircuitOpen"])
      expect(yield* met(398, {}, true)).toEqual([3, "CircuitOpen"])
      expect(yield* met(400, { deadlineHeader: undefined })).toEqual([3, "CircuitOpen"])
      expect(yield* met(400, { deadlineHeader: { origins: ["http://b.example"] } })).toEqual([3, "CircuitOpen"])
    })
  )

  it.scoped("counts as one is told that it counts, all the same", () =>
    Effect.gen(function* () {
      expect(yield* met(400, { statuses: { 504: { counts: "failure" } } })).toEqual([1, "CircuitOpen"])
    })
  )
})
