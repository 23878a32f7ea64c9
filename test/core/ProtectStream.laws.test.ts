/** What holds for a Stream under any policy that has no reason to refuse: it is what it was. */
import { Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Context, Effect, Exit, Fiber, FiberRef, Queue, Scope, Stream, TestClock } from "effect"
import { Declined } from "../support/Dependency.js"
import { everyPolicy } from "../support/EveryPolicy.js"
import { begin } from "../support/Passing.js"
import { shape } from "../support/Play.js"
import { Source } from "../support/Source.js"

class Currency extends Context.Tag("test/Currency")<Currency, string>() {}

const numbers = <A, E, R>(self: Stream.Stream<A, E, R>) => Effect.map(Stream.runCollect(self), Chunk.toReadonlyArray)

/** The chunks of a stream, and how it ended. */
const chunksOf = <A, E, R>(self: Stream.Stream<A, E, R>) => {
  const chunks: Array<ReadonlyArray<A>> = []
  const each = Stream.mapChunks(self, (chunk) => {
    chunks.push(Chunk.toReadonlyArray(chunk))
    return chunk
  })
  return Effect.map(Effect.exit(Stream.runDrain(each)), (exit) => ({ chunks, exit }))
}

async function* counting() {
  for (let n = 0; n < 5; n++) yield await Promise.resolve(n)
}

const five = Stream.range(0, 4, 1)
const slowly = Stream.mapEffect(five, (n) => Effect.as(Effect.yieldNow(), n))

/** Streams that fork, from where they are opened, what must go on after the first element. */
const forking: Readonly<Record<string, Stream.Stream<number, unknown>>> = {
  buffer: Stream.buffer(slowly, { capacity: 1 }),
  merge: Stream.merge(slowly, slowly),
  "mapEffect with concurrency": Stream.mapEffect(slowly, (n) => Effect.as(Effect.yieldNow(), n), { concurrency: 2 }),
  "flatMap with concurrency": Stream.flatMap(slowly, () => slowly, { concurrency: 2 }),
  "an async iterable": Stream.fromAsyncIterable({ [Symbol.asyncIterator]: counting }, (error) => error),
  async: Stream.async<number>((emit) => {
    for (let n = 0; n < 5; n++) queueMicrotask(() => void emit.single(n))
    queueMicrotask(() => void emit.end())
  }),
  groupedWithin: Stream.flattenChunks(Stream.groupedWithin(slowly, 2, "1 second")),
  debounce: Stream.debounce(five, "1 second"),
  zipLatest: Stream.map(Stream.zipLatest(slowly, five), ([a, b]) => a + b),
  "a producer forked by the opening": Stream.unwrap(
    Effect.gen(function* () {
      const queue = yield* Queue.bounded<number>(1)
      yield* Effect.fork(
        Effect.zipRight(
          Stream.runForEach(slowly, (n) => Queue.offer(queue, n)),
          Effect.never
        )
      )
      return Stream.take(Stream.fromQueue(queue), 5)
    })
  )
}

for (const [kind, making] of Object.entries(everyPolicy)) {
  describe(`a stream under ${kind}`, () => {
    it.scoped("has the elements and the chunks that it has without, and ends as it does", () =>
      Effect.gen(function* () {
        const policy = yield* making
        const chunks = Stream.fromChunks(Chunk.make(1, 2), Chunk.make(3), Chunk.make(4, 5, 6))
        for (const stream of [
          chunks,
          Stream.empty,
          Stream.concat(Stream.fromChunk(Chunk.empty()), chunks),
          Stream.concat(chunks, Stream.fail(new Declined({ reason: "no funds" }))),
          Stream.fail(new Declined({ reason: "no funds" })),
          Stream.die("a bug"),
          Stream.concat(chunks, Stream.die("a bug")),
          Stream.execute(Effect.interrupt)
        ] satisfies ReadonlyArray<Stream.Stream<number, Declined>>) {
          const bare = yield* chunksOf(Stream.filter(stream, () => true))
          const { chunks: seen, exit } = yield* chunksOf(Policy.protectStream(stream, policy))
          expect(seen).toEqual(bare.chunks.filter((chunk) => chunk.length > 0))
          expect(shape(exit)).toEqual(shape(bare.exit))
        }
      })
    )

    it.scoped("is opened when it is run, once at each run, and closed once, however it ends", () =>
      Effect.gen(function* () {
        const policy = yield* making
        const source = new Source()
        const stream = Policy.protectStream(source.of(five), policy)
        expect(source.log).toEqual([])
        expect(yield* numbers(stream)).toEqual([0, 1, 2, 3, 4])
        expect(source.log).toEqual(["open 1", "close 1"])
        expect(yield* numbers(Stream.take(stream, 1))).toEqual([0])
        expect(source.log.slice(2)).toEqual(["open 2", "close 2"])
        const failing = Policy.protectStream(source.of(Stream.concat(five, Stream.fail("no funds"))), policy)
        yield* Effect.exit(Stream.runDrain(failing))
        expect(source.log.slice(4)).toEqual(["open 3", "close 3"])
        const hanging = yield* begin(Stream.runDrain(Policy.protectStream(source.of(Stream.never), policy)))
        yield* Fiber.interrupt(hanging)
        yield* TestClock.adjust(0)
        const going = yield* begin(
          Stream.runDrain(Policy.protectStream(source.of(Stream.concat(five, Stream.never)), policy))
        )
        expect(source.open).toBe(1)
        yield* Fiber.interrupt(going)
        expect(source.log.slice(6)).toEqual(["open 4", "close 4", "open 5", "close 5"])
      })
    )

    it.scoped("asks for no more than its consumer does", () =>
      Effect.gen(function* () {
        const policy = yield* making
        let made = 0
        const stream = Policy.protectStream(Stream.repeatEffect(Effect.sync(() => ++made)), policy)
        const pull = yield* Stream.toPull(stream)
        expect(made).toBe(0)
        for (const n of [1, 2, 3]) {
          expect(Chunk.toReadonlyArray(yield* pull)).toEqual([n])
          expect(made).toBe(n)
        }
      })
    )

    it.scoped("has the environment, the scope and the fiber's state of its caller, and keeps what it changes", () =>
      Effect.gen(function* () {
        const policy = yield* making
        const level = yield* FiberRef.make(1)
        const scope = yield* Scope.make()
        let released = false
        const resource = Effect.acquireRelease(
          FiberRef.update(level, (n) => n + 1),
          () => Effect.sync(() => (released = true))
        )
        const stream = Stream.fromEffect(Effect.zipRight(resource, Currency)).pipe(
          Stream.concat(Stream.fromEffect(Currency)),
          Policy.protectStream(policy)
        )
        const currencies = numbers(stream).pipe(Effect.provideService(Currency, "EUR"), Scope.extend(scope))
        expect(yield* currencies).toEqual(["EUR", "EUR"])
        expect([yield* FiberRef.get(level), released]).toEqual([2, false])
        yield* Scope.close(scope, Exit.void)
        expect(released).toBe(true)
      })
    )
  })
}

const limiting = ["a timeout", "a timeout that disconnects", "a deadline", "a standard policy", "a composition of all"]

for (const kind of limiting) {
  describe(`a stream that forks in its opening, under ${kind}`, () => {
    const making = Effect.suspend(() => everyPolicy[kind] ?? Effect.dieMessage(`there is no ${kind}`))

    for (const [name, stream] of Object.entries(forking)) {
      it.scoped(`goes on after its first element: ${name}`, () =>
        Effect.gen(function* () {
          const policy = yield* making
          const bare = yield* begin(numbers(stream))
          const running = yield* begin(numbers(Policy.protectStream(stream, policy)))
          yield* TestClock.adjust("1 minute")
          expect((yield* Fiber.join(running)).toSorted()).toEqual((yield* Fiber.join(bare)).toSorted())
        })
      )
    }

    it.scopedLive("goes on after its first element on the live clock, too", () =>
      Effect.gen(function* () {
        const policy = yield* making
        for (const [name, stream] of Object.entries(forking)) {
          // What waits for time to pass is tried in virtual time alone.
          if (name === "debounce") continue
          const seen = yield* numbers(Policy.protectStream(stream, policy))
          expect([name, seen.toSorted()]).toEqual([name, (yield* numbers(stream)).toSorted()])
        }
      })
    )
  })
}
