import { CircuitBreaker, Keyed } from "@effect-resilience/core"
import { Effect, Exit, Scope } from "effect"
import { type Case, mustHold, type Question } from "../harness/Question.js"

const keys = 100_000
const allowed = 400

const heap = (): number => {
  if (globalThis.gc === undefined) throw new Error("needs --expose-gc")
  globalThis.gc()
  return process.memoryUsage().heapUsed
}

/** What each key keeps alive, in bytes of heap; `fill` gives what holds the keys, and `drop` lets go of it. */
const grown = <A>(
  name: string,
  fill: (count: number) => Promise<A>,
  sound: (filled: A, count: number) => Promise<void>,
  drop: (filled: A) => Promise<void>
): Case => {
  const cost = async (count: number) => {
    const before = heap()
    const cpuBefore = process.cpuUsage()
    const filled = await fill(count)
    const { system, user } = process.cpuUsage(cpuBefore)
    const after = heap()
    await sound(filled, count)
    await drop(filled)
    return { wall: (after - before) / count, cpu: ((user + system) * 1000) / count }
  }
  return { name, calls: keys, cold: true, run: cost, cost }
}

// A join of numbers and letters would be two strings; flattened, a key is what it is when it comes from a request.
const keyOf = (index: number): string => Buffer.from(`tenant-${index}`).toString()

const nothing = async (): Promise<void> => {}

const entries = grown(
  "key and entry of a Map",
  async (count) => {
    const held = new Map<string, number>()
    for (let index = 0; index < count; index++) held.set(keyOf(index), index)
    return held
  },
  async (held, count) => mustHold(held.size === count, "the map lost keys"),
  nothing
)

const make = (capacity: number) =>
  Keyed.make("bench", {
    lookup: (key: string) => CircuitBreaker.make(key, { tripPolicy: CircuitBreaker.consecutive(5) }),
    capacity,
    idleTimeToLive: "1 hour"
  })

/** A keyed breaker, filled by one call for each key. */
const keyedBreakers = grown(
  "Keyed circuit breaker",
  async (count) => {
    const scope = await Effect.runPromise(Scope.make())
    const keyed = await Effect.runPromise(Scope.extend(make(count), scope))
    const calls = Effect.gen(function* () {
      for (let index = 0; index < count; index++) yield* keyed.protect(keyOf(index))(Effect.void)
    })
    await Effect.runPromise(calls)
    return { scope, keyed }
  },
  async ({ keyed }, count) => {
    const { size } = await Effect.runPromise(keyed.snapshot)
    mustHold(size === count, `${size} breakers are kept for ${count} keys`)
    const failing = keyed.protect(keyOf(1))(Effect.fail("unavailable"))
    for (let failures = 0; failures < 5; failures++) await Effect.runPromise(Effect.flip(failing))
    const refused = await Effect.runPromise(Effect.flip(failing))
    mustHold(refused !== "unavailable", "the circuit of a key does not open")
    const other = await Effect.runPromise(Effect.either(keyed.protect(keyOf(2))(Effect.succeed(1))))
    mustHold(other._tag === "Right", "one key's circuit rejects the calls of another")
  },
  ({ scope }) => Effect.runPromise(Scope.close(scope, Exit.void))
)

/** What 100,000 keys keep on the heap, each after one call. */
export const question: Question = {
  id: 9,
  title: `heap per keyed breaker at ${keys} keys, in bytes`,
  unit: "bytes",
  prepare: async () => {
    for (const subject of [entries, keyedBreakers]) await subject.run(1000)
    return {
      reference: entries.name,
      cases: [entries, keyedBreakers],
      mostRounds: { quick: 1, thorough: 2 },
      comparisons: [
        {
          question: `heap per keyed breaker at ${keys} keys, in bytes`,
          peer: `${allowed} bytes`,
          goal: 1,
          ours: (of) => of(keyedBreakers.name).wall,
          theirs: () => allowed
        }
      ]
    }
  }
}
