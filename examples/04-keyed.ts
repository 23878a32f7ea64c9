import { CircuitBreaker, Keyed } from "@effect-resilience/core"
import { Console, Data, Effect } from "effect"

class HostDown extends Data.TaggedError("HostDown")<{}> {}

const deliver = (host: string) => (host === "ill.example" ? Effect.fail(new HostDown()) : Effect.succeed("delivered"))

const program = Effect.gen(function* () {
  const hosts = yield* Keyed.make("webhooks", {
    lookup: (host: string) => CircuitBreaker.make(host, { tripPolicy: CircuitBreaker.consecutive(2) }),
    capacity: 3,
    idleTimeToLive: "10 minutes"
  })
  const send = (host: string) =>
    deliver(host).pipe(
      Keyed.protect(hosts, host),
      Effect.catchAll((error) => Effect.succeed(error._tag)),
      Effect.flatMap((answer) => Console.log(`${host}: ${answer}`))
    )

  yield* Effect.forEach(["ill.example", "ill.example", "ill.example", "a.example"], send)
  // More hosts than there is room for: the healthy ones make room for each other, the open circuit stays.
  yield* Effect.forEach(["b.example", "c.example", "d.example", "ill.example"], send)
  const kept = yield* hosts.entries
  yield* Console.log(`kept: ${kept.map(([host]) => host).join(", ")}`)
  const { evicted, size } = yield* hosts.snapshot
  yield* Console.log(`${size} instances, ${evicted} evicted`)
})

await Effect.runPromise(Effect.scoped(program))

// ill.example: HostDown
// ill.example: HostDown
// ill.example: CircuitOpen
// a.example: delivered
// b.example: delivered
// c.example: delivered
// d.example: delivered
// ill.example: CircuitOpen
// kept: ill.example, c.example, d.example
// 3 instances, 2 evicted
