/** What each policy does to a Stream, and when. */
import { Bulkhead, CircuitBreaker, Policy, Timeout } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Deferred, Effect, Exit, Fiber, Option, Schedule, Stream, TestClock } from "effect"
import { Unavailable } from "../support/Dependency.js"
import { begin, during, failureOf } from "../support/Passing.js"
import { Source } from "../support/Source.js"

const unavailable = new Unavailable({})
const elements = <A, E, R>(self: Stream.Stream<A, E, R>) => Effect.map(Stream.runCollect(self), Chunk.toReadonlyArray)

/** One element at once, then one each second: 0, 1, 2, ... */
const ticking = Stream.schedule(Stream.range(0, 4, 1), Schedule.spaced("1 second"))

describe("a stream under a bulkhead", () => {
  const making = (maxConcurrent = 1) => Bulkhead.make("exports", { maxConcurrent })

  it.scoped("holds its permit until it has ended, and others are refused until then", () =>
    Effect.gen(function* () {
      const bulkhead = yield* making()
      const source = new Source()
      const go = yield* Deferred.make<void>()
      const stream = source.of(
        Stream.make(1, 2).pipe(Stream.concat(Stream.drain(Stream.fromEffect(Deferred.await(go)))))
      )
      const protectedStream = Policy.protectStream(stream, bulkhead)
      expect(yield* bulkhead.snapshot).toMatchObject({ active: 0 })
      const first = yield* begin(elements(protectedStream))
      expect(yield* bulkhead.snapshot).toMatchObject({ active: 1 })
      expect(failureOf(yield* Effect.exit(Stream.runDrain(protectedStream)))).toMatchObject({ _tag: "BulkheadFull" })
      expect(source.opened).toBe(1)
      yield* Deferred.succeed(go, undefined)
      expect(yield* Fiber.join(first)).toEqual([1, 2])
      expect(yield* bulkhead.snapshot).toMatchObject({ active: 0 })
    })
  )

  it.scoped("gives it back after its finalizers: at its end, its failure, its defect, or when enough was taken", () =>
    Effect.gen(function* () {
      const bulkhead = yield* making()
      const active: Array<number> = []
      const told = Effect.flatMap(bulkhead.snapshot, (now) => Effect.sync(() => active.push(now.active)))
      const some = Stream.make(1, 2)
      for (const stream of [
        some,
        Stream.empty,
        Stream.fail(unavailable),
        Stream.concat(some, Stream.fail(unavailable)),
        Stream.concat(some, Stream.die("a bug")),
        Stream.concat(some, Stream.execute(Effect.interrupt)),
        Stream.concat(some, Stream.never)
      ]) {
        const taken = Stream.take(
          Policy.protectStream(Stream.ensuring(stream, told), bulkhead),
          stream === some ? 3 : 1
        )
        yield* Effect.exit(Stream.runDrain(taken))
        yield* Effect.exit(Stream.runDrain(Stream.take(taken, 3).pipe(Stream.timeout("1 second")))).pipe((call) =>
          during("2 seconds", call)
        )
        expect(yield* bulkhead.snapshot).toMatchObject({ active: 0 })
      }
      expect(new Set(active)).toEqual(new Set([1]))
    })
  )

  it.scoped("gives it back when its consumer is interrupted between two elements", () =>
    Effect.gen(function* () {
      const bulkhead = yield* making()
      const source = new Source()
      const consumer = yield* begin(elements(Policy.protectStream(source.of(ticking), bulkhead)))
      yield* TestClock.adjust("1500 millis")
      expect([source.open, (yield* bulkhead.snapshot).active]).toEqual([1, 1])
      yield* Fiber.interrupt(consumer)
      expect([source.open, (yield* bulkhead.snapshot).active]).toEqual([0, 0])
    })
  )

  it.scoped("gives it back before what comes after it in the same consumer, and when whoever pulls sees the end", () =>
    Effect.gen(function* () {
      const bulkhead = yield* making()
      const protectedStream = Policy.protectStream(Stream.make(1, 2), bulkhead)
      expect(yield* elements(Stream.concat(protectedStream, protectedStream))).toEqual([1, 2, 1, 2])
      const failing = Policy.protectStream(Stream.concat(Stream.make(1), Stream.fail(unavailable)), bulkhead)
      expect(yield* elements(Stream.orElse(failing, () => protectedStream))).toEqual([1, 1, 2])
      const pull = yield* Stream.toPull(protectedStream)
      yield* pull
      expect(yield* bulkhead.snapshot).toMatchObject({ active: 1 })
      expect(yield* Effect.flip(pull)).toEqual(Option.none())
      expect(yield* bulkhead.snapshot).toMatchObject({ active: 0 })
      const pullFailing = yield* Stream.toPull(failing)
      yield* pullFailing
      expect(yield* Effect.flip(pullFailing)).toEqual(Option.some(unavailable))
      expect(yield* bulkhead.snapshot).toMatchObject({ active: 0 })
    })
  )

  it.scoped("lets as many be open as there are permits", () =>
    Effect.gen(function* () {
      const bulkhead = yield* making(3)
      const source = new Source()
      const stream = Policy.protectStream(source.of(ticking), bulkhead)
      const all = yield* begin(Effect.forEach([1, 2, 3, 4, 5], () => Effect.exit(elements(stream)), { concurrency: 5 }))
      expect([source.open, (yield* bulkhead.snapshot).active]).toEqual([3, 3])
      yield* TestClock.adjust("1 minute")
      expect((yield* Fiber.join(all)).filter(Exit.isSuccess).length).toBe(3)
      expect([source.opened, source.open, (yield* bulkhead.snapshot).active]).toEqual([3, 0, 0])
    })
  )

  it.scoped("does not take hold of a permit that was taken outside it", () =>
    Effect.gen(function* () {
      const bulkhead = yield* making()
      const pull = yield* Stream.toPull(Policy.protectStream(Stream.make(1), yield* making()))
      yield* bulkhead.protect(pull)
      expect(yield* bulkhead.snapshot).toMatchObject({ active: 0 })
    })
  )

  it.scoped("keeps the permit for what a later element has abandoned, until that has ended", () =>
    Effect.gen(function* () {
      const bulkhead = yield* making()
      const limit = yield* Timeout.make("element", { duration: "1 second", mode: "disconnect" })
      const stubborn = Effect.uninterruptible(Effect.sleep("10 seconds")).pipe(limit.protect)
      const stream = Stream.concat(Stream.make(1), Stream.fromEffect(stubborn))
      const exit = yield* during("2 seconds", Stream.runDrain(Policy.protectStream(stream, bulkhead)))
      expect(failureOf(exit)).toMatchObject({ _tag: "TimedOut" })
      expect(yield* bulkhead.snapshot).toMatchObject({ active: 1 })
      yield* TestClock.adjust("9 seconds")
      expect(yield* bulkhead.snapshot).toMatchObject({ active: 0 })
    })
  )
})

describe("a stream under a circuit breaker", () => {
  const making = CircuitBreaker.make("search", {
    tripPolicy: CircuitBreaker.consecutive(2),
    openDuration: "1 minute",
    openJitter: 0
  })

  it.scoped("counts once, at its first element, and no more when it fails later", () =>
    Effect.gen(function* () {
      const breaker = yield* making
      const stream = Stream.concat(ticking, Stream.fail(unavailable))
      const consumer = yield* begin(Effect.exit(elements(Policy.protectStream(stream, breaker))))
      expect(yield* breaker.snapshot).toMatchObject({ calls: 0 })
      yield* TestClock.adjust("1 second")
      expect(yield* breaker.snapshot).toMatchObject({ calls: 1, failures: 0 })
      yield* TestClock.adjust("1 minute")
      expect(failureOf(yield* Fiber.join(consumer))).toBe(unavailable)
      expect(yield* breaker.snapshot).toMatchObject({ calls: 1, failures: 0, state: "Closed" })
    })
  )

  it.scoped("counts a failure before its first element, and an end without one as a success", () =>
    Effect.gen(function* () {
      const breaker = yield* making
      yield* Effect.exit(Stream.runDrain(Policy.protectStream(Stream.fail(unavailable), breaker)))
      expect(yield* breaker.snapshot).toMatchObject({ calls: 1, failures: 1 })
      expect(yield* elements(Policy.protectStream(Stream.empty, breaker))).toEqual([])
      expect(yield* breaker.snapshot).toMatchObject({ calls: 2, failures: 1 })
    })
  )

  it.scoped("is refused when it is run while the circuit is open, and not opened", () =>
    Effect.gen(function* () {
      const breaker = yield* making
      const source = new Source()
      const stream = Policy.protectStream(source.of(Stream.fail(unavailable)), breaker)
      for (const _ of [1, 2]) yield* Effect.exit(Stream.runDrain(stream))
      expect(source.opened).toBe(2)
      expect(failureOf(yield* Effect.exit(Stream.runDrain(stream)))).toMatchObject({ _tag: "CircuitOpen" })
      expect(source.opened).toBe(2)
      const handled = Stream.catchTag(stream, "CircuitOpen", (open) => Stream.make(open.policy))
      expect(yield* elements(handled)).toEqual(["search"])
    })
  )

  it.scoped("closes a half-open circuit with its first element, and goes on while others are let through", () =>
    Effect.gen(function* () {
      const breaker = yield* making
      for (const _ of [1, 2]) yield* Effect.exit(breaker.protect(Effect.fail(unavailable)))
      yield* TestClock.adjust("1 minute")
      const pull = yield* Stream.toPull(Policy.protectStream(Stream.rechunk(Stream.make(1, 2), 1), breaker))
      expect(Chunk.toReadonlyArray(yield* pull)).toEqual([1])
      expect(yield* breaker.state).toBe("Closed")
      expect(yield* breaker.protect(Effect.succeed("through"))).toBe("through")
      expect(Chunk.toReadonlyArray(yield* pull)).toEqual([2])
    })
  )
})
