import { Backoff, CircuitBreaker, Keyed, Outcome, Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Option, TestClock } from "effect"
import { Chance } from "../support/Chance.js"
import { Dependency, TooMany, Unavailable } from "../support/Dependency.js"
import { Listener } from "../support/Listener.js"
import { begin, during, retryAfterMillis } from "../support/Passing.js"
import { play, script } from "../support/Play.js"

const make = (options: CircuitBreaker.Options = {}) =>
  CircuitBreaker.make("payment", {
    tripPolicy: CircuitBreaker.consecutive(2),
    openDuration: "30 seconds",
    openJitter: 0,
    ...options
  })

const times = (n: number, self: Effect.Effect<unknown, unknown>) =>
  Effect.forEach(Array.from({ length: n }), () => Effect.exit(self), { discard: true })

const opened = (options: CircuitBreaker.Options = {}) =>
  Effect.tap(make(options), (breaker) => times(2, breaker.protect(new Unavailable({}))))

const none = { wouldReject: 0, ofThoseSucceeded: 0, ofThoseSlow: 0, ofThoseFailed: 0 }
const observed = (breaker: CircuitBreaker.CircuitBreaker) => Effect.map(breaker.snapshot, (seen) => seen.observed)

describe("isolate", () => {
  it.scoped("refuses every call for as long as one likes, and says that it was by hand", () =>
    Effect.gen(function* () {
      const breaker = yield* make()
      const payment = new Dependency()
      yield* breaker.isolate
      yield* TestClock.adjust("1 day")
      const refused = yield* Effect.flip(breaker.protect(payment.answers()))
      expect(refused).toMatchObject({ _tag: "CircuitOpen", state: "Isolated", reason: { _tag: "Isolated" } })
      expect(retryAfterMillis(refused)).toBeUndefined()
      expect(refused.message).toContain("is open (isolated by hand)")
      expect(payment.asked).toBe(0)
      yield* breaker.reset
      expect(yield* breaker.protect(payment.answers())).toBe("answer")
    })
  )

  it.scoped("lets calls under way go on; what they end with changes nothing", () =>
    Effect.gen(function* () {
      const breaker = yield* make({ tripPolicy: CircuitBreaker.consecutive(1) })
      const late = yield* begin(breaker.protect(Effect.zipRight(Effect.sleep("1 second"), new Unavailable({}))))
      yield* breaker.isolate
      yield* breaker.reset
      yield* TestClock.adjust("1 second")
      expect(yield* Fiber.await(late)).toEqual(Exit.fail(new Unavailable({})))
      expect(yield* breaker.snapshot).toMatchObject({ state: "Closed", calls: 0 })
    })
  )

  it.scoped("ends the retrying of a request that was let in before", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", {
        retry: { maxRetries: 5, backoff: Backoff.constant("1 second") }
      })
      const payment = script(new Unavailable({}))
      const call = yield* begin(policy.protect(payment.call))
      yield* Effect.flatMap(policy.circuitBreaker, (breaker) => breaker.isolate)
      yield* TestClock.adjust("8 seconds")
      expect(payment.at).toHaveLength(1)
      expect(yield* Fiber.await(call)).toEqual(Exit.fail(new Unavailable({})))
    })
  )
})

describe("disable", () => {
  it.scoped("lets every call through and counts it, and never opens", () =>
    Effect.gen(function* () {
      const breaker = yield* opened()
      const payment = new Dependency()
      yield* breaker.disable
      yield* times(5, breaker.protect(payment.fails()))
      yield* breaker.protect(payment.answers())
      expect(payment.asked).toBe(6)
      expect(yield* breaker.snapshot).toMatchObject({ state: "Disabled", calls: 2, failures: 1, failureRate: 0.5 })
    })
  )

  it.scoped("lets requests be repeated, those too that were let in before", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", {
        retry: { maxRetries: 3, backoff: Backoff.constant("1 second") },
        circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(1) }
      })
      const breaker = yield* Effect.orDie(policy.circuitBreaker)
      const early = script(new Unavailable({}))
      yield* begin(policy.protect(early.call))
      yield* breaker.disable
      const late = script(new Unavailable({}))
      yield* play(policy.protect(late.call), "3 seconds")
      expect([early.at.length, late.at.length]).toEqual([4, 4])
    })
  )
})

describe("reset", () => {
  it.scoped("closes an open circuit as if nothing had been counted, and frees a half-open one of its probes", () =>
    Effect.gen(function* () {
      const breaker = yield* opened()
      yield* breaker.reset
      expect(yield* breaker.snapshot).toMatchObject({ state: "Closed", calls: 0, openings: 0 })
      yield* times(2, breaker.protect(new Unavailable({})))
      yield* TestClock.adjust("30 seconds")
      const probe = yield* begin(breaker.protect(Effect.never))
      yield* breaker.reset
      yield* breaker.protect(Effect.void)
      yield* Fiber.interrupt(probe)
      expect(yield* breaker.snapshot).toMatchObject({ state: "Closed", calls: 1, failures: 0, probing: 0 })
    })
  )

  it.scoped("forgets what a closed circuit has counted", () =>
    Effect.gen(function* () {
      const breaker = yield* make()
      yield* times(1, breaker.protect(new Unavailable({})))
      yield* breaker.reset
      yield* times(1, breaker.protect(new Unavailable({})))
      expect(yield* breaker.snapshot).toMatchObject({ state: "Closed", failures: 1 })
    })
  )
})

describe("each control", () => {
  it.scoped("does what it does once: the second time changes nothing and is not reported", () => {
    const listener = new Listener()
    return Effect.gen(function* () {
      const breaker = yield* make()
      for (const control of [breaker.isolate, breaker.disable, breaker.observe, breaker.reset] as const) {
        yield* control
        const before = yield* breaker.snapshot
        yield* control
        expect(yield* breaker.snapshot).toEqual(before)
      }
      expect(listener.of("CircuitChanged").map(({ cause, from, to }) => [from, to, cause._tag])).toEqual([
        ["Closed", "Isolated", "Isolated"],
        ["Isolated", "Disabled", "Disabled"],
        ["Disabled", "Closed", "Observing"],
        ["Closed", "Closed", "Reset"]
      ])
    }).pipe(listener.hear)
  })

  it.scoped("comes after what the clock has made due", () => {
    const listener = new Listener()
    return Effect.gen(function* () {
      const breaker = yield* opened()
      yield* TestClock.adjust("40 seconds")
      yield* breaker.isolate
      expect(listener.of("CircuitChanged").map(({ at, from, to }) => [at, from, to])).toEqual([
        [0, "Closed", "Open"],
        [30_000, "Open", "HalfOpen"],
        [40_000, "HalfOpen", "Isolated"]
      ])
    }).pipe(listener.hear)
  })
})

describe("observe", () => {
  it.scoped("refuses nothing, and counts apart what it would have refused and what became of that", () =>
    Effect.gen(function* () {
      const slow = CircuitBreaker.slow({ threshold: 1, slowerThan: "1 second", window: CircuitBreaker.count(9) })
      const breaker = yield* make({ tripPolicy: CircuitBreaker.any(CircuitBreaker.consecutive(2), slow) })
      const payment = new Dependency()
      expect(yield* observed(breaker)).toEqual(Option.none())
      yield* breaker.observe
      expect(yield* observed(breaker)).toEqual(Option.some(none))
      yield* times(2, breaker.protect(payment.fails()))
      expect(yield* breaker.snapshot).toMatchObject({ state: "Open", openings: 1, retryAfter: Option.none() })
      yield* times(3, breaker.protect(payment.answers()))
      yield* times(2, breaker.protect(payment.fails()))
      yield* times(1, breaker.protect(payment.ask(new TooMany({}))))
      yield* during("1 second", breaker.protect(payment.ask(Effect.sleep("1 second"))))
      yield* begin(breaker.protect(payment.hangs()))
      expect(payment.asked).toBe(10)
      expect(yield* observed(breaker)).toEqual(
        Option.some({ wouldReject: 8, ofThoseSucceeded: 3, ofThoseSlow: 1, ofThoseFailed: 2 })
      )
      expect(yield* breaker.snapshot).toMatchObject({ state: "Open", openings: 1 })
    })
  )

  it.scoped("goes on by the calls that it would have let through: a probe closes it, others do not", () =>
    Effect.gen(function* () {
      const breaker = yield* opened()
      yield* breaker.observe
      yield* breaker.protect(Effect.void)
      expect(yield* breaker.state).toBe("Open")
      yield* TestClock.adjust("30 seconds")
      const probe = yield* begin(breaker.protect(Effect.sleep("5 seconds")))
      yield* times(2, breaker.protect(new Unavailable({})))
      expect(yield* breaker.snapshot).toMatchObject({ state: "HalfOpen", probing: 1 })
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(probe)
      expect(yield* breaker.state).toBe("Closed")
      expect(yield* observed(breaker)).toEqual(
        Option.some({ ...none, wouldReject: 3, ofThoseSucceeded: 1, ofThoseFailed: 2 })
      )
    })
  )

  it.scoped("goes on where a probe hangs: the next opening, over as well, is taken too", () =>
    Effect.gen(function* () {
      const breaker = yield* opened({ halfOpen: { timeout: "1 second" } })
      yield* breaker.observe
      yield* TestClock.adjust("30 seconds")
      yield* begin(breaker.protect(Effect.never))
      yield* TestClock.adjust("1 second")
      yield* breaker.protect(Effect.void)
      expect(yield* breaker.snapshot).toMatchObject({ state: "Open", openings: 2 })
      yield* TestClock.adjust("30 seconds")
      yield* breaker.protect(Effect.void)
      expect(yield* breaker.state).toBe("Closed")
      expect(yield* observed(breaker)).toMatchObject(Option.some({ wouldReject: 1 }))
    })
  )

  it.scoped("reports what it would have done under names of its own, that no alert on refusals hears", () => {
    const listener = new Listener()
    return Effect.gen(function* () {
      const breaker = yield* opened()
      yield* TestClock.adjust("10 seconds")
      yield* breaker.observe
      yield* breaker.protect(Effect.void)
      yield* TestClock.adjust("20 seconds")
      yield* breaker.protect(Effect.void)
      yield* times(2, breaker.protect(new Unavailable({})))
      yield* breaker.isolate
      const policy = "payment"
      const change = (from: string, to: string, cause: string, at: number, openFor = 0) =>
        expect.objectContaining({ policy, from, to, cause: expect.objectContaining({ _tag: cause }), at, openFor })
      expect(listener.of("CircuitChanged").slice(1)).toEqual([
        change("Open", "Closed", "Observing", 10_000),
        change("Closed", "Isolated", "Isolated", 30_000)
      ])
      expect(listener.of("ChangeObserved")).toEqual([
        change("Open", "HalfOpen", "Due", 30_000),
        change("HalfOpen", "Closed", "ProbesSucceeded", 30_000),
        change("Closed", "Open", "Consecutive", 30_000, 30_000)
      ])
      expect(listener.of("RejectionObserved")).toEqual([
        { _tag: "RejectionObserved", policy, at: 10_000, by: "circuit", retryAfter: 20_000 }
      ])
      expect(listener.of("CallRejected")).toEqual([])
    }).pipe(listener.hear)
  })

  it.scoped("ends with reset, isolate or disable, and a later one counts anew, without those still under way", () =>
    Effect.gen(function* () {
      const breaker = yield* make()
      for (const end of [breaker.reset, breaker.isolate, breaker.disable]) {
        yield* breaker.observe
        yield* times(2, breaker.protect(new Unavailable({})))
        const under = yield* begin(breaker.protect(Effect.sleep("1 second")))
        expect(yield* observed(breaker)).toMatchObject(Option.some({ wouldReject: 1 }))
        yield* end
        expect(yield* observed(breaker)).toEqual(Option.none())
        yield* breaker.observe
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(under)
        expect(yield* observed(breaker)).toEqual(Option.some(none))
        yield* breaker.reset
        yield* times(2, breaker.protect(new Unavailable({})))
        expect(yield* Effect.flip(breaker.protect(Effect.void))).toMatchObject({ state: "Open" })
        yield* breaker.reset
      }
    }).pipe(new Chance([0.5]).rule)
  )

  it.scoped("lets calls into a standard policy, and lets them be repeated, probes too", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", {
        retry: { maxRetries: 2, backoff: Backoff.constant(0) },
        circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(1), openDuration: "30 seconds", openJitter: 0 }
      })
      const breaker = yield* Effect.orDie(policy.circuitBreaker)
      yield* breaker.observe
      const payment = new Dependency()
      const call = () => play(policy.protect(payment.fails()), 1)
      yield* call()
      yield* call()
      expect([payment.asked, yield* breaker.state]).toEqual([6, "Open"])
      yield* TestClock.adjust("30 seconds")
      yield* call()
      expect([payment.asked, (yield* breaker.snapshot).openings]).toEqual([9, 2])
      expect(yield* observed(breaker)).toEqual(Option.some({ ...none, wouldReject: 1, ofThoseFailed: 1 }))
    })
  )

  it.scoped("settles a call that was let in against the circuit's will like any other, by hand too", () =>
    Effect.gen(function* () {
      const breaker = yield* opened()
      yield* breaker.observe
      const permit = yield* CircuitBreaker.acquire(breaker)
      yield* CircuitBreaker.settle(breaker, permit, Outcome.success)
      expect(yield* observed(breaker)).toEqual(Option.some({ ...none, wouldReject: 1, ofThoseSucceeded: 1 }))
    })
  )
})

describe("an instance of a Keyed that was set by hand", () => {
  it.scoped("stays, also where its circuit only observes", () =>
    Effect.gen(function* () {
      const tenants = yield* Keyed.make("tenants", { lookup: () => make(), capacity: 1, idleTimeToLive: "1 minute" })
      yield* tenants.protect("a")(Effect.void)
      for (const [, breaker] of yield* tenants.entries) yield* breaker.observe
      yield* tenants.protect("b")(Effect.void)
      yield* TestClock.adjust("1 hour")
      yield* tenants.protect("b")(Effect.void)
      expect((yield* tenants.entries).map(([key]) => key)).toEqual(["a"])
    })
  )
})
