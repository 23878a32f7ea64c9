import { CircuitBreaker } from "@effect-resilience/core"
import { Console, Effect } from "effect"

let calls = 0

const charge = Effect.suspend(() => {
  calls += 1
  return Effect.fail("the payment service is down" as const)
})

const program = Effect.gen(function* () {
  const breaker = yield* CircuitBreaker.make("payment", {
    tripPolicy: CircuitBreaker.consecutive(3),
    openDuration: "30 seconds"
  })
  for (const attempt of [1, 2, 3, 4, 5]) {
    const error = yield* charge.pipe(CircuitBreaker.protect(breaker), Effect.flip)
    const answer = typeof error === "string" ? error : `refused by ${error._tag}`
    yield* Console.log(`${attempt}: ${answer}, circuit ${yield* breaker.state}`)
  }
  yield* Console.log(`${calls} calls reached the payment service`)
})

await Effect.runPromise(Effect.scoped(program))

// 1: the payment service is down, circuit Closed
// 2: the payment service is down, circuit Closed
// 3: the payment service is down, circuit Open
// 4: refused by CircuitOpen, circuit Open
// 5: refused by CircuitOpen, circuit Open
// 3 calls reached the payment service
