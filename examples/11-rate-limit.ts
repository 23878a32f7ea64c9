import { VirtualTime } from "@effect-resilience/chaos"
import { Policy, RateLimiter } from "@effect-resilience/core"
import { Clock, Console, Effect } from "effect"

let asked = 0
const geocode = Effect.delay(
  Effect.sync(() => `place ${++asked}`),
  "20 millis"
)

// Towards a dependency that sells two requests a second. Without `burst: 1` two would go at once, and two more in that second.
const buying = Effect.gen(function* () {
  const geocoder = yield* Policy.standard("geocoder", {
    deadline: "2 seconds",
    rateLimit: { limit: 2, window: "1 second", burst: 1, onExceeded: "wait" }
  })
  const call = (n: number) =>
    Effect.gen(function* () {
      const told = yield* Effect.merge(Effect.catchAll(geocode.pipe(geocoder.protect), ({ _tag }) => Effect.fail(_tag)))
      yield* Console.log(`call ${n} after ${yield* Clock.currentTimeMillis} ms: ${told}`)
    })
  yield* Effect.forEach([1, 2, 3, 4, 5, 6], call, { concurrency: "unbounded", discard: true })
})

// Towards callers: each has a limit of its own, by what was sold to it.
const selling = Effect.gen(function* () {
  const exports = yield* RateLimiter.make("exports", {
    limit: (tenant) => (tenant === "gold" ? 10 : 2),
    window: "1 minute"
  })
  const run = (tenant: string, cost: number) =>
    Effect.flatMap(Effect.either(exports.take({ key: tenant, cost })), (taken) =>
      Console.log(taken._tag === "Right" ? `${tenant}: ${taken.right.remaining} left` : taken.left.message)
    )
  yield* run("gold", 4)
  yield* run("free", 1)
  yield* run("free", 1)
  yield* run("free", 1)
  yield* run("gold", 4)
})

await Effect.runPromise(VirtualTime.run(Effect.scoped(Effect.zipRight(buying, selling))))

// call 5 after 0 ms: RateLimited
// call 6 after 0 ms: RateLimited
// call 1 after 20 ms: place 1
// call 2 after 520 ms: place 2
// call 3 after 1020 ms: place 3
// call 4 after 1520 ms: place 4
// gold: 6 left
// free: 1 left
// free: 0 left
// The limit of 2 of "exports" is used up, 0 are left: come back after 30s
// gold: 2 left
