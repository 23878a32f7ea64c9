import { CircuitBreaker } from "@effect-resilience/core"
import { circuitBreaker, handleAll, SamplingBreaker } from "cockatiel"
import { Effect } from "effect"
import Opossum from "opossum"
import { mustHold, type Question } from "../harness/Question.js"
import { effect4 } from "../subjects/Effect4.js"
import { answerAtOnce, awaited, bareCall, enteredEach, inFiber, lasting } from "../subjects/Loops.js"

const made = (name: string) =>
  lasting(
    CircuitBreaker.make(name, {
      tripPolicy: CircuitBreaker.rate({ threshold: 0.5, window: CircuitBreaker.count(100), minimumCalls: 20 }),
      openDuration: "30 seconds"
    })
  )

const mustOpen = async (): Promise<void> => {
  const proved = await made("proved")
  const failing = proved.protect(Effect.fail("unavailable"))
  for (let failures = 0; failures < 20; failures++) await Effect.runPromise(Effect.flip(failing))
  mustHold((await Effect.runPromise(proved.state)) === "Open", "the breaker does not open")
}

/** A breaker alone, each in a process of its own and as a multiple of its own bare call. */
export const question: Question = {
  id: 4,
  title: "breaker alone, on a successful async call",
  prepare: async () => {
    await mustOpen()
    const breaker = await made("bench")
    const ours = breaker.protect(bareCall)
    mustHold((await Effect.runPromise(ours)) === 1, "the breaker loses the answer")
    const other = await effect4()
    const ofCockatiel = circuitBreaker(handleAll, {
      halfOpenAfter: 30_000,
      breaker: new SamplingBreaker({ threshold: 0.5, duration: 30_000, minimumRps: 20 / 30 })
    })
    const ofOpossum = new Opossum(answerAtOnce, { timeout: false, volumeThreshold: 20 })
    return {
      reference: "bare call",
      cases: [
        { name: "bare call", run: inFiber(bareCall) },
        { name: "CircuitBreaker", run: inFiber(ours) },
        {
          name: "CircuitBreaker, made anew for each call",
          run: inFiber(Effect.suspend(() => breaker.protect(bareCall)))
        },
        other.measured("bare call in Effect 4.1", "bare call"),
        other.measured("CircuitBreaker.execute in Effect 4.1", "execute"),
        { name: "bare call, one runPromise each", run: enteredEach(bareCall) },
        { name: "CircuitBreaker, one runPromise each", run: enteredEach(ours) },
        { name: "bare promise", run: awaited(answerAtOnce) },
        { name: "cockatiel circuitBreaker", run: awaited(() => ofCockatiel.execute(answerAtOnce)) },
        { name: "opossum fire", run: awaited(() => ofOpossum.fire()) }
      ],
      comparisons: [
        {
          question: "breaker alone, multiples of the bare call",
          peer: "Effect 4.1 execute, if its bare call were ours",
          goal: 0.35,
          ours: (of) => of("CircuitBreaker").wall,
          theirs: (of) =>
            (of("CircuitBreaker.execute in Effect 4.1").wall / of("bare call in Effect 4.1").wall) *
            of("bare call").wall
        }
      ],
      afterwards: async () => {
        await other.end()
        const { calls, state } = await Effect.runPromise(breaker.snapshot)
        mustHold(state === "Closed" && calls === 100, "the breaker counted nothing")
      }
    }
  }
}
