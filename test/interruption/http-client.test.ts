/** A call of a protected client interrupted at every point: no permit is kept, and no connection left open. */
import { Backoff, Bulkhead, Policy } from "@effect-resilience/core"
import { ResilientHttpClient } from "@effect-resilience/http"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber, TestClock } from "effect"
import { ScriptedClient } from "../support/ScriptedClient.js"

describe("a call of a protected client", () => {
  it.scoped("gives back its permit and its connection, wherever it is interrupted", () =>
    Effect.gen(function* () {
      let interrupted = 0
      let answered = 0
      for (const ops of [10, 13, 17, 50]) {
        for (let turns = 0; turns < 150; turns++) {
          const scripted = new ScriptedClient({ status: 503, body: "busy" }, { status: 200, body: "hang" })
          const bulkhead = yield* Bulkhead.make("a", { maxConcurrent: 1 })
          const standard = yield* Policy.standard("a", {
            bulkhead: "none",
            retry: { backoff: Backoff.constant("0 millis") },
            classify: ResilientHttpClient.classify
          })
          const both = Policy.all(bulkhead, standard)
          const client = yield* ResilientHttpClient.protectWith(scripted.client, "a", () => both)
          const call = Effect.flatMap(client.get("http://a.example/x"), (response) => response.text)
          const fiber = yield* Effect.fork(Effect.withMaxOpsBeforeYield(call, ops))
          yield* Effect.repeatN(Effect.yieldNow(), turns)
          const exit = yield* Fiber.interrupt(fiber)
          if (Exit.isInterrupted(exit)) interrupted++
          if (scripted.requests.length === 2) answered++
          // Between the answer and its reader the response is nobody's: the watch over silent bodies ends it.
          if (scripted.open.size > 0) yield* TestClock.adjust("10 seconds")
          expect([ops, turns, scripted.open.size, (yield* bulkhead.snapshot).active]).toEqual([ops, turns, 0, 0])
        }
      }
      expect(interrupted).toBe(600)
      expect(answered).toBeGreaterThan(20)
    })
  )
})
