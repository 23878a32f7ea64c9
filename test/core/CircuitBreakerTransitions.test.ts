import { CircuitBreaker } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Exit, Fiber, Mailbox, Scope, Stream, TestClock } from "effect"
import { vi } from "vitest"
import { Unavailable } from "../support/Dependency.js"
import { HandClock } from "../support/HandClock.js"
import { begin, retryAfterMillis } from "../support/Passing.js"

const make = (options: CircuitBreaker.Options = {}) =>
  CircuitBreaker.make("payment", {
    tripPolicy: CircuitBreaker.consecutive(1),
    openDuration: "30 seconds",
    openJitter: 0,
    ...options
  })

const fails = (breaker: CircuitBreaker.CircuitBreaker) => Effect.exit(breaker.protect(new Unavailable({})))

/** Follows a breaker from now on; what was heard so far is in the list. */
const following = (breaker: CircuitBreaker.CircuitBreaker) =>
  Effect.gen(function* () {
    const heard: Array<CircuitBreaker.Transition> = []
    const fiber = yield* begin(Stream.runForEach(breaker.transitions, (each) => Effect.sync(() => heard.push(each))))
    return { fiber, heard }
  })

/** Lets followers take what they were told. */
const settled = TestClock.adjust(0)

const inWords = (heard: Iterable<CircuitBreaker.Transition>) =>
  Array.from(heard, ({ at, cause, from, to }) => `${at}: ${from} -> ${to}, ${cause._tag}`)

describe("transitions", () => {
  it.scoped("begin with the present state, then come in order, each with the moment it became due", () =>
    Effect.gen(function* () {
      const breaker = yield* make()
      yield* TestClock.adjust("5 seconds")
      const { heard } = yield* following(breaker)
      yield* fails(breaker)
      yield* TestClock.adjust("50 seconds")
      yield* fails(breaker)
      yield* TestClock.adjust("30 seconds")
      yield* breaker.protect(Effect.void)
      yield* breaker.isolate
      yield* breaker.reset
      yield* settled
      expect(inWords(heard)).toEqual([
        "5000: Closed -> Closed, Present",
        "5000: Closed -> Open, Consecutive",
        "35000: Open -> HalfOpen, Due",
        "55000: HalfOpen -> Open, ProbeFailed",
        "85000: Open -> HalfOpen, Due",
        "85000: HalfOpen -> Closed, ProbesSucceeded",
        "85000: Closed -> Isolated, Isolated",
        "85000: Isolated -> Closed, Reset"
      ])
      expect(heard[1]?.cause).toEqual({ _tag: "Consecutive", failures: 1, threshold: 1 })
      expect(heard.every(({ observing }) => !observing)).toBe(true)
    })
  )

  it.scoped("take what the clock has made due before somebody begins to follow, and tell the others of it", () =>
    Effect.gen(function* () {
      const breaker = yield* make({ halfOpen: { timeout: "1 second" } })
      yield* fails(breaker)
      const first = yield* following(breaker)
      yield* TestClock.adjust("30 seconds")
      yield* begin(breaker.protect(Effect.never))
      yield* TestClock.adjust("40 seconds")
      const second = yield* following(breaker)
      expect(inWords(first.heard)).toEqual([
        "0: Open -> Open, Present",
        "30000: Open -> HalfOpen, Due",
        "31000: HalfOpen -> Open, ProbeTimedOut",
        "61000: Open -> HalfOpen, Due"
      ])
      expect(inWords(second.heard)).toEqual(["70000: HalfOpen -> HalfOpen, Present"])
      expect(yield* breaker.state).toBe("HalfOpen")
    })
  )

  it.scoped("say of each whether the circuit only observes", () =>
    Effect.gen(function* () {
      const breaker = yield* make()
      yield* breaker.isolate
      const { heard } = yield* following(breaker)
      yield* breaker.observe
      yield* fails(breaker)
      const late = yield* following(breaker)
      yield* breaker.disable
      yield* settled
      expect(heard.map(({ cause, observing, to }) => [to, cause._tag, observing])).toEqual([
        ["Isolated", "Present", false],
        ["Closed", "Observing", true],
        ["Open", "Consecutive", true],
        ["Disabled", "Disabled", false]
      ])
      expect(late.heard[0]).toMatchObject({ from: "Open", to: "Open", observing: true })
    })
  )

  it.scoped("are all heard by each who follows, from where he began", () =>
    Effect.gen(function* () {
      const breaker = yield* make()
      const first = yield* following(breaker)
      yield* breaker.isolate
      const second = yield* following(breaker)
      yield* breaker.reset
      yield* settled
      expect(first.heard.map(({ to }) => to)).toEqual(["Closed", "Isolated", "Closed"])
      expect(second.heard.map(({ to }) => to)).toEqual(["Isolated", "Closed"])
    })
  )

  it.scoped("wait for nobody: who is slow loses the oldest beyond 64, and nobody else does", () =>
    Effect.gen(function* () {
      const breaker = yield* make()
      const quick = yield* following(breaker)
      const pull = yield* Stream.toPull(breaker.transitions)
      expect(inWords(yield* Effect.orDie(pull))).toEqual(["0: Closed -> Closed, Present"])
      for (let n = 0; n < 100; n++) {
        yield* TestClock.adjust(1)
        yield* breaker.isolate
        yield* breaker.reset
      }
      const late = Chunk.toReadonlyArray(yield* Effect.orDie(pull))
      yield* settled
      expect(quick.heard).toHaveLength(201)
      expect(late).toEqual(quick.heard.slice(-64))
      yield* breaker.isolate
      expect(inWords(yield* Effect.orDie(pull))).toEqual(["100: Closed -> Isolated, Isolated"])
    })
  )

  it.scoped("are told to nobody any more once nobody follows, however that ended", () =>
    Effect.gen(function* () {
      const breaker = yield* make()
      const told = vi.spyOn(Object.getPrototypeOf(yield* Mailbox.make()), "unsafeOffer")
      yield* Effect.addFinalizer(() => Effect.sync(() => told.mockRestore()))
      const toldBy = (step: Effect.Effect<void>) =>
        Effect.suspend(() => {
          const before = told.mock.calls.length
          return Effect.map(step, () => told.mock.calls.length - before)
        })
      const { fiber } = yield* following(breaker)
      expect(yield* toldBy(breaker.isolate)).toBe(1)
      yield* Fiber.interrupt(fiber)
      yield* Stream.runDrain(Stream.take(breaker.transitions, 1))
      yield* Effect.exit(Stream.runForEach(breaker.transitions, () => Effect.die("a bug")))
      expect(yield* toldBy(breaker.reset)).toBe(0)
      expect(yield* breaker.state).toBe("Closed")
    })
  )

  it.effect("end when the breaker's scope closes, after the last", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const breaker = yield* Scope.extend(make(), scope)
      const { fiber, heard } = yield* following(breaker)
      yield* breaker.isolate
      yield* Scope.close(scope, Exit.void)
      yield* settled
      expect(yield* Fiber.join(fiber)).toBeUndefined()
      expect(heard.map(({ to }) => to)).toEqual(["Closed", "Isolated"])
      expect(inWords(yield* Stream.runCollect(breaker.transitions))).toEqual(["0: Isolated -> Isolated, Present"])
    })
  )

  it.scoped("make one unbroken chain for whoever begins at any moment, with many callers at a time", () =>
    Effect.gen(function* () {
      const breaker = yield* make({ openDuration: 1, halfOpen: { probes: 3, successThreshold: 2 } })
      const lives = Array.from({ length: 20 }, (_, caller) =>
        Effect.gen(function* () {
          for (let n = 0; n < 20; n++) {
            const turns = Effect.repeatN(Effect.yieldNow(), (caller * 7 + n) % 5)
            const answer = (caller + n) % 3 === 0 ? Effect.fail(new Unavailable({})) : Effect.void
            yield* Effect.exit(breaker.protect(Effect.zipRight(turns, answer)))
            if ((caller + n) % 11 === 0) yield* caller % 2 === 0 ? breaker.isolate : breaker.reset
            if (caller === 0) yield* TestClock.adjust(1)
          }
        })
      )
      const followers: Array<ReadonlyArray<CircuitBreaker.Transition>> = []
      const follow = Effect.repeatN(
        Effect.map(following(breaker), ({ heard }) => followers.push(heard)),
        9
      )
      yield* Effect.all([...lives, follow], { concurrency: "unbounded", discard: true })
      yield* settled
      const all = followers[0] ?? []
      expect(all.length).toBeGreaterThan(30)
      for (const heard of followers) {
        const [present, ...changes] = heard
        expect(present?.cause._tag).toBe("Present")
        changes.forEach(({ from }, place) => expect(from).toBe(heard[place]?.to))
        expect(changes).toEqual(all.slice(all.length - changes.length))
      }
    })
  )
})

describe("a wall clock that is set", () => {
  it.scoped("back or ahead by an hour moves nothing: no window, no opening, no probe", () => {
    const clock = new HandClock()
    const setBy = (millis: number) => Effect.sync(() => (clock.wallAhead += millis))
    return Effect.gen(function* () {
      const window = CircuitBreaker.time("10 seconds")
      const breaker = yield* make({
        tripPolicy: CircuitBreaker.rate({ threshold: 1, window, minimumCalls: 2 }),
        halfOpen: { timeout: "1 second" }
      })
      for (const hours of [-1, 1]) {
        yield* fails(breaker)
        yield* setBy(hours * 3_600_000)
        yield* clock.tick(9_000)
        yield* fails(breaker)
        expect(retryAfterMillis(yield* breaker.snapshot)).toBe(30_000)
        yield* setBy(hours * 3_600_000)
        yield* clock.tick(29_999)
        expect(retryAfterMillis(yield* breaker.snapshot)).toBe(1)
        yield* clock.tick(1)
        const permit = yield* CircuitBreaker.acquire(breaker)
        yield* setBy(hours * 3_600_000)
        expect(permit.startedMillis).toBe(
          yield* Effect.map(clock.currentTimeNanos, (nanos) => Number(nanos / 1_000_000n))
        )
        yield* clock.tick(999)
        expect(yield* breaker.state).toBe("HalfOpen")
        yield* clock.tick(1)
        expect(yield* breaker.state).toBe("Open")
        yield* breaker.reset
      }
    }).pipe(clock.rule)
  })
})
