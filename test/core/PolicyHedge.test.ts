/** A hedge in a standard policy: where it stands, and what the layers around it make of its copies. */
import { Backoff, CircuitBreaker, Hedge, Outcome, Policy, RetryBudget, Telemetry } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Option, Random, TestClock } from "effect"
import { Dependency } from "../support/Dependency.js"
import { Listener } from "../support/Listener.js"
import { begin, during, failureOf } from "../support/Passing.js"

const hedge = { delay: "100 millis", idempotent: true, budget: "none" } as const
const noRetry = { retry: "none", retryBudget: "none" } as const
const after = (millis: number) => Effect.as(Effect.sleep(millis), millis)

/** What the attempts of a call do, the first first; the last for all that come after. */
const attempts = <A, E>(dependency: Dependency, ...each: ReadonlyArray<Effect.Effect<A, E>>) =>
  Effect.suspend(() => {
    const one = each[Math.min(dependency.asked, each.length - 1)]
    return dependency.ask(one ?? Effect.dieMessage("no such attempt"))
  })

const stateOf = (policy: Policy.Standard) =>
  Effect.map(Option.getOrThrow(policy.circuitBreaker).snapshot, ({ state }) => ({ state }))

describe("the hedge of a standard policy", () => {
  it.scoped("gives each copy the limit of an attempt, and counts them together as one call", () => {
    const listener = new Listener()
    const calls: Array<Telemetry.Event> = []
    return Effect.gen(function* () {
      const dependency = new Dependency()
      const policy = yield* Policy.standard("api", { ...noRetry, timeout: "250 millis", hedge })
      const exit = yield* during(350, Effect.exit(policy.protect(dependency.hangs())))
      expect(failureOf(Exit.flatten(exit))).toMatchObject({ _tag: "TimedOut" })
      expect([dependency.asked, dependency.running]).toEqual([2, 0])
      expect(listener.of("CallTimedOut").map(({ limit }) => limit)).toEqual([250, 250])
      expect(yield* during(120, policy.protect(attempts(new Dependency(), Effect.never, after(20))))).toEqual(
        Exit.succeed(20)
      )
      const settled = calls.filter(({ _tag }) => _tag === "CallSettled" || _tag === "AttemptSettled")
      expect(settled).toMatchObject([
        { _tag: "AttemptSettled", attempt: 1, status: "timeout", duration: 250 },
        { _tag: "CallSettled", status: "timeout", attempts: 2, duration: 350, lastAttempt: 250, counted: "failure" },
        { _tag: "AttemptSettled", attempt: 1, status: "cancelled", duration: 120 },
        { _tag: "CallSettled", status: "ok", attempts: 2, duration: 120, lastAttempt: 20, counted: "success" }
      ])
      expect((yield* Option.getOrThrow(policy.bulkhead).snapshot).active).toBe(0)
    }).pipe(listener.hear, Effect.provide(Telemetry.layer((event) => calls.push(event), { calls: true })))
  })

  it.scoped("hedges every attempt of a retry, (1 + retries) * (1 + hedges) at most", () =>
    Effect.gen(function* () {
      const dependency = new Dependency()
      const policy = yield* Policy.standard("api", {
        retry: { maxRetries: 2, backoff: Backoff.constant(0) },
        retryBudget: "none",
        circuitBreaker: "none",
        hedge: { ...hedge, maxHedges: 2 }
      })
      yield* Effect.exit(policy.protect(dependency.fails()))
      expect(dependency.asked).toBe(9)
      expect(Policy.explain("api", { retry: { maxRetries: 2 }, hedge: { ...hedge, maxHedges: 2 } }).attempts).toBe(9)
    })
  )

  it.scoped("makes no copy of what may not be repeated", () =>
    Effect.gen(function* () {
      const dependency = new Dependency()
      const policy = yield* Policy.standard("api", { ...noRetry, hedge })
      const once = policy.with({ repeatable: false })
      yield* during(200, once.protect(dependency.ask(after(200))))
      yield* during(200, once.with({ operation: "charge" }).protect(dependency.ask(after(200))))
      expect(dependency.asked).toBe(2)
      yield* during(200, once.with({ repeatable: true }).protect(dependency.ask(after(200))))
      expect(dependency.asked).toBe(4)
    })
  )

  it.scoped("shares the policy's budget for retries, also where there are none", () => {
    const listener = new Listener()
    return Effect.gen(function* () {
      const dependency = new Dependency()
      const { budget: _, ...sharing } = hedge
      const retryBudget = { ratio: 0, minPerSecond: 1, ttl: "3 seconds" } as const
      const policy = yield* Policy.standard("api", { retry: "none", retryBudget, hedge: sharing })
      const slow = Effect.forEach([1, 2, 3, 4, 5], () => policy.protect(dependency.ask(after(150))), {
        concurrency: "unbounded"
      })
      yield* during(150, slow)
      expect(dependency.asked).toBe(8)
      expect((yield* Option.getOrThrow(policy.retryBudget).snapshot).available).toBe(0)
      expect(listener.of("HedgeSettled").filter(({ reason }) => reason === "budget")).toHaveLength(2)
      const own = yield* Policy.standard("own", { retry: "none", hedge: { ...sharing, budget: { ratio: 1 } } })
      expect(Option.isNone(own.retryBudget)).toBe(true)
      const shared = yield* RetryBudget.make("shared", { ratio: 0, minPerSecond: 0 })
      const paid = yield* Policy.standard("paid", { ...noRetry, hedge: { ...hedge, budget: shared } })
      yield* during(150, paid.protect(dependency.ask(after(150))))
      expect(dependency.asked).toBe(9)
    }).pipe(listener.hear)
  })

  it.scoped("tells a budget of the hedge's own of every attempt, as a hedge that stands alone does", () =>
    Effect.gen(function* () {
      const half = { ...hedge, budget: { ratio: 0.5, minPerSecond: 0 } } as const
      const ten = <A, E>(call: Effect.Effect<A, E>) =>
        during(150, Effect.replicateEffect(call, 10, { concurrency: "unbounded" }))
      const copiesUnder = (policy: Policy.Policy<unknown>) => {
        const dependency = new Dependency()
        return Effect.map(ten(policy.protect(dependency.ask(after(150)))), () => dependency.asked - 10)
      }
      expect(yield* copiesUnder(yield* Hedge.make("alone", half))).toBe(5)
      expect(yield* copiesUnder(yield* Policy.standard("own", { ...noRetry, hedge: half }))).toBe(5)
      expect(yield* copiesUnder(yield* Policy.standard("beside retries", { hedge: half }))).toBe(5)
      const shared = yield* RetryBudget.make("shared", { ratio: 0.5, minPerSecond: 0 })
      const once = { retryBudget: shared, hedge: { ...hedge, budget: shared } }
      expect(yield* copiesUnder(yield* Policy.standard("shared", once))).toBe(5)
    })
  )

  it.scoped("gives tokens back that a copy has taken, once the call has succeeded", () =>
    Effect.gen(function* () {
      const tokens = yield* RetryBudget.make("tokens", RetryBudget.tokens({ capacity: 20, cost: 5 }))
      const available = Effect.map(tokens.snapshot, ({ available: left }) => left)
      const { budget: _, ...sharing } = hedge
      const shared = yield* Policy.standard("shared", { retry: "none", retryBudget: tokens, hedge: sharing })
      const own = yield* Policy.standard("own", { ...noRetry, hedge: { ...hedge, budget: tokens } })
      for (const policy of [shared, own]) {
        const call = yield* begin(policy.protect(after(150)))
        yield* TestClock.adjust(100)
        expect(yield* available).toBe(3)
        yield* TestClock.adjust(50)
        expect(yield* Fiber.join(call)).toBe(150)
        expect(yield* available).toBe(4)
      }
    })
  )

  it.scoped("makes no copy of a probe, nor while the throttle refuses", () => {
    const listener = new Listener()
    return Effect.gen(function* () {
      const dependency = new Dependency()
      const policy = yield* Policy.standard("api", {
        ...noRetry,
        circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(1), openDuration: "1 second", openJitter: 0 },
        hedge
      })
      yield* during(1000, Effect.exit(policy.protect(Effect.die("a bug"))))
      expect(yield* during(200, policy.protect(dependency.ask(after(200))))).toEqual(Exit.succeed(200))
      expect([dependency.asked, (yield* stateOf(policy)).state]).toEqual([1, "Closed"])
      const throttled = yield* Policy.standard("api", {
        ...noRetry,
        circuitBreaker: "none",
        throttle: { maxRejection: 0.5 },
        hedge
      })
      const refusing = Effect.withRandom(Random.fixed([0.99]))
      const ill = { classify: () => Outcome.failure({ transient: true }) }
      yield* throttled
        .with({ ...ill, repeatable: false })
        .protect(Effect.void)
        .pipe(refusing, Effect.replicateEffect(3))
      yield* during(200, throttled.protect(dependency.ask(after(200))).pipe(refusing))
      expect(dependency.asked).toBe(2)
      expect(listener.of("HedgeSettled").map(({ reason }) => reason)).toEqual(["circuit", "throttle"])
    }).pipe(listener.hear)
  })

  it.scoped("takes a permit of the rate limit for each copy, and waits for the others where there is none", () =>
    Effect.gen(function* () {
      const dependency = new Dependency()
      const rateLimit = { limit: 3, window: "1 hour" } as const
      const policy = yield* Policy.standard("api", { ...noRetry, rateLimit, hedge })
      const slow = () => during(150, policy.protect(dependency.ask(after(150))))
      expect([yield* slow(), yield* slow()]).toEqual([Exit.succeed(150), Exit.succeed(150)])
      expect(dependency.asked).toBe(3)
      expect(failureOf(yield* Effect.exit(policy.protect(dependency.answers())))).toMatchObject({ _tag: "RateLimited" })
      expect((yield* stateOf(policy)).state).toBe("Closed")
    })
  )

  it.scoped("keeps the permit until its losers have ended, and counts a call that is given up by its first copy", () =>
    Effect.gen(function* () {
      const circuitBreaker = { tripPolicy: CircuitBreaker.consecutive(1), patience: "150 millis" } as const
      const policy = yield* Policy.standard("api", {
        ...noRetry,
        circuitBreaker,
        bulkhead: { maxConcurrent: 1 },
        hedge
      })
      const bulkhead = Option.getOrThrow(policy.bulkhead)
      const closing = Effect.onInterrupt(Effect.never, () => Effect.sleep("1 second"))
      const call = policy.protect(attempts<number, never>(new Dependency(), closing, after(10)))
      const going = yield* begin(Effect.zipRight(call, Effect.never))
      yield* TestClock.adjust("110 millis")
      expect((yield* bulkhead.snapshot).active).toBe(1)
      yield* TestClock.adjust("1 second")
      expect((yield* bulkhead.snapshot).active).toBe(0)
      yield* Fiber.interrupt(going)
      const impatient = yield* begin(policy.protect(Effect.never))
      yield* TestClock.adjust("149 millis")
      yield* Fiber.interrupt(impatient)
      expect((yield* stateOf(policy)).state).toBe("Closed")
      const patient = yield* begin(policy.protect(Effect.never))
      yield* TestClock.adjust("150 millis")
      yield* Fiber.interrupt(patient)
      expect((yield* stateOf(policy)).state).toBe("Open")
    })
  )

  it.scoped("publishes its budget of time to the copies, and ends with it", () =>
    Effect.gen(function* () {
      const dependency = new Dependency()
      const policy = yield* Policy.standard("api", { ...noRetry, deadline: "1 second", timeout: "950 millis", hedge })
      const exit = yield* during("1 second", Effect.exit(policy.protect(dependency.hangs())))
      expect(failureOf(Exit.flatten(exit))).toMatchObject({ _tag: "DeadlineExceeded", where: "in-flight" })
      expect([dependency.asked, dependency.running]).toEqual([2, 0])
    })
  )

  it.scoped("is there to be looked at", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("api", { hedge })
      expect(Option.exists(policy.hedge, Hedge.isHedge)).toBe(true)
      expect(Option.isNone((yield* Policy.standard("api")).hedge)).toBe(true)
    })
  )
})

describe("an explanation", () => {
  it("has the hedge where it stands, and reckons with its copies", () => {
    const { budget: _, ...sharing } = hedge
    const told = Policy.explain("api", {
      timeout: "1 second",
      retry: { maxRetries: 1, backoff: Backoff.constant(0) },
      hedge: sharing,
      throttle: {}
    })
    expect(told.layers.slice(-5).map(({ layer }) => layer)).toEqual([
      "retry",
      "retry budget",
      "hedge",
      "throttle",
      "timeout"
    ])
    expect(told.layers.find(({ layer }) => layer === "hedge")?.does).toBe("a second copy after 100ms")
    expect(told).toMatchObject({
      attempts: 4,
      unboundedMillis: 2200,
      expected: { attempts: 4, millis: 2200 },
      traps: []
    })
    const learned = {
      ...hedge,
      maxHedges: 2,
      delay: { quantile: 0.95, initial: "50 millis", max: "100 millis" }
    } as const
    const told2 = Policy.explain("api", { timeout: "1 second", retry: "none", hedge: learned })
    expect(told2.layers.find(({ layer }) => layer === "hedge")?.does).toBe(
      "up to 2 more copies, each after as long as 0.95 of the calls take, at first 50ms"
    )
    expect(told2).toMatchObject({ attempts: 3, retries: 0, unboundedMillis: 1200 })
  })

  it("finds a hedge that comes too late, that is not idempotent, that outgrows the pool, and nested retries of it", () => {
    const late = Policy.explain("api", { timeout: "1 second", hedge: { ...hedge, delay: "1 second" } })
    expect(late.traps).toMatchObject([{ rule: "hedge", severity: "warning" }])
    const learned = { ...hedge, delay: { quantile: 0.9, initial: "1 second", min: "1 second" } } as const
    expect(Policy.explain("api", { timeout: "1 second", hedge: learned }).traps).toMatchObject([{ rule: "hedge" }])
    const twice = Policy.explain("api", { retry: "none", hedge, idempotent: false })
    expect(twice.traps).toMatchObject([{ rule: "not-idempotent", severity: "error" }])
    const pool = { pool: { name: "sockets", size: 60 }, bulkhead: { maxConcurrent: 50 } } as const
    expect(Policy.explain("api", { retry: "none", ...pool }).traps).toEqual([])
    expect(Policy.explain("api", { retry: "none", hedge, ...pool }).traps).toMatchObject([
      { rule: "pool", fix: "set bulkhead.maxConcurrent to at most 30" }
    ])
    const nested = Policy.explain("api", { retry: { maxRetries: 1 }, hedge }, { outerRetries: 2 })
    expect(nested.traps.find(({ rule }) => rule === "amplification")?.message).toContain(
      "2 retries around 1 retries of 2 copies each: one request can become 12 calls"
    )
  })

  it("is refused with all options that are out of range", () => {
    const wrong = { ...hedge, delay: { quantile: -1, initial: 0 }, maxHedges: 0 }
    const options = ["hedge.delay.quantile", "hedge.delay.initial", "hedge.maxHedges"]
    expect(() => Policy.explain("api", { hedge: wrong })).toThrow(
      expect.objectContaining({ problems: options.map((option) => expect.objectContaining({ option })) })
    )
  })
})
