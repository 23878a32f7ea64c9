/** What a million calls leave behind. */
import { Backoff, Policy } from "@effect-resilience/core"
import { Effect } from "effect"
import { setImmediate } from "node:timers/promises"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { expect, it } from "vitest"

setFlagsFromString("--expose-gc")
const collect: () => void = runInNewContext("gc")

/** A few where all tests run; continuous integration asks for a million. */
const most = Number(process.env["CALLS"] ?? 200_000)

/** What is reachable, in bytes. */
const heap = (): number => {
  for (let times = 0; times < 3; times++) collect()
  return process.memoryUsage().heapUsed
}

it(`the heap is as large after ${most} calls through a policy as after the first 100,000`, async () => {
  const calls = (policy: Policy.Standard, many: number) =>
    Effect.gen(function* () {
      for (let made = 0; made < many; made++) {
        // One call in a thousand fails, is made again, and fails; one in ten has to be waited for.
        const answer = made % 10 === 0 ? Effect.promise(() => Promise.resolve(made)) : Effect.succeed(made)
        const call = made % 1000 === 0 ? Effect.fail("declined") : answer
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
    yield* calls(policy, most - 100_000)
    return heap() - before
  })
  expect(await Effect.runPromise(Effect.scoped(program))).toBeLessThan(1_000_000)
}, 300_000)
