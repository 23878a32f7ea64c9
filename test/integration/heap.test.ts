/** What a million calls leave behind. */
import { Backoff, Policy } from "@effect-resilience/core"
import { Effect } from "effect"
import { setImmediate } from "node:timers/promises"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { expect, it } from "vitest"

setFlagsFromString("--expose-gc")
const collect: () => void = runInNewContext("gc")

/** What is reachable, in bytes. */
const heap = (): number => {
  for (let times = 0; times < 3; times++) collect()
  return process.memoryUsage().heapUsed
}

it("the heap is as large after a million calls through a policy as after a hundred thousand", async () => {
  const calls = (policy: Policy.Standard, many: number) =>
    Effect.gen(function* () {
      for (let made = 0; made < many; made++) {
        // One call in a thousand fails, is made again, and fails.
        const call = made % 1000 === 0 ? Effect.fail("declined") : Effect.promise(() => Promise.resolve(made))
        yield* Effect.ignore(policy.protect(call))
        // Whoever watches over the test must have its turn.
        if (made % 10_000 === 0) yield* Effect.promise(() => setImmediate())
      }
    })
  const program = Effect.gen(function* () {
    const policy = yield* Policy.standard("orders", {
      retry: { maxRetries: 1, backoff: Backoff.constant(0) }
    })
    yield* calls(policy, 100_000)
    const before = heap()
    yield* calls(policy, 900_000)
    return heap() - before
  })
  expect(await Effect.runPromise(Effect.scoped(program))).toBeLessThan(1_000_000)
}, 300_000)
