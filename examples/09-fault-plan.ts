import { FaultInjection, FaultPlan, Timeline, VirtualTime } from "@effect-resilience/chaos"
import { CircuitBreaker, Outcome, Policy } from "@effect-resilience/core"
import { Context, Data, Effect, Layer } from "effect"

class Refused extends Data.TaggedError("Refused") {
  readonly [Outcome.OutcomeTypeId] = Outcome.failure({ transient: true })
}
class Stock extends Context.Tag("shop/Stock")<
  Stock,
  { readonly of: (product: string) => Effect.Effect<number, Refused | Policy.StandardError> }
>() {}
class StockPolicy extends Context.Tag("shop/StockPolicy")<StockPolicy, Policy.Standard>() {}

// A file as well: well for 2 s, too slow for 3 s, gone for 2 s, and well again.
const plan = FaultPlan.fromJson(`{ "phases": [
  { "duration": "2 seconds", "faults": [] },
  { "duration": "3 seconds", "faults": [{ "kind": "latency", "latency": "5 seconds" }] },
  { "duration": "2 seconds", "faults": [{ "kind": "fault", "error": "Refused", "methods": ["of"] }] },
  { "faults": [] }
] }`)

const real = Layer.succeed(Stock, { of: () => Effect.delay(Effect.succeed(5), "20 millis") })
const faulty = Layer.unwrapEffect(
  Effect.map(plan, (read) =>
    FaultInjection.layer(Stock, read, { name: "stock", errors: { Refused: () => new Refused() } })
  )
)
const policy = Policy.layer(StockPolicy, "stock", {
  timeout: "400 millis",
  retry: "none",
  circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(3), openDuration: "2 seconds", openJitter: 0 }
})
const stock = Policy.protectService(Stock, StockPolicy, { repeatable: ["of"] }).pipe(
  Layer.provide(Layer.merge(Layer.provide(faulty, real), policy))
)

const everyHalfSecond = Effect.gen(function* () {
  const { of } = yield* Stock
  yield* Effect.forEach(Array(20).keys(), () => Effect.zipRight(Effect.exit(of("p7")), Effect.sleep("500 millis")))
})

const recorded = VirtualTime.run(Timeline.record(Effect.provide(everyHalfSecond, stock)))
Effect.runPromise(recorded).then(([, rows]) => console.log(Timeline.table(rows)))

//  time  policy  event           state
// 2.080  stock   FaultInjected   Closed
// 2.480  stock   CallTimedOut    Closed
// 2.980  stock   FaultInjected   Closed
// 3.380  stock   CallTimedOut    Closed
// 3.880  stock   FaultInjected   Closed
// 4.280  stock   CallTimedOut    Closed
// 4.280  stock   CircuitChanged  Open
// 4.780  stock   CallRejected    Open      x 3 until 5.780
// 6.280  stock   CircuitChanged  HalfOpen
// 6.280  stock   FaultInjected   HalfOpen
// 6.280  stock   CircuitChanged  Open
// 6.780  stock   CallRejected    Open      x 3 until 7.780
// 8.280  stock   CircuitChanged  HalfOpen
// 8.300  stock   CircuitChanged  Closed
