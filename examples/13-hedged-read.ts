import { VirtualTime } from "@effect-resilience/chaos"
import { Hedge, type Policy } from "@effect-resilience/core"
import { Clock, Console, Effect, Random } from "effect"

// Reads of one of many replicas: one in a hundred is a second late, and the next replica knows nothing of that.
let asked = 0
const read = Effect.gen(function* () {
  asked++
  const isUnlucky = (yield* Random.next) < 0.01
  yield* Effect.sleep(isUnlucky ? 1000 : yield* Random.nextIntBetween(10, 30))
  return "a row"
})

const play = (name: string, policy: Pick<Policy.Policy<never>, "protect">) =>
  Effect.gen(function* () {
    asked = 0
    const timed = Effect.gen(function* () {
      const began = yield* Clock.currentTimeMillis
      yield* read.pipe(policy.protect)
      return (yield* Clock.currentTimeMillis) - began
    })
    const reads = Array.from({ length: 5000 }, (_, n) => Effect.delay(timed, 10 * n))
    const millis = (yield* Effect.all(reads, { concurrency: "unbounded" })).toSorted((one, other) => one - other)
    const at = (share: number) => `${millis[Math.floor(share * millis.length)]} ms`
    yield* Console.log(`${name}: p50 ${at(0.5)}, p99 ${at(0.99)}, p99.9 ${at(0.999)}, ${asked} calls`)
  })

const program = Effect.gen(function* () {
  yield* play("alone", { protect: (self) => self })
  const hedge = yield* Hedge.make("rows", {
    // A second copy when a read takes longer than 98 of 100 do, for at most a twentieth of the reads.
    delay: { quantile: 0.98, initial: "100 millis" },
    idempotent: true
  })
  yield* play("hedged", hedge)
})

await Effect.runPromise(VirtualTime.run(Effect.scoped(program)))

// alone: p50 20 ms, p99 1000 ms, p99.9 1000 ms, 5000 calls
// hedged: p50 20 ms, p99 29 ms, p99.9 58 ms, 5040 calls
