/** A pool for each client and permits for each origin, on real sockets. */
import { Backoff } from "@effect-resilience/core"
import { ResilientNodeClient } from "@effect-resilience/http/node"
import { HttpClientRequest } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { answer, type ScriptedServer, serve } from "../support/ScriptedServer.js"

describe("a client with a pool of its own", () => {
  const tagged = (exit: Exit.Exit<unknown, { readonly _tag: string }>) =>
    Exit.match(exit, { onSuccess: () => "ok", onFailure: (cause) => (cause._tag === "Fail" ? cause.error._tag : "?") })

  it.live("lets no origin take another's permits, or open its circuit, also when its bodies hang", () =>
    Effect.gen(function* () {
      const ill = yield* serve
      const well = yield* serve
      const client = yield* ResilientNodeClient.make("it", {
        timeout: "5 seconds",
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
      scripted.become({ _tag: "slowHeaders", millis: 1_000 })
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
