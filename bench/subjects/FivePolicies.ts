import { Effect, Option } from "effect"
import { type Comparison, mustHold, type Question } from "../harness/Question.js"
import { measured, ofCockatiel, ofSeveral, ours, prove, stock } from "./Five.js"
import { answerAtOnce, awaited, bareCall, enteredEach, inFiber } from "./Loops.js"

const title = "bulkhead, breaker, retry, timeout, fallback on a successful async call"

/** One of the questions about the five policies together: all have the same cases, each has a goal of its own. */
export const aboutFive = (
  id: number,
  against: string,
  peer: "bare call" | "cockatiel wrap of five" | "stock operators",
  goal: number,
  deadline: "none" | "10 seconds" = "none"
): Question => ({
  id,
  title: `${title}, ${against}`,
  prepare: async () => {
    await prove()
    const { policy, protect } = await ours({ ...measured, deadline })
    const call = protect(bareCall)
    const stockFive = await stock(measured)
    const wrapped = ofCockatiel(measured)
    const several = ofSeveral(measured)
    const comparison: Comparison = {
      question: `${title}, ${against}`,
      peer,
      goal,
      ours: (of) => of("Policy.standard").wall,
      theirs: (of) => of(peer).wall
    }
    return {
      reference: "bare call",
      cases: [
        { name: "bare call", run: inFiber(bareCall) },
        { name: "Policy.standard", run: inFiber(call) },
        { name: "Policy.standard, made anew for each call", run: inFiber(Effect.suspend(() => protect(bareCall))) },
        { name: "stock operators", run: inFiber(stockFive(bareCall)) },
        { name: "bare call, one runPromise each", run: enteredEach(bareCall) },
        { name: "Policy.standard, one runPromise each", run: enteredEach(call) },
        { name: "bare promise", run: awaited(answerAtOnce) },
        { name: "cockatiel wrap of five", run: awaited(() => wrapped.execute(answerAtOnce)) },
        { name: "opossum, p-limit, p-retry, p-timeout", run: awaited(() => several(answerAtOnce)) }
      ],
      comparisons: [comparison],
      afterwards: async () => {
        const bulkhead = await Effect.runPromise(Option.getOrThrow(policy.bulkhead).snapshot)
        const circuit = await Effect.runPromise(Option.getOrThrow(policy.circuitBreaker).snapshot)
        mustHold(bulkhead.active === 0, `${bulkhead.active} permits did not come back`)
        mustHold(circuit.state === "Closed" && circuit.calls > 0, "the breaker counted nothing")
      }
    }
  }
})
