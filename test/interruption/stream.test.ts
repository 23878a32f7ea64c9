/** Streams and acquisitions under policies, interrupted anywhere: nothing that was taken or opened may stay. */
import { Backoff, Bulkhead, CircuitBreaker, Keyed, Policy, Retry, Timeout } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Schedule, Scope, Stream } from "effect"
import { Unavailable } from "../support/Dependency.js"
import { atEveryTurn, untilItHangs, whenDue } from "../support/EveryTurn.js"
import { atEveryPoint, interruptedAt } from "../support/InterruptionPoints.js"
import { Source } from "../support/Source.js"

/** Turns enough for a stream to have been opened and pulled some times. */
const untilItHasStreamed = 50

/** A step that lets others run. */
const step = <A>(value: A) => Effect.as(Effect.yieldNow(), value)
const stepping = Stream.mapEffect(Stream.make(1, 2, 3), step)

const options: Policy.StandardOptions = {
  timeout: "1 second",
  retry: { maxRetries: 1, backoff: Backoff.constant("10 millis") },
  circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(1000) },
  bulkhead: { maxConcurrent: 1 }
}

const parts = Effect.gen(function* () {
  const bulkhead = yield* Bulkhead.make("p", { maxConcurrent: 1 })
  const retry = yield* Retry.make("p", { maxRetries: 1, backoff: Backoff.constant("10 millis") })
  const timeout = yield* Timeout.make("p", { duration: "1 second" })
  const disconnecting = yield* Timeout.make("p", { duration: "1 second", mode: "disconnect" })
  return { bulkhead, disconnecting, retry, timeout }
})

type Kind = "a standard policy" | "permits inside a retry" | "a timeout that disconnects" | "a policy for each key"

interface Made {
  readonly policy: Policy.Policy<unknown>
  readonly active: Effect.Effect<number>
}

type Making = Effect.Effect<Made, never, Scope.Scope>

/** Policies with one permit, and how many of it are taken. */
const policies: Readonly<Record<Kind, Making>> = {
  "a standard policy": Effect.map(Policy.standard("p", options), (policy) => ({
    policy,
    active: Effect.flatMap(Effect.orDie(policy.bulkhead), (bulkhead) =>
      Effect.map(bulkhead.snapshot, (now) => now.active)
    )
  })),
  "permits inside a retry": Effect.map(parts, ({ bulkhead, retry, timeout }) => ({
    policy: Policy.all(retry, bulkhead, timeout),
    active: Effect.map(bulkhead.snapshot, (now) => now.active)
  })),
  "a timeout that disconnects": Effect.map(parts, ({ bulkhead, disconnecting }) => ({
    policy: Policy.all(bulkhead, disconnecting),
    active: Effect.map(bulkhead.snapshot, (now) => now.active)
  })),
  "a policy for each key": Effect.gen(function* () {
    const keyed = yield* Keyed.make("p", {
      lookup: (key: string) => Bulkhead.make(key, { maxConcurrent: 1 }),
      capacity: 1,
      idleTimeToLive: "1 hour"
    })
    const active = Effect.flatMap(keyed.entries, ([entry]) =>
      entry === undefined ? Effect.succeed(0) : Effect.map(entry[1].snapshot, (now) => now.active)
    )
    return { policy: Keyed.forKey(keyed, "a"), active }
  })
}

const streams = {
  "that forks": Stream.buffer(stepping, { capacity: 1 }),
  "that fails before its first element": Stream.concat(Stream.drain(stepping), Stream.fail(new Unavailable({}))),
  "that has no element": Stream.drain(stepping)
}

for (const [kind, making] of Object.entries(policies)) {
  describe(`under ${kind}, interrupted at every turn`, () => {
    for (const [name, stream] of Object.entries(streams)) {
      it.scopedLive(`a stream ${name} gives its permit back and leaves nothing open or running`, () =>
        Effect.gen(function* () {
          const scope = yield* Effect.scope
          const runs = yield* atEveryTurn(
            ({ work }) =>
              Effect.gen(function* () {
                const { active, policy } = yield* Scope.extend(making, scope)
                const source = new Source()
                const opened = source.of(Stream.mapEffect(stream, (n) => work(step(n))))
                return {
                  effect: Effect.exit(Stream.runDrain(Policy.protectStream(opened, policy))),
                  after: Effect.map(active, (taken) => expect([taken, source.open]).toEqual([0, 0]))
                }
              }),
            untilItHasStreamed
          )
          expect(runs.interrupted).toBeGreaterThan(20)
        })
      )
    }

    it.scopedLive("an acquisition is its scope's or released", () =>
      Effect.gen(function* () {
        const scope = yield* Effect.scope
        const stories = new Set<string>()
        yield* atEveryTurn(() =>
          Effect.gen(function* () {
            const { active, policy } = yield* Scope.extend(making, scope)
            const log: Array<string> = []
            const note = (what: string) => Effect.sync(() => log.push(what))
            // Not `Effect.acquireRelease`, whose finalizers forget an interruption that comes while they run.
            const take = (thing: string) =>
              Effect.uninterruptible(
                Effect.zipRight(
                  note(`+${thing}`),
                  Effect.flatMap(Effect.scope, (own) => Scope.addFinalizer(own, note(`-${thing}`)))
                )
              )
            const acquire = Effect.zipRight(Effect.zipRight(take("a"), Effect.yieldNow()), take("b"))
            const used = Effect.zipRight(note("used"), Effect.yieldNow())
            return {
              effect: Effect.zipRight(
                Effect.scoped(Effect.zipRight(Policy.protectScoped(acquire, policy), used)),
                Effect.yieldNow()
              ),
              after: Effect.map(active, (taken) => {
                stories.add(log.join(" "))
                expect(taken).toBe(0)
              })
            }
          })
        )
        const all = ["", "+a -a", "+a +b -b -a", "+a +b used -b -a"]
        expect(all).toEqual(expect.arrayContaining([...stories]))
        expect(stories.size).toBeGreaterThan(2)
      })
    )
  })
}

describe("a stream interrupted at every turn", () => {
  it.scopedLive("while an attempt that hung before its first element is closed and another opened", () =>
    Effect.gen(function* () {
      const scope = yield* Effect.scope
      const runs = yield* atEveryTurn(
        ({ work }) =>
          Effect.gen(function* () {
            const { active, policy } = yield* Scope.extend(policies["a standard policy"], scope)
            const source = new Source()
            const opened = source.of(Stream.fromEffect(work(Effect.never)), stepping)
            return {
              effect: Stream.runDrain(Policy.protectStream(opened, policy)),
              after: Effect.map(active, (taken) => expect([taken, source.open]).toEqual([0, 0]))
            }
          }),
        untilItHangs,
        whenDue(1000)
      )
      expect(runs.interrupted).toBeGreaterThan(20)
    })
  )
})

describe("a consumer interrupted at every point", () => {
  it.scopedLive("between two elements, gives the permit back", () =>
    Effect.gen(function* () {
      const { active, policy } = yield* policies["a standard policy"]
      const source = new Source()
      const endless = Stream.repeatEffectWithSchedule(Effect.void, Schedule.forever)
      yield* atEveryPoint((point) =>
        Effect.gen(function* () {
          const consumer = Stream.runDrain(Policy.protectStream(source.of(endless), policy))
          const { opened } = source
          const streaming = Effect.repeatN(Effect.yieldNow(), 200)
          expect(Exit.isInterrupted(yield* interruptedAt(point, consumer, streaming))).toBe(true)
          expect(source.opened).toBe(opened + 1)
          expect([point, yield* active, source.open]).toEqual([point, 0, 0])
        })
      )
    })
  )
})
