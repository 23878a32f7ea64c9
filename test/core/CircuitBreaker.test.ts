import { CircuitBreaker, Outcome } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Duration, Effect, Exit, Fiber, Option, TestClock } from "effect"
import { Declined, Dependency, Unavailable } from "../support/Dependency.js"
import { Listener } from "../support/Listener.js"
import { begin, failureOf, retryAfterMillis } from "../support/Passing.js"

/** Opens for exactly 30 seconds. */
const make = (tripPolicy: CircuitBreaker.TripPolicy, options: CircuitBreaker.Options = {}) =>
  CircuitBreaker.make("payment", { tripPolicy, openDuration: "30 seconds", openJitter: 0, ...options })

const times = (n: number, self: Effect.Effect<unknown, unknown>) =>
  Effect.forEach(Array.from({ length: n }), () => Effect.exit(self), { discard: true })

describe("a closed circuit", () => {
  it.scoped("hands back what the call gave, unchanged: a value, an error, a defect", () =>
    Effect.gen(function* () {
      const breaker = yield* make(CircuitBreaker.consecutive(10))
      const value = { id: 1 }
      const error = new Declined({ reason: "no funds" })
      const defect = new Error("a bug")
      expect(yield* breaker.protect(Effect.succeed(value))).toBe(value)
      expect(yield* Effect.flip(breaker.protect(Effect.fail(error)))).toBe(error)
      const exit = yield* Effect.exit(breaker.protect(Effect.die(defect)))
      expect(exit).toEqual(Exit.failCause(Cause.die(defect)))
    })
  )

  it.scoped("runs nothing until it is run, and the work once for each run", () =>
    Effect.gen(function* () {
      const breaker = yield* make(CircuitBreaker.consecutive(10))
      const payment = new Dependency()
      const call = breaker.protect(payment.answers())
      expect(payment.asked).toBe(0)
      yield* call
      yield* call
      expect(payment.asked).toBe(2)
    })
  )

  it.scoped("lets any number of calls go on at a time", () =>
    Effect.gen(function* () {
      const breaker = yield* make(CircuitBreaker.consecutive(1))
      const payment = new Dependency()
      yield* begin(
        Effect.all(
          Array.from({ length: 100 }, () => breaker.protect(payment.hangs())),
          { concurrency: 100 }
        )
      )
      expect(payment.running).toBe(100)
    })
  )
})

describe("consecutive", () => {
  it.scoped("opens at the n-th failure in a row and not before", () =>
    Effect.gen(function* () {
      const breaker = yield* make(CircuitBreaker.consecutive(3))
      const payment = new Dependency()
      yield* times(2, breaker.protect(payment.fails()))
      expect(yield* breaker.state).toBe("Closed")
      yield* times(1, breaker.protect(payment.fails()))
      expect(yield* breaker.state).toBe("Open")
      expect(payment.asked).toBe(3)
    })
  )

  it.scoped("starts to count anew after a success", () =>
    Effect.gen(function* () {
      const breaker = yield* make(CircuitBreaker.consecutive(3))
      const payment = new Dependency()
      yield* times(2, breaker.protect(payment.fails()))
      yield* breaker.protect(payment.answers())
      yield* times(2, breaker.protect(payment.fails()))
      expect(yield* breaker.state).toBe("Closed")
      yield* times(1, breaker.protect(payment.fails()))
      expect(yield* breaker.state).toBe("Open")
    })
  )

  it.scoped("never trips on a failure from ten minutes ago", () =>
    Effect.gen(function* () {
      const breaker = yield* make(CircuitBreaker.consecutive(2))
      const payment = new Dependency()
      yield* times(1, breaker.protect(payment.fails()))
      yield* TestClock.adjust("10 minutes")
      yield* times(1, breaker.protect(payment.fails()))
      expect(yield* breaker.state).toBe("Closed")
      expect(yield* breaker.snapshot).toMatchObject({ calls: 1, failures: 1, failureRate: 1 })
    })
  )
})

describe("rate", () => {
  it.scoped("trips at exactly its threshold over the last calls", () =>
    Effect.gen(function* () {
      const rate = CircuitBreaker.rate({ threshold: 0.5, window: CircuitBreaker.count(4), minimumCalls: 4 })
      const breaker = yield* make(rate)
      const payment = new Dependency()
      yield* times(3, breaker.protect(payment.answers()))
      yield* times(1, breaker.protect(payment.fails()))
      expect(yield* breaker.snapshot).toMatchObject({ state: "Closed", calls: 4, failures: 1, failureRate: 0.25 })
      yield* times(1, breaker.protect(payment.fails()))
      const refused = yield* Effect.flip(breaker.protect(payment.answers()))
      expect(refused).toMatchObject({ reason: { _tag: "Rate", failures: 2, calls: 4, threshold: 0.5 } })
      expect(payment.asked).toBe(5)
    })
  )

  it.scoped("never trips with fewer calls than its minimum, and a success can be the one that trips it", () =>
    Effect.gen(function* () {
      const rate = CircuitBreaker.rate({ threshold: 0.5, window: CircuitBreaker.count(10), minimumCalls: 3 })
      const breaker = yield* make(rate)
      const payment = new Dependency()
      yield* times(2, breaker.protect(payment.fails()))
      expect(yield* breaker.state).toBe("Closed")
      expect(yield* breaker.protect(payment.answers())).toBe("answer")
      expect(yield* breaker.state).toBe("Open")
    })
  )

  it.scoped("forgets what a time window has let go, bucket by bucket", () =>
    Effect.gen(function* () {
      const rate = CircuitBreaker.rate({ threshold: 0.5, window: CircuitBreaker.time("10 seconds"), minimumCalls: 2 })
      const breaker = yield* make(rate)
      const payment = new Dependency()
      yield* times(1, breaker.protect(payment.fails()))
      yield* TestClock.adjust("9999 millis")
      expect(yield* breaker.snapshot).toMatchObject({ calls: 1, failures: 1 })
      yield* TestClock.adjust("1 millis")
      expect(yield* breaker.snapshot).toMatchObject({ calls: 0, failures: 0, failureRate: 0 })
      yield* times(1, breaker.protect(payment.fails()))
      expect(yield* breaker.state).toBe("Closed")
    })
  )

  it.scoped("counts together what is within the time window", () =>
    Effect.gen(function* () {
      const rate = CircuitBreaker.rate({ threshold: 0.5, window: CircuitBreaker.time("10 seconds"), minimumCalls: 2 })
      const breaker = yield* make(rate)
      const payment = new Dependency()
      yield* times(1, breaker.protect(payment.fails()))
      yield* TestClock.adjust("9 seconds")
      yield* breaker.protect(payment.answers())
      expect(yield* breaker.state).toBe("Open")
    })
  )

  it.scoped("never trips on an hour-old failure in a count window, and forgets sooner if told to", () =>
    Effect.gen(function* () {
      const over = (window: CircuitBreaker.WindowOptions) =>
        make(CircuitBreaker.rate({ threshold: 0.5, window, minimumCalls: 2 }))
      const patient = yield* over(CircuitBreaker.count(10))
      const forgetful = yield* over(CircuitBreaker.count(10, "1 minute"))
      const payment = new Dependency()
      const both = (self: Effect.Effect<unknown, unknown>) =>
        Effect.zip(times(1, patient.protect(self)), times(1, forgetful.protect(self)))
      yield* both(payment.fails())
      yield* TestClock.adjust("1 minute")
      yield* both(payment.fails())
      expect([yield* patient.state, yield* forgetful.state]).toEqual(["Open", "Closed"])
      const another = yield* over(CircuitBreaker.count(10))
      yield* times(1, another.protect(payment.fails()))
      yield* TestClock.adjust("1 hour")
      yield* times(1, another.protect(payment.fails()))
      expect(yield* another.state).toBe("Closed")
    })
  )
})

describe("an open circuit", () => {
  it.scoped("asks the dependency nothing, and says what opened it and when to come back", () =>
    Effect.gen(function* () {
      const breaker = yield* make(CircuitBreaker.consecutive(2))
      const payment = new Dependency()
      yield* times(2, breaker.protect(payment.fails()))
      yield* TestClock.adjust("10 seconds")
      const refused = yield* Effect.flip(breaker.protect(payment.answers()))
      expect(refused).toBeInstanceOf(CircuitBreaker.CircuitOpen)
      expect(refused).toMatchObject({
        _tag: "CircuitOpen",
        policy: "payment",
        state: "Open",
        reason: { _tag: "Consecutive", failures: 2, threshold: 2 },
        message:
          'The circuit of "payment" is open for 20s (2 failures in a row, threshold 2): use a fallback or come back later'
      })
      expect(refused instanceof CircuitBreaker.CircuitOpen && retryAfterMillis(refused)).toBe(20_000)
      expect(payment.asked).toBe(2)
    })
  )

  it.scoped("is open for its snapshot too, with the time that is left", () =>
    Effect.gen(function* () {
      const breaker = yield* make(CircuitBreaker.consecutive(1))
      yield* times(1, breaker.protect(Effect.die("a bug")))
      yield* TestClock.adjust("29999 millis")
      const snapshot = yield* breaker.snapshot
      expect(snapshot).toMatchObject({ state: "Open", calls: 0, failures: 0, openings: 1, probing: 0 })
      expect(retryAfterMillis(snapshot)).toBe(1)
    })
  )

  it.scoped("refuses with an error that an outer policy neither counts nor repeats", () =>
    Effect.gen(function* () {
      const inner = yield* make(CircuitBreaker.consecutive(1))
      const outer = yield* make(CircuitBreaker.consecutive(1))
      yield* times(1, inner.protect(new Unavailable({})))
      yield* times(5, outer.protect(inner.protect(Effect.void)))
      expect(yield* outer.state).toBe("Closed")
      const refusal = yield* Effect.flip(inner.protect(Effect.void))
      expect(Outcome.classify(Exit.fail(refusal))).toEqual(Outcome.ignored())
      expect(Outcome.isRejection(refusal)).toBe(true)
    })
  )

  it.scoped("reads half-open from exactly the end of its opening, although no call has come", () =>
    Effect.gen(function* () {
      const breaker = yield* make(CircuitBreaker.consecutive(1))
      yield* times(1, breaker.protect(new Unavailable({})))
      yield* TestClock.adjust("29999 millis")
      expect(yield* breaker.state).toBe("Open")
      yield* TestClock.adjust("1 millis")
      expect(yield* breaker.state).toBe("HalfOpen")
      expect(retryAfterMillis(yield* breaker.snapshot)).toBeUndefined()
    })
  )
})

describe("the message of a refusal", () => {
  const message = (reason: CircuitBreaker.Reason, retryAfter = Option.some(Duration.seconds(20))) =>
    new CircuitBreaker.CircuitOpen({ policy: "payment", state: "Open", retryAfter, reason }).message

  it("says why the circuit is open, for how long, and what to do about it", () => {
    const because = (why: string) =>
      `The circuit of "payment" is open for 20s (${why}): use a fallback or come back later`
    const reasons: ReadonlyArray<readonly [CircuitBreaker.Reason, string]> = [
      [{ _tag: "Consecutive", failures: 5, threshold: 5 }, "5 failures in a row, threshold 5"],
      [{ _tag: "Rate", failures: 6, calls: 10, threshold: 0.5 }, "6 of 10 calls failed, threshold 0.5"],
      [{ _tag: "Probing", probes: 2 }, "half-open, 2 probe(s) under way"],
      [{ _tag: "ProbeFailed" }, "the last probe failed"],
      [{ _tag: "ProbeTimedOut", probeTimeoutMillis: 4_000 }, "the last probe did not answer within 4000 ms"],
      [{ _tag: "ProbeDeferred", retryAfterMillis: 7_000 }, "the dependency asked for 7000 ms of peace"]
    ]
    for (const [reason, why] of reasons) expect(message(reason)).toBe(because(why))
  })

  it("leaves out how long where that is not known", () => {
    expect(message({ _tag: "ProbeFailed" }, Option.none())).toBe(
      'The circuit of "payment" is open (the last probe failed): use a fallback or come back later'
    )
  })
})

describe("a refusal", () => {
  it.scoped("is the error that its constructor makes, and is printed as that", () =>
    Effect.gen(function* () {
      const breaker = yield* make(CircuitBreaker.consecutive(1))
      yield* times(1, breaker.protect(new Unavailable({})))
      const refusal = yield* Effect.flip(breaker.protect(Effect.void))
      const same = new CircuitBreaker.CircuitOpen({ ...refusal })
      expect(refusal).toBeInstanceOf(CircuitBreaker.CircuitOpen)
      expect(Object.keys(refusal).toSorted()).toEqual(Object.keys(same).toSorted())
      expect(refusal.constructor).toBe(CircuitBreaker.CircuitOpen)
      expect(String(refusal)).toBe(String(same))
      expect(JSON.stringify(Cause.fail(refusal))).toBe(JSON.stringify(Cause.fail(same)))
    })
  )

  it.scoped("tells each what is left as of itself, whoever was refused before", () =>
    Effect.gen(function* () {
      const breaker = yield* make(CircuitBreaker.consecutive(1))
      yield* times(1, breaker.protect(new Unavailable({})))
      const left = Effect.flatMap(Effect.flip(breaker.protect(Effect.void)), ({ retryAfter }) => retryAfter)
      const told = [yield* left, yield* left]
      yield* TestClock.adjust("1 millis")
      told.push(yield* left)
      expect(told.map(Duration.toMillis)).toEqual([30_000, 30_000, 29_999])
    })
  )
})

describe("a result that comes late", () => {
  /** A call that was admitted before the circuit opened, and ends when told. */
  const early = Effect.gen(function* () {
    const breaker = yield* make(CircuitBreaker.consecutive(1), { halfOpen: { successThreshold: 2 } })
    const permit = yield* CircuitBreaker.acquire(breaker)
    yield* times(1, breaker.protect(new Unavailable({})))
    return { breaker, ends: (outcome: Outcome.Outcome) => CircuitBreaker.settle(breaker, permit, outcome) }
  })

  it.scoped("changes nothing while the circuit is open", () =>
    Effect.gen(function* () {
      const { breaker, ends } = yield* early
      yield* TestClock.adjust("10 seconds")
      yield* ends(Outcome.failure())
      expect(yield* breaker.snapshot).toMatchObject({ state: "Open", openings: 1 })
      expect(retryAfterMillis(yield* breaker.snapshot)).toBe(20_000)
    })
  )

  it.scoped("neither closes nor reopens a half-open circuit", () =>
    Effect.gen(function* () {
      for (const outcome of [Outcome.success, Outcome.failure(), Outcome.ignored({})]) {
        const { breaker, ends } = yield* early
        yield* TestClock.adjust("30 seconds")
        yield* breaker.protect(Effect.void)
        const probe = yield* begin(breaker.protect(Effect.never))
        yield* ends(outcome)
        expect(yield* breaker.snapshot).toMatchObject({ state: "HalfOpen", probing: 1 })
        yield* Fiber.interrupt(probe)
      }
    })
  )

  it.scoped("is not counted once the circuit has closed again", () =>
    Effect.gen(function* () {
      const { breaker, ends } = yield* early
      yield* TestClock.adjust("30 seconds")
      yield* breaker.protect(Effect.void)
      yield* breaker.protect(Effect.void)
      yield* ends(Outcome.failure())
      expect(yield* breaker.snapshot).toMatchObject({ state: "Closed", calls: 0, failures: 0 })
    })
  )

  it.scoped("reaches its own caller all the same", () =>
    Effect.gen(function* () {
      const breaker = yield* make(CircuitBreaker.consecutive(1))
      const slow = yield* begin(breaker.protect(Effect.as(Effect.sleep("5 seconds"), "late")))
      yield* times(1, breaker.protect(new Unavailable({})))
      yield* TestClock.adjust("5 seconds")
      expect(yield* Fiber.join(slow)).toBe("late")
      expect(yield* breaker.state).toBe("Open")
    })
  )
})

describe("what a breaker reports", () => {
  it.scoped("each change with its moment and cause, and each refusal", () => {
    const listener = new Listener()
    return Effect.gen(function* () {
      const breaker = yield* make(CircuitBreaker.consecutive(2))
      yield* TestClock.adjust("5 seconds")
      yield* times(2, breaker.protect(new Unavailable({})))
      yield* TestClock.adjust("1 seconds")
      expect(failureOf(yield* Effect.exit(breaker.protect(Effect.void)))).toMatchObject({ _tag: "CircuitOpen" })
      yield* TestClock.adjust("60 seconds")
      yield* breaker.protect(Effect.void)
      const circuit = { _tag: "CircuitChanged", policy: "payment" }
      expect(listener.events).toEqual([
        {
          ...circuit,
          at: 5_000,
          from: "Closed",
          to: "Open",
          cause: { _tag: "Consecutive", failures: 2, threshold: 2 },
          openings: 1,
          openFor: 30_000
        },
        { _tag: "CallRejected", policy: "payment", at: 6_000, by: "circuit", retryAfter: 29_000 },
        { ...circuit, at: 35_000, from: "Open", to: "HalfOpen", cause: { _tag: "Due" }, openings: 1, openFor: 0 },
        {
          ...circuit,
          at: 66_000,
          from: "HalfOpen",
          to: "Closed",
          cause: { _tag: "ProbesSucceeded", successes: 1 },
          openings: 1,
          openFor: 0
        }
      ])
    }).pipe(listener.hear)
  })
})
