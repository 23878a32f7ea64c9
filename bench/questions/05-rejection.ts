import { Bulkhead, CircuitBreaker } from "@effect-resilience/core"
import * as cockatiel from "cockatiel"
import { Duration, Effect, Fiber } from "effect"
import Opossum from "opossum"
import { type Case, type Comparison, mustHold, type Question } from "../harness/Question.js"
import {
  answerAtOnce,
  bareCall,
  caughtAwaiting,
  caughtInFiber,
  enteredEach,
  inFiber,
  lasting
} from "../subjects/Loops.js"

const never = (): Promise<number> => new Promise(() => {})
const refused = (): Promise<never> => Promise.reject(new Error("unavailable"))
const nothing = (): void => {}

/** What the peers say when they reject: that the circuit is open, or that there is no room. */
const rejection = /breaker is open|semaphore locked|capacity exceeded/i

const openCircuit = async () => {
  const breaker = await lasting(
    CircuitBreaker.make("bench", { tripPolicy: CircuitBreaker.consecutive(1), openDuration: "5 minutes" })
  )
  await Effect.runPromise(Effect.flip(breaker.protect(Effect.fail("unavailable"))))
  return breaker
}

/** Throws unless each rejection says how long there is left as of itself. */
const mustTellTheTime = async (breaker: CircuitBreaker.CircuitBreaker): Promise<void> => {
  const left = Effect.flatMap(Effect.flip(breaker.protect(bareCall)), (error) => error.retryAfter)
  const program = Effect.all([left, Effect.delay(left, "20 millis")])
  const [first, then] = await Effect.runPromise(program)
  mustHold(Duration.lessThan(then, first), "retryAfter stands still")
}

const fullBulkhead = async () => {
  const bulkhead = await lasting(Bulkhead.make("bench", { maxConcurrent: 1 }))
  const holder = Effect.runFork(bulkhead.protect(Effect.never))
  const error = await Effect.runPromise(Effect.flip(bulkhead.protect(bareCall)))
  mustHold(error._tag === "BulkheadFull", "the bulkhead is not full")
  return { bulkhead, emptied: () => Effect.runPromise(Fiber.interrupt(holder)) }
}

/** The peers, each rejecting whatever it is asked; a call counts itself if it is made all the same. */
const peers = async (call: () => Promise<number>) => {
  const circuit = cockatiel.circuitBreaker(cockatiel.handleAll, {
    halfOpenAfter: 300_000,
    breaker: new cockatiel.ConsecutiveBreaker(1)
  })
  await circuit.execute(refused).catch(nothing)
  const permits = cockatiel.bulkhead(1, 0)
  void permits.execute(never)
  const opossum = new Opossum(call, { timeout: false, resetTimeout: 300_000 })
  opossum.open()
  // A rejection counts as a failure there: it must be the capacity that rejects, not the circuit that it would open.
  const crowded = new Opossum((work: () => Promise<number>) => work(), {
    timeout: false,
    capacity: 1,
    volumeThreshold: Infinity
  })
  void crowded.fire(never)
  return {
    "cockatiel, open circuit": () => circuit.execute(call),
    "cockatiel, full bulkhead": () => permits.execute(call),
    "opossum, open circuit": () => opossum.fire(),
    "opossum, full bulkhead": () => crowded.fire(call)
  }
}

/** The same case with errors that know where they were made, and with errors that do not. */
const bothWays = (name: string, run: Case["run"]): ReadonlyArray<Case> => [
  { name, run },
  {
    name: `${name}, no stacks`,
    run: async (calls) => {
      const before = Error.stackTraceLimit
      Error.stackTraceLimit = 0
      await run(calls)
      Error.stackTraceLimit = before
    }
  }
]

const against = (what: "open circuit" | "full bulkhead", peer: "cockatiel" | "opossum"): Comparison => ({
  question: `a rejected call, ${what}`,
  peer,
  goal: 0.1,
  ours: (of) => of(what).wall,
  theirs: (of) => of(`${peer}, ${what}`).wall
})

/** A call that is rejected, and the rejection caught. */
export const question: Question = {
  id: 5,
  title: "a rejected call",
  prepare: async () => {
    let made = 0
    const counted = () => {
      made++
      return answerAtOnce()
    }
    const call = Effect.promise(counted)
    const breaker = await openCircuit()
    await mustTellTheTime(breaker)
    const { bulkhead, emptied } = await fullBulkhead()
    const ofCircuit = breaker.protect(call)
    const ofBulkhead = bulkhead.protect(call)
    const others = Object.entries(await peers(counted))
    for (const [name, other] of others) {
      const message = await other().then(nothing, (error: unknown) => String(error))
      mustHold(rejection.test(message ?? ""), `${name} answers with ${message}`)
    }
    return {
      reference: "bare call",
      cases: [
        { name: "bare call", run: inFiber(bareCall) },
        ...bothWays("open circuit", caughtInFiber(ofCircuit)),
        ...bothWays("full bulkhead", caughtInFiber(ofBulkhead)),
        { name: "open circuit, as an exit in a generator", run: inFiber(Effect.exit(ofCircuit)) },
        { name: "full bulkhead, as an exit in a generator", run: inFiber(Effect.exit(ofBulkhead)) },
        { name: "open circuit, one runPromise each", run: enteredEach(Effect.exit(ofCircuit)) },
        { name: "full bulkhead, one runPromise each", run: enteredEach(Effect.exit(ofBulkhead)) },
        ...others.flatMap(([name, other]) => bothWays(name, caughtAwaiting(other)))
      ],
      comparisons: [
        against("open circuit", "cockatiel"),
        against("open circuit", "opossum"),
        against("full bulkhead", "cockatiel"),
        against("full bulkhead", "opossum")
      ],
      afterwards: async () => {
        mustHold(made === 0, `${made} calls were made that should have been rejected`)
        mustHold((await Effect.runPromise(breaker.state)) === "Open", "the circuit did not stay open")
        await emptied()
        const { active } = await Effect.runPromise(bulkhead.snapshot)
        mustHold(active === 0, `${active} permits did not come back`)
      }
    }
  }
}
