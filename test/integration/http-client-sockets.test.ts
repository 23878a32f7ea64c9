/** That no call leaves a socket behind, whatever becomes of it: counted at the server. */
import { Backoff } from "@effect-resilience/core"
import { ResilientHttpClient } from "@effect-resilience/http"
import { ResilientNodeClient } from "@effect-resilience/http/node"
import { HttpClientRequest } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { type Duration, Effect, Exit, Scope } from "effect"
import { answer, serve, type Step } from "../support/ScriptedServer.js"

const maxConcurrent = 40

/** A few where all tests run; continuous integration asks for ten thousand. */
const most = Number(process.env["HTTP_CALLS"] ?? 1_000)

const options = {
  timeout: "1 second",
  deadline: "60 seconds",
  bodyIdle: "500 millis",
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
    { concurrency: 100, discard: true }
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

describe.sequential("after thousands of calls with answers that are discarded, time out, or hang in the body", () => {
  it.live("no connection is in use, and none is open after the pool has closed", () =>
    leavesNothing(ResilientNodeClient.make("it", options), most)
  )

  it.live("nor over the agents of node:http", () =>
    leavesNothing(
      Effect.flatMap(NodeHttpClient.makeAgent({ keepAlive: true }), (agent) =>
        Effect.flatMap(Effect.provideService(NodeHttpClient.make, NodeHttpClient.HttpAgent, agent), (client) =>
          ResilientHttpClient.protect(client, "it", options)
        )
      ),
      most / 5
    )
  )
})
