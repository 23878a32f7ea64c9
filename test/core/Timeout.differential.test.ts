/** A timeout does what `Effect.timeoutFail` does: the same end, at the same moment, with the same effects on the way. */
import { Timeout } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Fiber, FiberRef, Request, RequestResolver, TestClock } from "effect"
import { begin, shape } from "../support/Play.js"

class Late {
  readonly _tag = "Late"
}

type Limit = <A, E, R>(self: Effect.Effect<A, E, R>, millis: number) => Effect.Effect<A, E | "late", R>

// Says its error in two steps as well: an interrupted fiber drops what it failed with at such a step.
const stock: Limit = (self, millis) =>
  Effect.mapError(Effect.timeoutFail(self, { duration: millis, onTimeout: () => new Late() }), (error) =>
    error instanceof Late ? "late" : error
  )

const ours: Limit = (self, millis) =>
  Effect.flatMap(Effect.scoped(Timeout.make("ours", { duration: millis })), (timeout) =>
    Effect.mapError(timeout.protect(self), (error) => (error instanceof Timeout.TimedOut ? "late" : error))
  )

type Note = (what: string) => Effect.Effect<void>
type Scenario = (limit: Limit, note: Note) => Effect.Effect<unknown, unknown>

const limitMillis = 1000
const after = <A, E, R>(millis: number, self: Effect.Effect<A, E, R>) => Effect.zipRight(Effect.sleep(millis), self)
const onInterrupt = <A, E, R>(self: Effect.Effect<A, E, R>, then: Effect.Effect<unknown>) =>
  Effect.onInterrupt(self, () => then)

/** The effect, interrupted from outside after so long; how it ended. */
const interrupted = <A, E, R>(self: Effect.Effect<A, E, R>, millis: number) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(self)
    yield* Effect.sleep(millis)
    return shape(yield* Fiber.interrupt(fiber))
  })

/** Tells how the effect ended. */
const told = <A, E, R>(note: Note, self: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Effect.exit(self), (exit) => note(JSON.stringify(shape(exit))))

const inWork: Record<string, Scenario> = {
  "a success": (limit) => limit(after(300, Effect.succeed("paid")), limitMillis),
  "a failure": (limit) => limit(after(300, Effect.fail("declined")), limitMillis),
  "a defect": (limit) => limit(after(300, Effect.die("bug")), limitMillis),
  "an end at once": (limit) => limit(Effect.succeed("paid"), limitMillis),
  "an interruption of itself": (limit) => limit(after(300, Effect.interrupt), limitMillis),
  "finalizers run when it succeeds": (limit, note) =>
    limit(Effect.ensuring(Effect.succeed("paid"), after(200, note("closed"))), limitMillis),
  "it hangs": (limit, note) => limit(onInterrupt(Effect.never, note("interrupted")), limitMillis),
  "it hangs with a slow finalizer": (limit, note) =>
    limit(onInterrupt(Effect.never, after(400, note("closed"))), limitMillis),
  "it hangs with a finalizer that dies": (limit) => limit(onInterrupt(Effect.never, Effect.die("bug")), limitMillis),
  "it hangs in a scope": (limit, note) =>
    limit(
      Effect.scoped(
        Effect.zipRight(
          Effect.acquireRelease(note("opened"), () => note("closed")),
          Effect.never
        )
      ),
      limitMillis
    ),
  "it is uninterruptible and succeeds late": (limit) =>
    limit(Effect.uninterruptible(after(1500, Effect.succeed("paid"))), limitMillis),
  "it is uninterruptible and fails late": (limit) =>
    limit(Effect.uninterruptible(after(1500, Effect.fail("declined"))), limitMillis),
  "it is uninterruptible and dies late": (limit) =>
    limit(Effect.uninterruptible(after(1500, Effect.die("bug"))), limitMillis),
  "it is uninterruptible and in time": (limit) =>
    limit(Effect.uninterruptible(after(500, Effect.succeed("paid"))), limitMillis)
}

const outside: Record<string, Scenario> = {
  "while it runs": (limit, note) => interrupted(limit(onInterrupt(Effect.never, note("closed")), limitMillis), 500),
  "with a slow finalizer": (limit, note) =>
    interrupted(limit(onInterrupt(Effect.never, after(200, note("closed"))), limitMillis), 500),
  "with a finalizer that dies": (limit) =>
    interrupted(limit(onInterrupt(Effect.never, Effect.die("bug")), limitMillis), 500),
  "with a slow finalizer that dies": (limit) =>
    interrupted(limit(onInterrupt(Effect.never, after(200, Effect.die("bug"))), limitMillis), 500),
  "with a finalizer that outlasts the limit": (limit, note) =>
    interrupted(limit(onInterrupt(Effect.never, after(900, note("closed"))), limitMillis), 500),
  "while uninterruptible work succeeds": (limit, note) =>
    interrupted(limit(Effect.uninterruptible(after(700, note("paid"))), limitMillis), 500),
  "while uninterruptible work fails": (limit) =>
    interrupted(limit(Effect.uninterruptible(after(700, Effect.fail("declined"))), limitMillis), 500),
  "of a caller that is uninterruptible": (limit, note) =>
    interrupted(Effect.uninterruptible(told(note, limit(after(700, Effect.succeed("paid")), limitMillis))), 500),
  "of a caller that is uninterruptible, and its work fails": (limit, note) =>
    interrupted(Effect.uninterruptible(told(note, limit(after(700, Effect.fail("declined")), limitMillis))), 500),
  "of a caller that is uninterruptible, and its work outlasts the limit": (limit, note) =>
    interrupted(Effect.uninterruptible(told(note, limit(after(1700, Effect.succeed("paid")), limitMillis))), 500),
  "of a caller that is uninterruptible, and its work hangs": (limit, note) =>
    interrupted(Effect.uninterruptible(told(note, limit(Effect.interruptible(Effect.never), limitMillis))), 500),
  "after the answer": (limit) =>
    interrupted(Effect.zipRight(limit(after(100, Effect.succeed("paid")), limitMillis), Effect.never), 500),
  "with the timeout in its finalizer": (limit, note) =>
    interrupted(onInterrupt(Effect.never, told(note, limit(after(200, Effect.succeed("ok")), limitMillis))), 500),
  "with a timeout in its finalizer that fires": (limit, note) =>
    interrupted(onInterrupt(Effect.never, told(note, limit(Effect.interruptible(Effect.never), limitMillis))), 500)
}

/** A child that tells when it is interrupted, and takes its time over it. */
const child = (note: Note) => Effect.fork(onInterrupt(Effect.never, after(150, note("child closed"))))

const around: Record<string, Scenario> = {
  "the outer limit is the shorter one": (limit) => limit(limit(Effect.never, 2000), limitMillis),
  "the inner limit is the shorter one": (limit) => limit(limit(Effect.never, 500), limitMillis),
  "the inner limit is caught": (limit) =>
    limit(
      Effect.catchAll(limit(Effect.never, 500), () => after(200, Effect.succeed("stale"))),
      limitMillis
    ),
  "what is caught takes too long": (limit) =>
    limit(
      Effect.catchAll(limit(Effect.never, 500), () => after(700, Effect.succeed("stale"))),
      limitMillis
    ),
  "the caller's other children go on": (limit, note) =>
    Effect.gen(function* () {
      const sibling = yield* Effect.fork(onInterrupt(after(3000, note("sibling done")), note("sibling interrupted")))
      yield* Effect.exit(limit(Effect.never, limitMillis))
      yield* Effect.exit(limit(Effect.fail("declined"), limitMillis))
      yield* note("both answered")
      yield* Fiber.join(sibling)
    }),
  "children forked inside end before a success is told": (limit, note) =>
    limit(Effect.zipRight(child(note), after(100, Effect.succeed("paid"))), limitMillis),
  "children forked inside end before a failure is told": (limit, note) =>
    limit(Effect.zipRight(child(note), after(100, Effect.fail("declined"))), limitMillis),
  "children forked inside end before the limit is told": (limit, note) =>
    limit(Effect.zipRight(child(note), Effect.never), limitMillis),
  "daemons forked inside go on": (limit, note) =>
    Effect.gen(function* () {
      const daemon = Effect.forkDaemon(onInterrupt(after(2000, note("daemon done")), note("daemon interrupted")))
      yield* Effect.exit(limit(Effect.zipRight(daemon, Effect.never), limitMillis))
      yield* Effect.sleep(2000)
    }),
  "the work of another fiber is awaited": (limit, note) =>
    Effect.gen(function* () {
      const shared = yield* Effect.fork(onInterrupt(after(1500, Effect.succeed("paid")), note("shared interrupted")))
      const late = yield* Effect.exit(limit(Fiber.join(shared), limitMillis))
      return [shape(late), yield* Fiber.join(shared)]
    })
}

const observe = (limit: Limit, scenario: Scenario) =>
  Effect.gen(function* () {
    const notes: Array<string> = []
    const note: Note = (what) => Effect.map(Clock.currentTimeMillis, (at) => void notes.push(`${at} ms: ${what}`))
    const { end } = yield* begin(scenario(limit, note))
    return Effect.map(end, ({ at, exit }) => ({ at, exit: shape(exit), notes }))
  })

const compare = (scenarios: Record<string, Scenario>) => {
  for (const [name, scenario] of Object.entries(scenarios)) {
    it.effect(name, () =>
      Effect.gen(function* () {
        const mine = yield* observe(ours, scenario)
        const theirs = yield* observe(stock, scenario)
        yield* TestClock.adjust("10 seconds")
        expect(yield* mine).toEqual(yield* theirs)
      })
    )
  }
}

describe("as Effect.timeoutFail, whatever the work does", () => compare(inWork))
describe("as Effect.timeoutFail, when interrupted from outside", () => compare(outside))
describe("as Effect.timeoutFail, with what stands around it and inside", () => compare(around))

describe("as Effect.timeoutFail, values local to a fiber", () => {
  const ends: Record<string, Effect.Effect<string, string>> = {
    "are kept on success": Effect.succeed("paid"),
    "are dropped on failure": Effect.fail("declined"),
    "are dropped on a defect": Effect.die("bug"),
    "are dropped at the limit": Effect.never,
    "are dropped when it succeeds after the limit": Effect.uninterruptible(after(1500, Effect.succeed("paid")))
  }

  for (const [name, end] of Object.entries(ends)) {
    it.scoped(name, () =>
      Effect.gen(function* () {
        const ref = yield* FiberRef.make("as it was")
        const changing: Scenario = (limit) =>
          Effect.zipRight(
            Effect.exit(limit(Effect.zipRight(FiberRef.set(ref, "changed"), end), limitMillis)),
            FiberRef.get(ref)
          )
        const mine = yield* observe(ours, changing)
        const theirs = yield* observe(stock, changing)
        yield* TestClock.adjust("10 seconds")
        const { exit } = yield* mine
        expect({ exit }).toEqual({ exit: (yield* theirs).exit })
        expect(exit).toEqual({ value: name === "are kept on success" ? "changed" : "as it was" })
      })
    )
  }
})

class PriceOf extends Request.TaggedClass("PriceOf")<number, never, { readonly id: number }> {}

describe("as Effect.timeoutFail, requests that are batched", () => {
  it.effect("inside a limit go out together, and those of calls with limits of their own alone", () =>
    Effect.gen(function* () {
      const batches = (limit: Limit) =>
        Effect.gen(function* () {
          const sizes: Array<number> = []
          const resolver = RequestResolver.makeBatched((requests: ReadonlyArray<PriceOf>) => {
            sizes.push(requests.length)
            return Effect.forEach(requests, (request) => Request.succeed(request, request.id * 10), { discard: true })
          })
          const price = (id: number) => Effect.request(new PriceOf({ id }), resolver)
          const inside = Effect.forEach([1, 2, 3], price, { batching: true })
          const each = Effect.forEach([4, 5], (id) => limit(price(id), limitMillis), { batching: true })
          return [yield* limit(inside, limitMillis), yield* each, sizes]
        })
      expect(yield* batches(ours)).toEqual(yield* batches(stock))
      expect(yield* batches(ours)).toEqual([
        [10, 20, 30],
        [40, 50],
        [3, 1, 1]
      ])
    })
  )
})

describe("as Effect.timeoutFail, an interruption while work that timed out still ends", () => {
  it.effect("ends as soon as the work has, and the caller is interrupted", () =>
    Effect.gen(function* () {
      const stubborn: Scenario = (limit, note) =>
        interrupted(limit(onInterrupt(Effect.never, after(500, note("closed"))), limitMillis), 1200)
      const mine = yield* observe(ours, stubborn)
      const theirs = yield* observe(stock, stubborn)
      yield* TestClock.adjust("10 seconds")
      const [our, their] = [yield* mine, yield* theirs]
      expect({ at: our.at, notes: our.notes }).toEqual({ at: their.at, notes: their.notes })
      expect(our.exit).toMatchObject({ value: { interrupted: true } })
    })
  )
})

describe("unlike Effect.timeoutFail", () => {
  const oneFails: Scenario = (limit, note) =>
    Effect.all(
      [
        limit(after(300, Effect.fail("declined")), limitMillis),
        limit(onInterrupt(Effect.never, note("let go")), limitMillis)
      ],
      { concurrency: "unbounded" }
    )

  it.effect("is let go at once when one of several calls fails, as without a limit", () =>
    Effect.gen(function* () {
      const mine = yield* observe(ours, oneFails)
      const without = yield* observe((self) => self, oneFails)
      const theirs = yield* observe(stock, oneFails)
      yield* TestClock.adjust("10 seconds")
      expect((yield* mine).notes).toEqual(["300 ms: let go"])
      expect(yield* mine).toEqual(yield* without)
      expect((yield* theirs).notes).toEqual(["1000 ms: let go"])
    })
  )

  it.effect("ends what work among several calls has forked, also when that has a child already", () => {
    const forks = (note: Note) =>
      Effect.zipRight(Effect.fork(onInterrupt(Effect.never, note("ended"))), Effect.sleep(5))
    const among: Scenario = (limit, note) =>
      Effect.zipRight(
        Effect.all([limit(forks(note), limitMillis), limit(forks(note), limitMillis)], { concurrency: "unbounded" }),
        Effect.zipRight(note("answered"), Effect.never)
      )
    return Effect.gen(function* () {
      const notes: Array<string> = []
      const note: Note = (what) => Effect.sync(() => void notes.push(what))
      yield* Effect.fork(among(ours, note))
      yield* TestClock.adjust("1 minute")
      expect(notes).toEqual(["ended", "ended", "answered"])
    })
  })

  it.effect("lets go of work among several calls at once, also where it needs a fiber of its own", () => {
    const batching: Scenario = (limit, note) =>
      Effect.all([limit(onInterrupt(Effect.never, note("let go")), limitMillis), after(300, Effect.fail("declined"))], {
        concurrency: "unbounded",
        batching: true
      })
    return Effect.gen(function* () {
      const mine = yield* observe(ours, batching)
      yield* TestClock.adjust("10 seconds")
      expect((yield* mine).notes).toEqual(["300 ms: let go"])
    })
  })
})
