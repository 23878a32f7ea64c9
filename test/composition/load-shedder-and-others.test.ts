/** What the order of a load shedder and another policy decides: whether a refusal costs the other something. */
import {
  Backoff,
  Bulkhead,
  CircuitBreaker,
  Deadline,
  LoadShedder,
  Policy,
  Retry,
  Timeout
} from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import { Dependency, Unavailable } from "../support/Dependency.js"
import { begin, during, failureOf } from "../support/Passing.js"

const parts = Effect.all({
  shedder: LoadShedder.make("shedder", { capacity: 1, maxWaiting: 0 }),
  patient: LoadShedder.make("patient", { capacity: 1, target: "1 minute", interval: "1 minute" }),
  retry: Retry.make("retry", { maxRetries: 2, backoff: Backoff.constant("1 second") }),
  breaker: CircuitBreaker.make("breaker", { tripPolicy: CircuitBreaker.consecutive(1), openDuration: "1 hour" }),
  timeout: Timeout.make("timeout", { duration: "1 second" }),
  bulkhead: Bulkhead.make("bulkhead", { maxConcurrent: 1 }),
  budget: Deadline.make("deadline", "1 second")
})

describe("load shedder and retry", () => {
  it.scoped("either way round, a request that was shed is not tried again", () =>
    Effect.gen(function* () {
      for (const isOutside of [true, false]) {
        const { retry, shedder } = yield* parts
        yield* begin(shedder.protect(Effect.never))
        const dependency = new Dependency()
        const policy = isOutside ? Policy.all(shedder, retry) : Policy.all(retry, shedder)
        const exit = yield* Effect.exit(policy.protect(dependency.answers()))
        expect(failureOf(exit)).toMatchObject({ _tag: "Shed", reason: "Full" })
        expect(dependency.asked).toBe(0)
      }
    })
  )

  it.scoped("retry inside: a request keeps its place while it waits to try again; outside: it is free", () =>
    Effect.gen(function* () {
      for (const [isOutside, inFlight] of [
        [true, 1],
        [false, 0]
      ] as const) {
        const { retry, shedder } = yield* parts
        const policy = isOutside ? Policy.all(shedder, retry) : Policy.all(retry, shedder)
        yield* begin(policy.protect(Effect.fail(new Unavailable({}))))
        yield* TestClock.adjust("500 millis")
        expect(yield* shedder.snapshot).toMatchObject({ inFlight })
      }
    })
  )
})

describe("load shedder and breaker", () => {
  it.scoped("either way round, what was shed is no failure", () =>
    Effect.gen(function* () {
      for (const isOutside of [true, false]) {
        const { breaker, shedder } = yield* parts
        yield* begin(shedder.protect(Effect.never))
        const policy = isOutside ? Policy.all(shedder, breaker) : Policy.all(breaker, shedder)
        expect(failureOf(yield* Effect.exit(policy.protect(Effect.void)))).toMatchObject({ _tag: "Shed" })
        expect(yield* breaker.snapshot).toMatchObject({ state: "Closed", calls: 0 })
      }
    })
  )
})

describe("load shedder and timeout", () => {
  it.scoped("timeout outside: the wait in line is in the limit; inside: it is not", () =>
    Effect.gen(function* () {
      for (const [isOutside, asked] of [
        [true, 0],
        [false, 1]
      ] as const) {
        const { patient, timeout } = yield* parts
        yield* begin(patient.protect(Effect.sleep("5 seconds")))
        const dependency = new Dependency()
        const policy = isOutside ? Policy.all(timeout, patient) : Policy.all(patient, timeout)
        yield* during("5 seconds", policy.protect(dependency.answers()))
        expect(dependency.asked).toBe(asked)
        expect(yield* patient.snapshot).toMatchObject({ inFlight: 0, waiting: 0 })
      }
    })
  )
})

describe("load shedder and bulkhead", () => {
  it.scoped("bulkhead outside: who waits in the shedder's line holds a permit; inside: none", () =>
    Effect.gen(function* () {
      for (const [isOutside, active] of [
        [true, 1],
        [false, 0]
      ] as const) {
        const { bulkhead, patient } = yield* parts
        yield* begin(patient.protect(Effect.never))
        const policy = isOutside ? Policy.all(bulkhead, patient) : Policy.all(patient, bulkhead)
        yield* begin(policy.protect(Effect.void))
        expect(yield* bulkhead.snapshot).toMatchObject({ active })
      }
    })
  )
})

describe("load shedder and deadline", () => {
  it.scoped(
    "deadline outside: a request that it would not let end in time is refused; inside: nobody knows of it",
    () =>
      Effect.gen(function* () {
        const { budget } = yield* parts
        const slow = yield* LoadShedder.make("slow", { capacity: 1, minServiceTime: "2 seconds" })
        const dependency = new Dependency()
        const known = yield* Effect.exit(Policy.all(budget, slow).protect(dependency.hangs()))
        expect(failureOf(known)).toMatchObject({ _tag: "Shed", reason: "Deadline" })
        expect(dependency.asked).toBe(0)
        const unknown = yield* during("1 second", Policy.all(slow, budget).protect(dependency.hangs()))
        expect(failureOf(unknown)).toMatchObject({ _tag: "DeadlineExceeded" })
        expect(dependency.asked).toBe(1)
      })
  )
})
