/**
 * The breaker of Effect 4 in a process of its own: asked by message for so many calls of one of its cases, it answers with
 * what one of them cost.
 */
import { Data, Effect, Scope } from "effect"
import { CircuitBreaker } from "effect/persistence"
import { sample } from "../harness/Measure.js"
import { type Case, mustHold } from "../harness/Question.js"
import type { Asked } from "../subjects/Effect4.js"

class Unavailable extends Data.TaggedError("Unavailable") {}

const answerAtOnce = (): Promise<number> => Promise.resolve(1)
const bareCall = Effect.promise(answerAtOnce)

const inFiber =
  <A, E>(call: Effect.Effect<A, E>) =>
  (calls: number): Promise<void> =>
    Effect.runPromise(
      Effect.gen(function* () {
        for (let made = 0; made < calls; made++) yield* call
      })
    )

const breaker = await Effect.runPromise(
  Effect.gen(function* () {
    const made = CircuitBreaker.make({
      tripPolicy: CircuitBreaker.rate({ threshold: 0.5, size: 100, minimumCalls: 20 }),
      openDuration: "30 seconds"
    })
    return yield* Scope.provide(made, yield* Scope.make())
  }).pipe(Effect.provide(CircuitBreaker.layerStoreMemory()))
)

const failing = Effect.fail(new Unavailable()).pipe(breaker.execute({ key: "proved" }))
for (let failures = 0; failures < 20; failures++) await Effect.runPromise(Effect.flip(failing))
const open = await Effect.runPromise(Effect.flip(failing))
mustHold(open._tag === "CircuitBreakerError", "the breaker of Effect 4 does not open")

const protectedCall = bareCall.pipe(breaker.execute({ key: "bench" }))
mustHold((await Effect.runPromise(protectedCall)) === 1, "the breaker of Effect 4 loses the answer")

const cases: Readonly<Record<Asked["name"], Case>> = {
  "bare call": { name: "bare call", run: inFiber(bareCall) },
  execute: { name: "execute", run: inFiber(protectedCall) }
}

process.on("message", ({ calls, name }: Asked) => {
  void sample(cases[name], calls).then((cost) => process.send?.(cost))
})
process.send?.("ready")
