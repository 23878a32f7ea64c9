import { CircuitBreaker } from "@effect-resilience/core"
import { CircuitBreaker as Machine } from "@effect-resilience/machines"
import { Effect } from "effect"
import { type Case, type Comparison, mustHold, type Question } from "../harness/Question.js"
import { inFiber, lasting } from "../subjects/Loops.js"

const sizes = [100, 10_000, 100_000]
const [smallest = 0, ...larger] = sizes

/** One success among so many calls: not all of any window failed, so the circuit never opens. */
const successEvery = 50

const config = (size: number): Machine.Config => ({
  tripPolicy: {
    _tag: "Rate",
    threshold: 1,
    minimumCalls: size,
    window: { _tag: "Count", size, maxAgeMillis: 600_000 }
  },
  openMillis: () => 30_000,
  openJitter: 0,
  maxOpenMillis: 300_000,
  probes: 1,
  successThreshold: 1,
  probeTimeoutMillis: 30_000
})

const success: Machine.Outcome = { _tag: "Success", retryAfterMillis: 0, lastedMillis: 1 }
const failure: Machine.Outcome = { _tag: "Failure", retryAfterMillis: 0, lastedMillis: 1 }

/** Settles in a full window, with the machine alone. */
const settling = (size: number): { readonly subject: Case; readonly calls: () => number } => {
  const of = config(size)
  let state = Machine.initial(of)
  let told = 0
  const permit = { generation: 0, startedMillis: 0 }
  const settle = (): void => {
    const outcome = told++ % successEvery === 0 ? success : failure
    // Time goes on: 10,000 outcomes a second.
    state = Machine.settle(of, state, permit, outcome, Math.floor(told / 10))[1]
  }
  for (let calls = 0; calls < size; calls++) settle()
  const run = async (calls: number): Promise<void> => {
    for (let made = 0; made < calls; made++) settle()
  }
  return {
    subject: { name: `settle, ${size} outcomes`, run },
    calls: () => Machine.snapshot(of, state, Math.floor(told / 10)).calls
  }
}

const mustOpen = async (): Promise<void> => {
  const breaker = await lasting(
    CircuitBreaker.make("proved", {
      tripPolicy: CircuitBreaker.rate({ threshold: 1, window: CircuitBreaker.count(smallest), minimumCalls: smallest })
    })
  )
  const failing = breaker.protect(Effect.fail("unavailable"))
  for (let failures = 0; failures < smallest; failures++) await Effect.runPromise(Effect.flip(failing))
  mustHold((await Effect.runPromise(breaker.state)) === "Open", "a window of failures alone does not open the circuit")
}

/** Failing calls through a breaker whose window is full. */
const failing = async (size: number) => {
  const breaker = await lasting(
    CircuitBreaker.make(`bench-${size}`, {
      tripPolicy: CircuitBreaker.rate({ threshold: 1, window: CircuitBreaker.count(size), minimumCalls: size })
    })
  )
  let made = 0
  const unavailable = Effect.fail("unavailable")
  const work = Effect.suspend(() => (made++ % successEvery === 0 ? Effect.void : unavailable))
  const run = inFiber(Effect.ignore(breaker.protect(work)))
  await run(size)
  const { calls, state } = await Effect.runPromise(breaker.snapshot)
  mustHold(calls === size && state === "Closed", `the window of ${size} holds ${calls}`)
  const subject: Case = { name: `failing call, ${size} outcomes`, run }
  return { subject, state: breaker.state }
}

const flat = (what: "settle" | "failing call", size: number): Comparison => ({
  question: `${what}, a full window of ${size}`,
  peer: `a full window of ${smallest}`,
  goal: 2,
  ours: (of) => of(`${what}, ${size} outcomes`).wall,
  theirs: (of) => of(`${what}, ${smallest} outcomes`).wall
})

/** What a large window costs. */
export const question: Question = {
  id: 8,
  title: "settle and a failing call, by the size of a full window",
  prepare: async () => {
    await mustOpen()
    const settled = sizes.map(settling)
    const failed = await Promise.all(sizes.map(failing))
    return {
      reference: `settle, ${smallest} outcomes`,
      cases: [...settled, ...failed].map(({ subject }) => subject),
      comparisons: [...larger.map((size) => flat("settle", size)), ...larger.map((size) => flat("failing call", size))],
      afterwards: async () => {
        mustHold(
          settled.every(({ calls }, index) => calls() === sizes[index]),
          "a window is not full any more"
        )
        for (const { state } of failed) {
          mustHold((await Effect.runPromise(state)) === "Closed", "a circuit opened, and calls were rejected")
        }
      }
    }
  }
}
