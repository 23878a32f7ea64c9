import { Backoff, CircuitBreaker, Deadline, Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Option, TestClock } from "effect"
import { Chance } from "../support/Chance.js"
import { Declined, Dependency, Unavailable } from "../support/Dependency.js"
import { Listener } from "../support/Listener.js"
import { begin, ended, failureOf } from "../support/Passing.js"
import { play, script } from "../support/Play.js"

const partsOf = (policy: Policy.Standard) =>
  Effect.all({ circuit: policy.circuitBreaker, bulkhead: policy.bulkhead }).pipe(Effect.orDie)

const opensAfter = (failures: number): CircuitBreaker.Options => ({
  tripPolicy: CircuitBreaker.consecutive(failures),
  openDuration: "30 seconds",
  openJitter: 0
})

const retry = { maxRetries: 2, backoff: Backoff.constant("100 millis") }

const unavailable = Effect.fail(new Unavailable({}))

/** Opens the circuit without a call. */
const trip = (circuit: CircuitBreaker.CircuitBreaker) => Effect.exit(circuit.protect(new Unavailable({})))

/** A policy whose one permit is taken, with room for so many in line, and whose circuit has opened since. */
const crowdedAndOpen = (maxQueue: number) =>
  Effect.gen(function* () {
    const bulkhead = { maxConcurrent: 1, maxQueue }
    const policy = yield* Policy.standard("payment", {
      bulkhead,
      circuitBreaker: opensAfter(1),
      timeout: "5 seconds"
    })
    const parts = yield* partsOf(policy)
    yield* begin(policy.protect(Effect.never))
    yield* trip(parts.circuit)
    return { parts, policy }
  })

describe("the breaker stands outside the retry", () => {
  it.scoped("a request counts once, however often it was repeated", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", { circuitBreaker: opensAfter(2), retry })
      const { circuit } = yield* partsOf(policy)
      const payment = script(unavailable)
      yield* play(policy.protect(payment.call), "1 second")
      expect(payment.at).toEqual([0, 100, 200])
      expect(yield* circuit.snapshot).toMatchObject({ state: "Closed", calls: 1, failures: 1 })
      yield* play(policy.protect(payment.call), "1 second")
      expect(payment.at).toHaveLength(6)
      expect(yield* circuit.state).toBe("Open")
    })
  )

  it.scoped("a request that succeeds at last is a success", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", { circuitBreaker: opensAfter(2), retry })
      const { circuit } = yield* partsOf(policy)
      const payment = script<string, Unavailable>(unavailable, unavailable, Effect.succeed("paid"))
      expect((yield* play(policy.protect(payment.call), "1 second")).exit).toEqual(Exit.succeed("paid"))
      expect(yield* circuit.snapshot).toMatchObject({ calls: 1, failures: 0 })
    })
  )

  it.scoped("an open circuit is not retried", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", { circuitBreaker: opensAfter(1), retry })
      const { circuit } = yield* partsOf(policy)
      const payment = new Dependency()
      yield* trip(circuit)
      const played = yield* play(policy.protect(payment.answers()), "1 second")
      expect(failureOf(played.exit)).toMatchObject({ _tag: "CircuitOpen" })
      expect(played.at).toBe(0)
      expect(payment.asked).toBe(0)
    })
  )
})

describe("the timeout stands inside the retry", () => {
  it.scoped("each attempt has the whole of it, and one that reaches it is repeated", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", { timeout: "1 second", retry })
      const payment = script<string>(Effect.never, Effect.never, Effect.succeed("paid"))
      const played = yield* play(policy.protect(payment.call), "5 seconds")
      expect(payment.at).toEqual([0, 1_100, 2_200])
      expect(played).toMatchObject({ exit: Exit.succeed("paid"), at: 2_200 })
    })
  )

  it.scoped("after the last attempt the caller hears which limit it was", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", { timeout: "1 second", retry })
      const payment = new Dependency()
      const played = yield* play(policy.protect(payment.hangs()), "5 seconds")
      expect(failureOf(played.exit)).toMatchObject({ _tag: "TimedOut", policy: "payment" })
      expect(played.at).toBe(3_200)
      expect([payment.asked, payment.running]).toEqual([3, 0])
    })
  )
})

describe("the bulkhead stands outside the breaker", () => {
  it.scoped("one permit serves a request with all its attempts and waits", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", { bulkhead: { maxConcurrent: 1 }, retry })
      const call = yield* begin(policy.protect(unavailable))
      yield* TestClock.adjust("150 millis")
      expect(failureOf(yield* Effect.exit(policy.protect(Effect.void)))).toMatchObject({ _tag: "BulkheadFull" })
      yield* TestClock.adjust("50 millis")
      expect(failureOf(yield* ended(call))).toMatchObject({ _tag: "Unavailable" })
      expect(yield* policy.protect(Effect.succeed("through"))).toBe("through")
    })
  )

  it.scoped("its refusals say nothing of the dependency, and are not repeated", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", {
        bulkhead: { maxConcurrent: 1 },
        circuitBreaker: opensAfter(1),
        retry
      })
      const { circuit } = yield* partsOf(policy)
      const payment = new Dependency()
      yield* begin(policy.protect(payment.hangs()))
      const played = yield* play(policy.protect(payment.answers()), "1 second")
      expect(failureOf(played.exit)).toMatchObject({ _tag: "BulkheadFull", policy: "payment", limit: 1 })
      expect(played.at).toBe(0)
      expect(payment.asked).toBe(1)
      expect(yield* circuit.state).toBe("Closed")
    })
  )

  it.scoped("an open circuit is seen before the line: nobody waits to hear of it", () =>
    Effect.gen(function* () {
      const { parts, policy } = yield* crowdedAndOpen(5)
      const refused = yield* Effect.exit(policy.protect(Effect.void))
      expect(failureOf(refused)).toMatchObject({ _tag: "CircuitOpen" })
      expect(yield* parts.bulkhead.snapshot).toEqual({ active: 1, queued: 0, limit: 1 })
    })
  )

  it.scoped("of an open circuit and a full bulkhead the circuit is what a call is refused by", () =>
    Effect.gen(function* () {
      const { policy } = yield* crowdedAndOpen(0)
      expect(failureOf(yield* Effect.exit(policy.protect(Effect.void)))).toMatchObject({ _tag: "CircuitOpen" })
    })
  )

  it.scoped("a budget that has ended is seen before the line: nobody waits to hear of it", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", {
        bulkhead: { maxConcurrent: 1, maxQueue: 5 },
        timeout: "5 seconds"
      })
      const { bulkhead } = yield* Effect.all({ bulkhead: policy.bulkhead }).pipe(Effect.orDie)
      yield* begin(policy.protect(Effect.never))
      const late = Effect.zipRight(
        Effect.uninterruptible(Effect.sleep("1 second")),
        Effect.exit(policy.protect(Effect.void))
      )
      const caller = yield* Effect.fork(Effect.uninterruptible(Deadline.within(late, "request", 1000)))
      yield* TestClock.adjust("1 second")
      const refused = yield* Effect.flatMap(Fiber.join(caller), (exit) => exit).pipe(Effect.exit)
      expect(failureOf(refused)).toMatchObject({ _tag: "DeadlineExceeded", where: "before-start" })
      expect(yield* bulkhead.snapshot).toMatchObject({ queued: 0 })
    })
  )

  it.scoped("a half-open circuit whose probe is under way is seen before the line too", () =>
    Effect.gen(function* () {
      const bulkhead = { maxConcurrent: 1, maxQueue: 5 }
      const policy = yield* Policy.standard("payment", {
        bulkhead,
        circuitBreaker: opensAfter(1),
        timeout: "5 seconds"
      })
      const parts = yield* partsOf(policy)
      yield* trip(parts.circuit)
      yield* TestClock.adjust("30 seconds")
      yield* begin(policy.protect(Effect.never))
      const refused = yield* Effect.exit(policy.protect(Effect.void))
      expect(failureOf(refused)).toMatchObject({ _tag: "CircuitOpen", state: "HalfOpen" })
      expect(yield* parts.bulkhead.snapshot).toMatchObject({ queued: 0 })
    })
  )

  it.scoped(
    "who was in line when the circuit opened hears of it in turn, asks nothing, and gives the permit back",
    () =>
      Effect.gen(function* () {
        const bulkhead = { maxConcurrent: 1, maxQueue: 5 }
        const policy = yield* Policy.standard("payment", { bulkhead, circuitBreaker: opensAfter(1), retry: "none" })
        const parts = yield* partsOf(policy)
        const payment = new Dependency()
        yield* begin(policy.protect(Effect.zipRight(Effect.sleep("1 second"), unavailable)))
        const waiting = yield* Effect.forEach([1, 2, 3], () => begin(policy.protect(payment.answers())))
        yield* TestClock.adjust("1 second")
        for (const fiber of waiting) expect(failureOf(yield* ended(fiber))).toMatchObject({ _tag: "CircuitOpen" })
        expect(payment.asked).toBe(0)
        expect(yield* parts.bulkhead.snapshot).toEqual({ active: 0, queued: 0, limit: 1 })
      })
  )
})

describe("a half-open probe", () => {
  it.scoped("is one admission and one call: it is never repeated, and its failure reaches the caller", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", { circuitBreaker: opensAfter(1), retry })
      const { circuit } = yield* partsOf(policy)
      const payment = script(unavailable)
      yield* trip(circuit)
      yield* TestClock.adjust("30 seconds")
      const played = yield* play(policy.protect(payment.call), "10 seconds")
      expect(payment.at).toEqual([30_000])
      expect(played.at).toBe(30_000)
      expect(failureOf(played.exit)).toBeInstanceOf(Unavailable)
      expect(played.events).toContainEqual(expect.objectContaining({ _tag: "RetriesExhausted", reason: "circuit" }))
      expect(yield* circuit.snapshot).toMatchObject({ state: "Open", openings: 2 })
    })
  )

  it.scoped("is not repeated while other probes keep the circuit half-open either", () =>
    Effect.gen(function* () {
      const circuitBreaker = { ...opensAfter(1), halfOpen: { probes: 2, successThreshold: 3 } }
      const policy = yield* Policy.standard("payment", { circuitBreaker, retry, timeout: "5 seconds" })
      const { circuit } = yield* partsOf(policy)
      yield* trip(circuit)
      yield* TestClock.adjust("30 seconds")
      yield* begin(policy.protect(Effect.never))
      const payment = script(Effect.succeed("busy"))
      const busy = policy.with({ classify: () => ({ _tag: "Ignored", transient: true, retryAfter: Option.none() }) })
      const played = yield* play(busy.protect(payment.call), "1 second")
      expect(payment.at).toEqual([30_000])
      expect(played.at).toBe(30_000)
      expect(yield* circuit.state).toBe("HalfOpen")
    })
  )
})

describe("a probe that nobody can stop", () => {
  it.scoped("is given up on at the next call, which is told of the new opening although it would have to wait", () => {
    const listener = new Listener()
    const chance = new Chance([0.5])
    return Effect.gen(function* () {
      const circuitBreaker = { ...opensAfter(1), halfOpen: { timeout: "5 seconds" } } as const
      const bulkhead = { maxConcurrent: 1, maxQueue: 5 }
      const policy = yield* Policy.standard("payment", { circuitBreaker, bulkhead, deadline: "5 seconds" })
      const { circuit } = yield* partsOf(policy)
      yield* trip(circuit)
      yield* TestClock.adjust("30 seconds")
      yield* begin(policy.protect(Effect.uninterruptible(Effect.sleep("1 minute"))))
      yield* TestClock.adjust("7 seconds")
      const { drawn } = chance
      for (const _ of [1, 2]) {
        const refused = failureOf(yield* Effect.exit(policy.protect(Effect.void)))
        expect(refused).toMatchObject({ _tag: "CircuitOpen", state: "Open", reason: { _tag: "ProbeTimedOut" } })
      }
      expect(chance.drawn - drawn).toBe(1)
      expect(listener.of("CircuitChanged").map(({ at, to }) => [at, to])).toEqual([
        [0, "Open"],
        [30_000, "HalfOpen"],
        [35_000, "Open"]
      ])
      yield* TestClock.adjust("1 minute")
    }).pipe(chance.rule, listener.hear)
  })
})

describe("the retry asks the breaker before every repetition", () => {
  it.scoped("it stops with the last error when others have opened the circuit meanwhile", () =>
    Effect.gen(function* () {
      const slow = { maxRetries: 5, backoff: Backoff.constant("1 second") }
      const policy = yield* Policy.standard("payment", { circuitBreaker: opensAfter(1), retry: slow })
      const { circuit } = yield* partsOf(policy)
      const payment = script(unavailable)
      const played = yield* Effect.fork(play(policy.protect(payment.call), "10 seconds"))
      yield* TestClock.adjust("500 millis")
      yield* trip(circuit)
      const { at, events, exit } = yield* Fiber.join(played)
      expect(payment.at).toEqual([0])
      expect(at).toBe(1_000)
      expect(failureOf(exit)).toBeInstanceOf(Unavailable)
      expect(events).toContainEqual({
        _tag: "RetriesExhausted",
        policy: "payment",
        at: 1_000,
        attempts: 1,
        reason: "circuit",
        error: "Unavailable"
      })
    })
  )

  it.scoped("also when the circuit has opened and closed again: the request belongs to the time before", () =>
    Effect.gen(function* () {
      const circuitBreaker = { ...opensAfter(1), openDuration: "1 second" } as const
      const slow = { maxRetries: 5, backoff: Backoff.constant("3 seconds") }
      const policy = yield* Policy.standard("payment", { circuitBreaker, retry: slow })
      const { circuit } = yield* partsOf(policy)
      const payment = script(unavailable)
      const call = yield* begin(policy.protect(payment.call))
      yield* trip(circuit)
      yield* TestClock.adjust("1 second")
      yield* circuit.protect(Effect.void)
      expect(yield* circuit.state).toBe("Closed")
      yield* TestClock.adjust("2 seconds")
      expect(failureOf(yield* ended(call))).toBeInstanceOf(Unavailable)
      expect(payment.at).toEqual([0])
      expect(yield* circuit.snapshot).toMatchObject({ state: "Closed", calls: 0, failures: 0 })
    })
  )

  it.scoped("and goes on while the circuit stays closed, whatever else fails", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", { circuitBreaker: opensAfter(10), retry })
      const { circuit } = yield* partsOf(policy)
      const payment = script(unavailable)
      const call = yield* begin(policy.protect(payment.call))
      yield* trip(circuit)
      yield* TestClock.adjust("200 millis")
      expect(failureOf(yield* ended(call))).toBeInstanceOf(Unavailable)
      expect(payment.at).toEqual([0, 100, 200])
    })
  )
})

describe("what is not transient is not repeated", () => {
  it.scoped("a declined charge is charged once, and counts as a failure until somebody says otherwise", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", { circuitBreaker: opensAfter(2), retry })
      const { circuit } = yield* partsOf(policy)
      const payment = script(Effect.fail(new Declined({ reason: "no funds" })))
      yield* play(policy.protect(payment.call), "1 second")
      expect(payment.at).toEqual([0])
      expect(yield* circuit.snapshot).toMatchObject({ calls: 1, failures: 1 })
    })
  )
})
