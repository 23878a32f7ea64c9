/** What events leave behind that nobody takes. */
import { Policy, Telemetry } from "@effect-resilience/core"
import { Effect } from "effect"
import { setImmediate } from "node:timers/promises"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { expect, it } from "vitest"

setFlagsFromString("--expose-gc")
const collect: () => void = runInNewContext("gc")

/** A few where all tests run; continuous integration asks for a million. */
const most = Number(process.env["CALLS"] ?? 100_000)

/** What is reachable, in bytes. */
const heap = (): number => {
  for (let times = 0; times < 3; times++) collect()
  return process.memoryUsage().heapUsed
}

it(`a subscriber that is stuck for ${most} events costs no memory, and each is counted`, async () => {
  const calls = (policy: Policy.Standard, many: number) =>
    Effect.gen(function* () {
      for (let made = 0; made < many; made++) {
        yield* policy.protect(Effect.succeed(made))
        // Whoever watches over the test must have its turn.
        if (made % 10_000 === 0) yield* Effect.promise(() => setImmediate())
      }
    })
  const program = Effect.gen(function* () {
    const stuck = yield* Telemetry.subscribe({ calls: true })
    const policy = yield* Policy.standard("orders", { retry: "none" })
    yield* calls(policy, most / 10)
    const before = heap()
    yield* calls(policy, most - most / 10)
    const grown = heap() - before
    return { grown, ...(yield* stuck.counts) }
  })
  const { grown, ...counts } = await Effect.runPromise(Effect.scoped(program))
  expect(counts).toEqual({ published: most, received: 0, dropped: most - 1024, waiting: 1024 })
  expect(grown).toBeLessThan(5_000_000)
}, 300_000)
