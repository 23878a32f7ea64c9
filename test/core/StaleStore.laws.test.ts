/** A stale store against naive models of it, over any sequence of what can happen to it. */
import { Fallback } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Data, Deferred, Duration, Effect, Exit, Fiber, Option } from "effect"
import * as fc from "fast-check"
import assert from "node:assert/strict"
import { Dependency } from "../support/Dependency.js"
import { HandClock, settle } from "../support/HandClock.js"
import { cases, long } from "../support/Law.js"

/** Keys that are equal without being the same. */
const keyOf = (id: number) => Data.struct({ id })

const action = fc.record({
  what: fc.constantFrom("remember" as const, "ask" as const),
  id: fc.nat(7),
  laterMillis: fc.oneof(fc.constantFrom(0, 1), fc.nat(60))
})

interface Known {
  readonly id: number
  readonly value: number
  readonly at: number
}

describe("whatever is remembered and asked for", () => {
  it.effect(
    "what is served is the last value, at most as old as it may be, and only the least recently used have gone",
    () =>
      Effect.gen(function* () {
        const seen = new Set<string>()
        const script = fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 100 }), long(action, 150))
        for (const [capacity, maxAge, actions] of fc.sample(script, cases(60))) {
          const clock = new HandClock()
          const store = yield* Fallback.stale<{ readonly id: number }, number, "down">({ capacity, maxAge })
          const ask = (id: number, answer: Effect.Effect<number, "down">) =>
            clock.rule(answer.pipe(store.remember(keyOf(id)), Fallback.primary, store.tier(keyOf(id)), Effect.option))
          /** Least recently used first. */
          let naive: ReadonlyArray<Known> = []
          let now = 0
          for (const [value, { id, laterMillis, what }] of actions.entries()) {
            now += laterMillis
            yield* clock.tick(laterMillis)
            const known = naive.find((each) => each.id === id)
            const others = naive.filter((each) => each.id !== id)
            if (what === "remember") {
              yield* ask(id, Effect.succeed(value))
              const isFull = known === undefined && others.length >= capacity
              seen.add(known !== undefined ? "renewed" : isFull ? "in place of another" : "added")
              naive = [...(isFull ? others.slice(1) : others), { id, value, at: now }]
            } else {
              const ageMillis = known === undefined ? Infinity : now - known.at
              const isOld = ageMillis > maxAge
              seen.add(known === undefined ? "unknown" : isOld ? "too old" : "served")
              if (ageMillis === maxAge) seen.add("served as old as it may be")
              const expected = known === undefined || isOld ? undefined : { value: known.value, ageMillis }
              const served = Option.map(yield* ask(id, Effect.fail("down")), ({ age, value: got }) => ({
                value: got,
                ageMillis: Duration.toMillis(Option.getOrElse(age, () => Duration.infinity))
              }))
              assert.deepEqual(Option.getOrUndefined(served), expected)
              naive = known === undefined || isOld ? others : [...others, known]
            }
            assert.deepEqual(yield* store.snapshot, { size: naive.length, running: 0 })
            assert.ok(naive.length <= capacity)
          }
        }
        expect([...seen].toSorted()).toEqual([
          "added",
          "in place of another",
          "renewed",
          "served",
          "served as old as it may be",
          "too old",
          "unknown"
        ])
      })
  )
})

const happening = fc.oneof(
  { weight: 5, arbitrary: fc.record({ what: fc.constant("come" as const), id: fc.nat(2) }) },
  { weight: 3, arbitrary: fc.record({ what: fc.constant("leave" as const), nth: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant("end" as const), id: fc.nat(2), ends: fc.nat(2) }) }
)

const endings: ReadonlyArray<readonly [name: string, exit: Exit.Exit<string, "down">]> = [
  ["succeeds", Exit.succeed("fresh")],
  ["fails", Exit.fail("down")],
  ["dies", Exit.die("bug")]
]

interface Caller {
  readonly id: number
  readonly fiber: Fiber.RuntimeFiber<string, "down">
}

describe("whoever comes and leaves", () => {
  it.effect("there is one run for each key that somebody waits for, and all who wait get what it ends with", () =>
    Effect.gen(function* () {
      const seen = new Set<string>()
      for (const script of fc.sample(long(happening, 60), cases(40))) {
        const store = yield* Fallback.stale<number, string, "down">({ capacity: 10, maxAge: "1 hour" })
        const dependency = new Dependency()
        const answers = new Map<number, Deferred.Deferred<string, "down">>()
        let callers: ReadonlyArray<Caller> = []
        let begun = 0
        for (const each of script) {
          if (each.what === "come") {
            const joins = callers.some(({ id }) => id === each.id)
            seen.add(joins ? "joins" : "begins")
            begun += joins ? 0 : 1
            const answer = yield* Deferred.make<string, "down">()
            if (!joins) answers.set(each.id, answer)
            const fiber = yield* Effect.fork(dependency.ask(Deferred.await(answer)).pipe(store.remember(each.id)))
            callers = [...callers, { id: each.id, fiber }]
            yield* settle
          } else if (each.what === "leave") {
            const leaver = callers[each.nth]
            if (leaver === undefined) continue
            callers = callers.filter((caller) => caller !== leaver)
            seen.add(callers.some(({ id }) => id === leaver.id) ? "leaves others" : "leaves nobody")
            assert.ok(Exit.isInterrupted(yield* Fiber.interrupt(leaver.fiber)))
          } else {
            const [name, exit] = endings[each.ends] ?? ["succeeds", Exit.succeed("fresh")]
            const waiting = callers.filter(({ id }) => id === each.id)
            const answer = answers.get(each.id)
            if (answer === undefined || waiting.length === 0) continue
            seen.add(`${name} for ${waiting.length > 1 ? "several" : "one"}`)
            callers = callers.filter(({ id }) => id !== each.id)
            Deferred.unsafeDone(answer, exit)
            for (const { fiber } of waiting) assert.deepEqual(yield* Fiber.await(fiber), exit)
          }
          const running = new Set(callers.map(({ id }) => id)).size
          assert.deepEqual([dependency.asked, dependency.running], [begun, running])
          assert.equal((yield* store.snapshot).running, running)
        }
        yield* Effect.forEach(callers, ({ fiber }) => Fiber.interrupt(fiber))
        assert.deepEqual([dependency.running, (yield* store.snapshot).running], [0, 0])
      }
      expect([...seen].toSorted()).toEqual([
        "begins",
        "dies for one",
        "dies for several",
        "fails for one",
        "fails for several",
        "joins",
        "leaves nobody",
        "leaves others",
        "succeeds for one",
        "succeeds for several"
      ])
    })
  )
})
