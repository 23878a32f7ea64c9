/** That no call leaves a socket behind, and that no origin takes another's permits, on real sockets. */
import { Backoff } from "@effect-resilience/core"
import { ResilientHttpClient } from "@effect-resilience/http"
import { ResilientNodeClient } from "@effect-resilience/http/node"
import { HttpClientRequest } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Exit, Scope } from "effect"
import { answer, type ScriptedServer, serve, type Step } from "../support/ScriptedServer.js"

const maxConcurrent = 40

const options = {
  timeout: "150 millis",
  deadline: "1 second",
  bodyIdle: "200 millis",
  retry: { maxRetries: 2, backoff: Backoff.constant("1 millis") },
  circuitBreaker: "none",
  bulkhead: { maxConcurrent, maxQueue: 20_000 }
} as const

/** Waits until it is so, or long enough to know that it never is. */
const until = (holds: () => boolean, patience: Duration.DurationInput) =>
  Effect.sleep("10 millis").pipe(
    Effect.repeat({ until: holds }),
    Effect.timeoutTo({ duration: patience, onSuccess: () => true, onTimeout: () => false })
  )

const kinds: ReadonlyArray<Step> = [
  answer(200, {}, "x".repeat(300)),
  answer(503, {}, "x".repeat(300)),
  answer(503),
  answer(200),
  answer(404),
  answer(200),
  answer(503),
  answer(200),
  { _tag: "reset" },
  answer(503)
]

/** Most answers are quick; a few, so that the test ends, hang before the headers or in the body. */
const step = (n: number): Step => {
  if (n % 100 === 50) return { _tag: "hang" }
  if (n % 100 === 51) return { _tag: "hangInBody" }
  if (n % 100 === 52) return { _tag: "hangInBody", status: 503 }
  return kinds[n % kinds.length] ?? answer(200)
}

const program = (client: ResilientHttpClient.ResilientHttpClient, url: string, calls: number) =>
  Effect.forEach(
    Array.from({ length: calls }, (_, n) => n),
    (n) => {
      const sent = n % 5 === 4 ? HttpClientRequest.post(url) : HttpClientRequest.get(url)
      return Effect.exit(
        // One in four never looks at the body.
        Effect.flatMap(client.execute(sent), (response) => (n % 4 === 3 ? Effect.void : Effect.asVoid(response.text)))
      )
    },
    { concurrency: 200, discard: true }
  )

const leavesNothing = (
  making: Effect.Effect<ResilientHttpClient.ResilientHttpClient, never, Scope.Scope>,
  calls: number
) =>
  Effect.gen(function* () {
    const { scripted, url } = yield* serve
    scripted.become(...Array.from({ length: 10 * calls }, (_, n) => step(n)))
    const scope = yield* Scope.make()
    const client = yield* Scope.extend(making, scope)
    yield* program(client, url, calls)
    expect(scripted.arrived.length).toBeGreaterThanOrEqual(calls)
    expect(scripted.mostInUse).toBeLessThanOrEqual(maxConcurrent)
    yield* until(() => scripted.inUse.size === 0 && scripted.sockets.size <= maxConcurrent, "2 seconds")
    expect([scripted.inUse.size, scripted.sockets.size <= maxConcurrent]).toEqual([0, true])
    yield* Scope.close(scope, Exit.void)
    yield* until(() => scripted.sockets.size === 0, "2 seconds")
    expect(scripted.sockets.size).toBe(0)
  }).pipe(Effect.scoped)

describe("after thousands of calls with answers that are discarded, time out, or hang in the body", () => {
  it.live("no connection is in use, and none is open after the pool has closed", () =>
    leavesNothing(ResilientNodeClient.make("it", options), 10_000)
  )

  it.live("nor over the agents of node:http", () =>
    leavesNothing(
      Effect.flatMap(NodeHttpClient.makeAgent({ keepAlive: true }), (agent) =>
        Effect.flatMap(Effect.provideService(NodeHttpClient.make, NodeHttpClient.HttpAgent, agent), (client) =>
          ResilientHttpClient.protect(client, "it", options)
        )
      ),
      2_000
    )
  )
})

describe("a client with a pool of its own", () => {
  const tagged = (exit: Exit.Exit<unknown, { readonly _tag: string }>) =>
    Exit.match(exit, { onSuccess: () => "ok", onFailure: (cause) => (cause._tag === "Fail" ? cause.error._tag : "?") })

  it.live("lets no origin take another's permits, or open its circuit, also when its bodies hang", () =>
    Effect.gen(function* () {
      const ill = yield* serve
      const well = yield* serve
      const client = yield* ResilientNodeClient.make("it", {
        timeout: "500 millis",
        retry: "none",
        bulkhead: { maxConcurrent: 3 }
      })
      const asked = (url: string) => Effect.map(Effect.exit(client.get(url)), tagged)
      ill.scripted.become({ _tag: "hangInBody" })
      expect(yield* Effect.all([1, 2, 3].map(() => asked(ill.url)))).toEqual(["ok", "ok", "ok"])
      expect(yield* asked(ill.url)).toBe("BulkheadFull")
      expect(yield* Effect.all([1, 2, 3].map(() => asked(well.url)))).toEqual(["ok", "ok", "ok"])
      expect([inUse(ill), inUse(well)]).toEqual([3, 0])
    }).pipe(Effect.scoped)
  )

  it.live("opens the circuit of the origin that fails, and of no other", () =>
    Effect.gen(function* () {
      const ill = yield* serve
      const well = yield* serve
      ill.scripted.become(answer(503))
      const client = yield* ResilientNodeClient.make("it", { retry: "none" })
      const asked = (url: string) => Effect.map(Effect.exit(client.get(url)), tagged)
      const answers = yield* Effect.all(Array.from({ length: 25 }, () => asked(ill.url)))
      expect(new Set(answers)).toEqual(new Set(["ok", "CircuitOpen"]))
      expect(ill.scripted.arrived).toHaveLength(20)
      expect(yield* asked(well.url)).toBe("ok")
    }).pipe(Effect.scoped)
  )

  it.live("has who may not call wait in the line, and not for a socket", () =>
    Effect.gen(function* () {
      const { scripted, url } = yield* serve
      scripted.become({ _tag: "slowHeaders", millis: 300 })
      const client = yield* ResilientNodeClient.make("it", {
        retry: "none",
        bulkhead: { maxConcurrent: 2, maxQueue: 2, maxWait: "100 millis" }
      })
      const calls = Array.from({ length: 5 }, () => Effect.map(Effect.exit(client.get(url)), tagged))
      const ends = yield* Effect.all(calls, { concurrency: "unbounded" })
      expect(ends.toSorted()).toEqual(["BulkheadFull", "BulkheadFull", "BulkheadFull", "ok", "ok"])
      expect([scripted.arrived.length, scripted.connections]).toEqual([2, 2])
    }).pipe(Effect.scoped)
  )

  it.live("uses a connection again after an answer that was repeated", () =>
    Effect.gen(function* () {
      const { scripted, url } = yield* serve
      scripted.become(answer(503, {}, "x".repeat(5_000)), answer(503), answer(200))
      const client = yield* ResilientNodeClient.make("it", { retry: { backoff: Backoff.constant("1 millis") } })
      expect((yield* client.get(url)).status).toBe(200)
      expect([scripted.arrived.length, scripted.connections]).toEqual([3, 1])
    }).pipe(Effect.scoped)
  )

  it.live("sends n + 1 with n retries whatever comes, with the same key", () =>
    Effect.gen(function* () {
      const { scripted, url } = yield* serve
      const charge = HttpClientRequest.setHeader(HttpClientRequest.post(url), "Idempotency-Key", "k-1")
      for (const n of [0, 1, 4]) {
        scripted.become(answer(503), { _tag: "reset" }, answer(502), { _tag: "close" }, { _tag: "reset" }, answer(503))
        const retry = { maxRetries: n, backoff: Backoff.constant("1 millis") }
        yield* Effect.scoped(
          Effect.flatMap(ResilientNodeClient.make("it", { retry }), (client) => Effect.exit(client.execute(charge)))
        )
        expect(scripted.arrived.map(({ headers }) => headers.get("idempotency-key"))).toEqual(Array(n + 1).fill("k-1"))
      }
    }).pipe(Effect.scoped)
  )
})

const inUse = ({ scripted }: { readonly scripted: ScriptedServer }) => scripted.inUse.size
