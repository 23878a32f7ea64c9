import { Bulkhead } from "@effect-resilience/core"
import { expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { begin } from "../support/Passing.js"

// Alone in its file, so that nothing else has said before that work may be abandoned.
it.scoped("a call that is held until it has settled keeps the permits of bulkheads around it as well", () =>
  Effect.gen(function* () {
    const outer = yield* Bulkhead.make("outer", { maxConcurrent: 1 })
    const inner = yield* Bulkhead.make("inner", { maxConcurrent: 1 })
    const call = yield* begin(Effect.never.pipe(Bulkhead.protect(inner, { hold: "settled" }), outer.protect))
    yield* Fiber.interrupt(call)
    expect([(yield* outer.snapshot).active, (yield* inner.snapshot).active]).toEqual([1, 1])
  })
)
