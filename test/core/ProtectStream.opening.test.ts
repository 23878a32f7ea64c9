/** How a Stream is opened: under limits of time, again after a failure, for a key. */
import {
  Backoff,
  Bulkhead,
  CircuitBreaker,
  Deadline,
  Keyed,
  Outcome,
  Policy,
  Retry,
  Timeout
} from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Duration, Effect, Exit, Fiber, Option, Schedule, Stream, TestClock } from "effect"
import { Unavailable } from "../support/Dependency.js"
import { begin, during, failureOf } from "../support/Passing.js"
import { Source } from "../support/Source.js"

const unavailable = new Unavailable({})
const elements = <A, E, R>(self: Stream.Stream<A, E, R>) => Effect.map(Stream.runCollect(self), Chunk.toReadonlyArray)

/** One element at once, then one each second. */
const ticking = Stream.schedule(Stream.range(0, 4, 1), Schedule.spaced("1 second"))
const later = (millis: number) => Stream.fromEffect(Effect.delay(Effect.succeed(millis), millis))

describe("a stream under a timeout", () => {
  const making = Timeout.make("search", { duration: "1500 millis" })

  it.scoped("has so long for its first element, and as long as it likes for the others", () =>
    Effect.gen(function* () {
      const timeout = yield* making
      const slower = Stream.concat(later(1000), later(5000))
      const exit = yield* during("6 seconds", elements(Policy.protectStream(slower, timeout)))
      expect(exit).toEqual(Exit.succeed([1000, 5000]))
    })
  )

  it.scoped("fails when its first element does not come, after its finalizers", () =>
    Effect.gen(function* () {
      const timeout = yield* making
      const source = new Source()
      const exit = yield* during("1500 millis", elements(Policy.protectStream(source.of(later(1501)), timeout)))
      expect(failureOf(exit)).toMatchObject({ _tag: "TimedOut", policy: "search" })
      expect(source.log).toEqual(["open 1", "close 1"])
    })
  )

  it.scoped("counts an empty chunk as nothing, and an end as an answer", () =>
    Effect.gen(function* () {
      const timeout = yield* making
      const silent = Stream.concat(
        Stream.filter(Stream.make(1), (n) => n > 1),
        Stream.never
      )
      const exit = yield* during("2 seconds", elements(Policy.protectStream(silent, timeout)))
      expect(failureOf(exit)).toMatchObject({ _tag: "TimedOut" })
      const ends = Stream.drain(later(1000))
      expect(yield* during("1 second", elements(Policy.protectStream(ends, timeout)))).toEqual(Exit.succeed([]))
    })
  )

  it.scoped("waits for an opening that cannot be interrupted, and closes what came too late", () =>
    Effect.gen(function* () {
      const timeout = yield* making
      const source = new Source()
      const stubborn = Stream.unwrap(Effect.as(Effect.uninterruptible(Effect.sleep("3 seconds")), Stream.make(1)))
      const call = yield* begin(Effect.exit(elements(Policy.protectStream(source.of(stubborn), timeout))))
      yield* TestClock.adjust("2 seconds")
      expect([source.open, Option.isNone(yield* Fiber.poll(call))]).toEqual([1, true])
      yield* TestClock.adjust("1 second")
      expect(failureOf(yield* Fiber.join(call))).toMatchObject({ _tag: "TimedOut" })
      expect(source.log).toEqual(["open 1", "close 1"])
    })
  )

  it.scoped("answers at the limit where it disconnects, and keeps the permit until the opening has ended", () =>
    Effect.gen(function* () {
      const timeout = yield* Timeout.make("search", { duration: "1 second", mode: "disconnect" })
      const bulkhead = yield* Bulkhead.make("search", { maxConcurrent: 1 })
      const source = new Source()
      const stubborn = Stream.unwrap(Effect.as(Effect.uninterruptible(Effect.sleep("3 seconds")), Stream.make(1)))
      const stream = Policy.protectStream(source.of(stubborn), Policy.all(bulkhead, timeout))
      expect(failureOf(yield* during("1 second", elements(stream)))).toMatchObject({ _tag: "TimedOut" })
      expect([source.open, (yield* bulkhead.snapshot).active]).toEqual([1, 1])
      yield* TestClock.adjust("2 seconds")
      expect([source.open, (yield* bulkhead.snapshot).active]).toEqual([0, 0])
    })
  )
})

describe("a stream under a retry", () => {
  const making = Retry.make("search", { maxRetries: 2, backoff: Backoff.constant("1 second") })

  it.scoped("is opened again when it fails before its first element, after the failed attempt was closed", () =>
    Effect.gen(function* () {
      const retry = yield* making
      const source = new Source()
      const failing = Stream.fail(unavailable)
      const stream = source.of<number, Unavailable>(failing, Stream.drain(failing), ticking)
      const exit = yield* during("1 minute", elements(Policy.protectStream(stream, retry)))
      expect(exit).toEqual(Exit.succeed([0, 1, 2, 3, 4]))
      expect(source.log).toEqual(["open 1", "close 1", "open 2", "close 2", "open 3", "close 3"])
    })
  )

  it.scoped("is never repeated after its first element", () =>
    Effect.gen(function* () {
      const retry = yield* making
      const source = new Source()
      const stream = source.of(Stream.concat(Stream.make(1), Stream.fail(unavailable)))
      const seen: Array<number> = []
      const call = Stream.runForEach(Policy.protectStream(stream, retry), (n) => Effect.sync(() => seen.push(n)))
      expect(failureOf(yield* during("1 minute", call))).toBe(unavailable)
      expect([seen, source.opened]).toEqual([[1], 1])
    })
  )

  it.scoped("is opened again when it hangs before its first element, with a permit for each attempt", () =>
    Effect.gen(function* () {
      const timeout = yield* Timeout.make("search", { duration: "1 second" })
      const bulkhead = yield* Bulkhead.make("search", { maxConcurrent: 1 })
      const source = new Source()
      const stream = source.of<number>(Stream.never, Stream.never, ticking)
      const policy = Policy.all(yield* making, bulkhead, timeout)
      const call = yield* begin(elements(Policy.protectStream(stream, policy)))
      yield* TestClock.adjust("4500 millis")
      expect([source.opened, source.open, (yield* bulkhead.snapshot).active]).toEqual([3, 1, 1])
      yield* TestClock.adjust("1 minute")
      expect(yield* Fiber.join(call)).toEqual([0, 1, 2, 3, 4])
      expect([source.open, (yield* bulkhead.snapshot).active]).toEqual([0, 0])
    })
  )

  it.scoped("gives the last error when no attempt succeeds", () =>
    Effect.gen(function* () {
      const retry = yield* making
      const source = new Source()
      const exit = yield* during("1 minute", elements(Policy.protectStream(source.of(Stream.fail(unavailable)), retry)))
      expect(failureOf(exit)).toBe(unavailable)
      expect([source.opened, source.open]).toEqual([3, 0])
    })
  )
})

describe("a classifier", () => {
  /** Elements below zero are failures that pass by themselves; it remembers what it was told. */
  const classifying =
    (told: Array<unknown>): Outcome.Classify =>
    (exit) => {
      if (Exit.isFailure(exit)) return Outcome.classify(exit)
      told.push(exit.value)
      return typeof exit.value === "number" && exit.value < 0 ? Outcome.failure({ transient: true }) : Outcome.success
    }

  it.scoped(
    "is told of the first element, and may refuse it as an answer: what was open is closed, permit and all",
    () =>
      Effect.gen(function* () {
        const told: Array<unknown> = []
        const policy = yield* Policy.standard("search", {
          classify: classifying(told),
          retry: { maxRetries: 2, backoff: Backoff.constant("1 second") },
          circuitBreaker: "none",
          bulkhead: { maxConcurrent: 1 }
        })
        const source = new Source()
        const stream = source.of(Stream.make(-1, -2), Stream.make(3, 4))
        const exit = yield* during("1 minute", elements(Policy.protectStream(stream, policy)))
        expect(exit).toEqual(Exit.succeed([3, 4]))
        expect(source.log).toEqual(["open 1", "close 1", "open 2", "close 2"])
        expect(told).toEqual([-1, 3])
        expect(yield* Effect.flatMap(policy.bulkhead, (bulkhead) => bulkhead.snapshot)).toMatchObject({ active: 0 })
      })
  )

  it.scoped("refuses an answer, which keeps a permit inside the retry until the next attempt begins", () =>
    Effect.gen(function* () {
      const again = yield* Policy.standard("search", {
        classify: classifying([]),
        retry: { maxRetries: 1, backoff: Backoff.constant("1 second") },
        circuitBreaker: "none",
        bulkhead: "none"
      })
      const trial = (maxConcurrent: number) =>
        Effect.gen(function* () {
          const bulkhead = yield* Bulkhead.make("search", { maxConcurrent })
          const stream = new Source().of(Stream.make(-1), Stream.make(3))
          const call = yield* begin(Effect.exit(elements(Policy.protectStream(stream, Policy.all(again, bulkhead)))))
          expect((yield* bulkhead.snapshot).active).toBe(1)
          yield* TestClock.adjust("1 minute")
          expect((yield* bulkhead.snapshot).active).toBe(0)
          return yield* Fiber.join(call)
        })
      expect(failureOf(yield* trial(1))).toMatchObject({ _tag: "BulkheadFull" })
      expect(yield* trial(2)).toEqual(Exit.succeed([3]))
    })
  )

  it.scoped("passes on an answer that it counts as a failure when there is no other", () =>
    Effect.gen(function* () {
      const breaker = yield* CircuitBreaker.make("search", {
        tripPolicy: CircuitBreaker.consecutive(1),
        classify: classifying([])
      })
      expect(yield* elements(Policy.protectStream(Stream.make(-1, -2), breaker))).toEqual([-1, -2])
      expect(yield* breaker.state).toBe("Open")
    })
  )
})

describe("a stream under a deadline", () => {
  it.scoped("must have its first element before it, and may go on after it", () =>
    Effect.gen(function* () {
      const deadline = yield* Deadline.make("search", "1500 millis")
      const slower = Stream.concat(later(1000), later(5000))
      const goingOn = yield* during("6 seconds", elements(Policy.protectStream(slower, deadline)))
      expect(goingOn).toEqual(Exit.succeed([1000, 5000]))
      const late = yield* during("2 seconds", elements(Policy.protectStream(later(2000), deadline)))
      expect(failureOf(late)).toMatchObject({ _tag: "DeadlineExceeded", where: "in-flight", policy: "search" })
    })
  )

  const remaining = Stream.fromEffect(Effect.map(Deadline.remaining, Option.map(Duration.toMillis)))
  const thrice = Stream.concat(
    remaining,
    Stream.concat(Stream.fromEffect(Effect.as(Effect.sleep(100), Option.none())), remaining)
  )

  for (const [name, through] of [
    ["in the pulls of its consumer", <A, E>(self: Stream.Stream<A, E>) => self],
    ["in what it has forked", <A, E>(self: Stream.Stream<A, E>) => Stream.buffer(self, { capacity: 1 })]
  ] as const) {
    it.scoped(`lives in the budget of its caller and not in the policy's, ${name}`, () =>
      Effect.gen(function* () {
        const policy = yield* Policy.standard("search", { deadline: "1 second", timeout: "1 second" })
        const free = yield* during("1 second", elements(Policy.protectStream(through(thrice), policy)))
        expect(free).toEqual(Exit.succeed([Option.none(), Option.none(), Option.none()]))
        const bounded = elements(Policy.protectStream(through(thrice), policy)).pipe(Deadline.protect("10 seconds"))
        expect(yield* during("1 second", bounded)).toEqual(
          Exit.succeed([Option.some(10_000), Option.none(), Option.some(9_900)])
        )
      })
    )
  }

  it.scoped("is cut by its caller's, also after its first element", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("search", { circuitBreaker: "none", bulkhead: { maxConcurrent: 1 } })
      const source = new Source()
      const call = elements(Policy.protectStream(source.of(ticking), policy)).pipe(Deadline.protect("3 seconds"))
      expect(failureOf(yield* during("3 seconds", call))).toMatchObject({
        _tag: "DeadlineExceeded",
        policy: "deadline"
      })
      expect([source.opened, source.open]).toEqual([1, 0])
      expect(yield* Effect.flatMap(policy.bulkhead, (bulkhead) => bulkhead.snapshot)).toMatchObject({ active: 0 })
    })
  )
})

describe("a stream under the policy of a key", () => {
  it.scoped("keeps its instance until it has ended", () =>
    Effect.gen(function* () {
      const keyed = yield* Keyed.make("exports", {
        lookup: (tenant: string) => Bulkhead.make(tenant, { maxConcurrent: 1 }),
        capacity: 1,
        idleTimeToLive: "1 second"
      })
      const acme = Keyed.forKey(keyed, "acme")
      const keys = Effect.map(keyed.entries, (entries) => entries.map(([key]) => key))
      const call = yield* begin(elements(Policy.protectStream(ticking, acme)))
      yield* TestClock.adjust("3 seconds")
      yield* Effect.void.pipe(keyed.protect("other"))
      expect(yield* keys).toEqual(["acme"])
      expect(failureOf(yield* Effect.exit(Effect.void.pipe(keyed.protect("acme"))))).toMatchObject({ policy: "acme" })
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(call)
      yield* Effect.void.pipe(keyed.protect("other"))
      expect(yield* keys).toEqual(["other"])
      expect(acme.name).toBe("exports")
    })
  )
})
