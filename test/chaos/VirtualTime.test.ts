import { VirtualTime } from "@effect-resilience/chaos"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Clock, Deferred, Effect, Exit, Fiber, Option, Queue, Random, Runtime, Schedule } from "effect"

const now = Clock.currentTimeMillis

/** What happened, in order, with the virtual time of each. */
const diary = () => {
  const lines: Array<string> = []
  const note = (what: string) => Effect.map(now, (at) => void lines.push(`${at} ${what}`))
  return { lines, note }
}

describe("a program in virtual time", () => {
  it.effect("sleeps without waiting, and sees its own clock alone", () =>
    Effect.gen(function* () {
      const seen = yield* VirtualTime.run(
        Effect.gen(function* () {
          const before = yield* now
          yield* Effect.sleep("10 hours")
          yield* Effect.sleep("0.5 millis")
          return [before, yield* now, yield* Clock.currentTimeNanos]
        }),
        { start: 1_700_000_000_000 }
      )
      expect(seen).toEqual([1_700_000_000_000, 1_700_036_000_000, 1_700_036_000_000_500_000n])
      expect(yield* now).toBe(0)
    })
  )

  it.effect("wakes those who are due together in the order in which they fell asleep, before any of them runs", () =>
    Effect.gen(function* () {
      const { lines, note } = diary()
      const sleeper = (name: string, millis: number) =>
        Effect.sleep(millis).pipe(
          Effect.zipRight(note(name)),
          Effect.zipRight(Effect.yieldNow()),
          Effect.zipRight(note(`${name} again`))
        )
      yield* VirtualTime.run(
        Effect.all([sleeper("a", 20), sleeper("b", 10), sleeper("c", 20)], { concurrency: "unbounded" })
      )
      expect(lines).toEqual(["10 b", "10 b again", "20 a", "20 c", "20 a again", "20 c again"])
    })
  )

  it.effect("runs the same way for the same seed, and another way for another", () =>
    Effect.gen(function* () {
      const played = (seed: number | string) =>
        Effect.gen(function* () {
          const { lines, note } = diary()
          const walker = (name: number) =>
            Effect.repeatN(
              Effect.flatMap(Random.nextIntBetween(0, 50), (millis) =>
                Effect.zipRight(Effect.sleep(millis), note(`${name}`))
              ),
              20
            )
          yield* VirtualTime.run(
            Effect.forEach([1, 2, 3, 4], walker, { concurrency: "unbounded", discard: true }).pipe(
              Effect.withMaxOpsBeforeYield(11)
            ),
            { seed }
          )
          return lines.join("\n")
        })
      const all = yield* Effect.forEach([1, 1, 2, "monday", "monday", "tuesday"], played)
      expect([all[1], all[4]]).toEqual([all[0], all[3]])
      expect(new Set(all).size).toBe(4)
    })
  )

  it.effect("gives what it requires, fails as it fails, and dies as it dies", () =>
    Effect.gen(function* () {
      expect(yield* Effect.flip(VirtualTime.run(Effect.fail("declined")))).toBe("declined")
      expect(yield* Effect.exit(Effect.succeed(3).pipe(VirtualTime.run()))).toEqual(Exit.succeed(3))
      expect(yield* Effect.exit(VirtualTime.run(Effect.die("bug")))).toEqual(Exit.die("bug"))
      const exit = yield* Effect.exit(VirtualTime.run(Effect.interrupt))
      expect(Exit.isInterrupted(exit)).toBe(true)
    })
  )

  it.effect("lets promises that need only microtasks resolve without time passing", () =>
    Effect.gen(function* () {
      const nested = async (depth: number): Promise<number> => (depth === 0 ? 0 : 1 + (await nested(depth - 1)))
      const seen = yield* VirtualTime.run(
        Effect.gen(function* () {
          yield* Effect.forkDaemon(Effect.forever(Effect.sleep(1)))
          const depth = yield* Effect.promise(() => nested(10))
          return [depth, yield* now]
        })
      )
      expect(seen).toEqual([10, 0])
    })
  )

  it.effect("runs what a runtime that was taken inside runs in the same virtual time", () =>
    Effect.gen(function* () {
      const seen = yield* VirtualTime.run(
        Effect.gen(function* () {
          const runtime = yield* Effect.runtime<never>()
          yield* Effect.promise(() => Runtime.runPromise(runtime)(Effect.sleep("2 seconds")))
          return yield* now
        })
      )
      expect(seen).toBe(2000)
    })
  )

  it.effect("can hold another, which time stands still for", () =>
    Effect.gen(function* () {
      const seen = yield* VirtualTime.run(
        Effect.gen(function* () {
          yield* Effect.forkDaemon(Effect.forever(Effect.sleep(1)))
          // More than a stretch of work, so that the inner one has turns of the host's.
          const inner = yield* VirtualTime.run(
            Effect.zipRight(Effect.repeat(Effect.sleep(1), Schedule.recurs(11_999)), now)
          )
          return [inner, yield* now]
        })
      )
      expect(seen).toEqual([12_000, 0])
    })
  )

  it.effect("wakes whoever is due in the order of time, and nobody who was interrupted", () =>
    Effect.gen(function* () {
      const woken = yield* VirtualTime.run(
        Effect.gen(function* () {
          const queue = yield* Queue.unbounded<number>()
          yield* Effect.forEach([30, 10, 20, 10], (millis, i) =>
            Effect.fork(Effect.delay(Queue.offer(queue, i), millis))
          )
          const fiber = yield* Effect.fork(Effect.delay(Queue.offer(queue, 9), 15))
          yield* Effect.sleep(12)
          yield* Fiber.interrupt(fiber)
          yield* Effect.sleep(50)
          return [...(yield* Queue.takeAll(queue))]
        })
      )
      expect(woken).toEqual([1, 3, 2, 0])
    })
  )
})

describe("what a run refuses", () => {
  const real = {
    "a promise that never resolves": Effect.promise(() => new Promise<void>(() => {})),
    "a turn of the event loop": Effect.promise(() => new Promise<void>((done) => setImmediate(done))),
    "what never resumes": Effect.never,
    "fibers that wait for each other": Effect.gen(function* () {
      const one = yield* Deferred.make<void>()
      const other = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(Effect.zipRight(Deferred.await(one), Deferred.succeed(other, undefined)))
      yield* Effect.zipRight(Deferred.await(other), Deferred.succeed(one, undefined))
      yield* Fiber.join(fiber)
    })
  }
  for (const [what, wait] of Object.entries(real)) {
    it.effect(`it says when nothing but ${what} is waited for, and the finalizers run`, () =>
      Effect.gen(function* () {
        const { lines, note } = diary()
        const program = Effect.zipRight(Effect.sleep("90 seconds"), wait).pipe(
          Effect.ensuring(Effect.zipRight(Effect.sleep("2 seconds"), note("closed")))
        )
        const error = yield* Effect.flip(VirtualTime.run(program))
        expect(error).toBeInstanceOf(VirtualTime.WaitsForRealTime)
        expect(error.message).toMatch(
          /^After 1m 30s of virtual time nothing can run and no timer is armed, but \d fiber/
        )
        expect(lines).toEqual(["92000 closed"])
      })
    )
  }

  it.effect("it loses every race between something real and a limit of time", () =>
    Effect.gen(function* () {
      const turn = Effect.promise(() => new Promise<void>((done) => setImmediate(done)))
      const seen = yield* VirtualTime.run(Effect.zip(Effect.timeoutOption(turn, "5 seconds"), now))
      expect(seen).toEqual([Option.none(), 5000])
    })
  )

  it.effect("it ends a program that heartbeats keep alive", () =>
    Effect.gen(function* () {
      let beats = 0
      const heart = Effect.forever(
        Effect.zipRight(
          Effect.sleep("1 second"),
          Effect.sync(() => beats++)
        )
      )
      const program = Effect.zipRight(Effect.forkDaemon(heart), Effect.never)
      const error = yield* Effect.flip(VirtualTime.run(program, { limit: "1 minute" }))
      expect(error).toMatchObject({ _tag: "NeverEnds", reason: "time" })
      expect(beats).toBe(60)
    })
  )

  it.effect("it ends a program that spins without any time passing", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(VirtualTime.run(Effect.forever(Effect.yieldNow()), { turns: 20_000 }))
      expect(error).toMatchObject({ _tag: "NeverEnds", reason: "turns" })
      const asleep = yield* Effect.flip(VirtualTime.run(Effect.forever(Effect.sleep(0)), { turns: 20_000 }))
      expect(asleep).toMatchObject({ _tag: "NeverEnds", reason: "turns" })
    })
  )

  it.effect("it dies of options that cannot be meant, all at once", () =>
    Effect.gen(function* () {
      const options = { seed: Number.NaN, start: -1, limit: 0, turns: 0 }
      const exit = yield* Effect.exit(VirtualTime.run(Effect.void, options))
      const said = Exit.isFailure(exit) ? Cause.pretty(exit.cause) : ""
      expect(said).toMatch(/seed is NaN.*start is -1.*limit is 0.*turns is 0/)
    })
  )
})
