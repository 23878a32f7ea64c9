/** Bodies on real sockets, by each client: read twice, whichever way, by whom comes later, and never waited for in vain. */
import { ResilientHttpClient } from "@effect-resilience/http"
import { ResilientNodeClient } from "@effect-resilience/http/node"
import { FetchHttpClient, HttpClient, HttpClientRequest, type HttpClientResponse } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Option, type Scope, Stream } from "effect"
import { answer, serve, type Step } from "../support/ScriptedServer.js"

const over = (client: HttpClient.HttpClient) => ResilientHttpClient.protect(client, "it", { bodyIdle: "300 millis" })

const clients: Record<string, Effect.Effect<ResilientHttpClient.ResilientHttpClient, never, Scope.Scope>> = {
  "undici, own pool": ResilientNodeClient.make("it", { bodyIdle: "300 millis" }),
  "node:http": Effect.flatMap(NodeHttpClient.makeAgent({ keepAlive: true }), (agent) =>
    Effect.flatMap(Effect.provideService(NodeHttpClient.make, NodeHttpClient.HttpAgent, agent), over)
  ),
  fetch: Effect.flatMap(Effect.provide(HttpClient.HttpClient, FetchHttpClient.layer), over)
}

const ways: Record<string, (response: HttpClientResponse.HttpClientResponse) => Effect.Effect<string, unknown>> = {
  text: (response) => response.text,
  bytes: (response) => Effect.map(response.arrayBuffer, (body) => new TextDecoder().decode(body)),
  stream: (response) => Stream.mkString(Stream.decodeText(response.stream))
}

const steps: ReadonlyArray<readonly [Step, string]> = [
  [answer(200, {}, "xx"), "xx"],
  [{ _tag: "trickle", chunks: 2, everyMillis: 5 }, "xx"],
  [answer(204), ""]
]

for (const [name, making] of Object.entries(clients)) {
  describe(`a body over ${name}`, () => {
    it.live("is the same for each who reads it, and no reader waits for ever", () =>
      Effect.gen(function* () {
        const { scripted, url } = yield* serve
        const client = yield* making
        for (const [step, body] of steps) {
          scripted.become(step)
          for (const [first, one] of Object.entries(ways)) {
            for (const [second, other] of Object.entries(ways)) {
              const response = yield* client.get(url)
              expect([step._tag, first, yield* one(response)]).toEqual([step._tag, first, body])
              const again = yield* Effect.timeoutOption(Effect.exit(other(response)), "20 seconds")
              const isOnce = first === "stream" && body !== ""
              const expected = isOnce ? "fails" : body
              const got = Option.map(again, Exit.match({ onFailure: () => "fails", onSuccess: (text) => text }))
              expect([step._tag, first, second, got]).toEqual([step._tag, first, second, Option.some(expected)])
            }
          }
        }
      }).pipe(Effect.scoped)
    )

    it.live("that hangs is cut off with its connection, also where a client in between sends another request", () =>
      Effect.gen(function* () {
        const { scripted, url } = yield* serve
        scripted.become({ _tag: "hangInBody" })
        const inner = yield* making
        const changed = HttpClient.transform(inner, (_, request) =>
          inner.execute(HttpClientRequest.setHeader(request, "X-Signed", "1"))
        )
        const client = yield* ResilientHttpClient.protect(changed, "outer", { bodyIdle: "100 millis" })
        const response = yield* client.get(url)
        expect(Exit.isFailure(yield* Effect.exit(response.text))).toBe(true)
        yield* Effect.repeat(Effect.sleep("10 millis"), { until: () => scripted.sockets.size === 0, times: 1_000 })
        expect(scripted.inUse.size).toBe(0)
      }).pipe(Effect.scoped)
    )
  })
}
