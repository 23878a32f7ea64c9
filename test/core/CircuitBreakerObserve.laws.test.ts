/**
 * Two breakers are told the same, of which one now and then only observes: they must go the same way, and the one that
 * observes lets through exactly what the other refuses, and counts it.
 */
import { CircuitBreaker, Outcome } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Either, Option, Stream } from "effect"
import * as fc from "fast-check"
import assert from "node:assert/strict"
import { HandClock } from "../support/HandClock.js"
import { cases, long } from "../support/Law.js"

const controls = ["isolate", "disable", "reset"] as const

const command = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("pass" as const), millis: fc.constantFrom(1, 30, 50, 100, 200) })
  },
  { weight: 14, arbitrary: fc.record({ do: fc.constant("ask" as const) }) },
  {
    weight: 13,
    arbitrary: fc.record({
      do: fc.constant("end" as const),
      nth: fc.oneof(fc.constant(0), fc.nat(5)),
      outcome: fc.constantFrom(
        ...Array.from({ length: 4 }, () => Outcome.success),
        Outcome.failure(),
        Outcome.failure(),
        Outcome.ignored(),
        Outcome.ignored({ retryAfter: Duration.millis(70) })
      )
    })
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("observe" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom(...controls) }) }
)

type Command = typeof command extends fc.Arbitrary<infer C> ? C : never

const options: CircuitBreaker.Options = {
  tripPolicy: CircuitBreaker.any(
    CircuitBreaker.consecutive(2),
    CircuitBreaker.slow({ threshold: 0.5, slowerThan: 50, window: CircuitBreaker.count(4), minimumCalls: 2 })
  ),
  openDuration: (opening) => 100 * opening,
  openJitter: 0,
  halfOpen: { probes: 2, successThreshold: 2, timeout: 150 }
}

/** A call under way; `enforced` is missing where only the breaker that observes has let it in. */
interface Call {
  readonly permit: CircuitBreaker.Permit
  readonly enforced: CircuitBreaker.Permit | undefined
  readonly began: number
  readonly session: number
}

/** What the breaker that observes must have counted; no counts while it does not. */
class Counting {
  counts: CircuitBreaker.Observed | undefined = undefined
  session = 0

  begin(): void {
    if (this.counts !== undefined) return
    this.session++
    this.counts = { wouldReject: 0, ofThoseSucceeded: 0, ofThoseSlow: 0, ofThoseFailed: 0 }
  }

  count(part: keyof CircuitBreaker.Observed): string {
    if (this.counts !== undefined) this.counts = { ...this.counts, [part]: this.counts[part] + 1 }
    return part
  }

  end({ began, session }: Call, outcome: Outcome.Outcome, now: number): string {
    if (this.counts === undefined || session !== this.session) return "ends too late to be counted"
    if (outcome._tag === "Ignored") return "ignored"
    if (outcome._tag === "Failure") return this.count("ofThoseFailed")
    return this.count(now - began >= 50 ? "ofThoseSlow" : "ofThoseSucceeded")
  }
}

/** Lives through all commands; what was seen is told to `see`. */
const live = (commands: ReadonlyArray<Command>, see: (what: string) => void) => {
  const clock = new HandClock()
  return Effect.gen(function* () {
    const enforcing = yield* CircuitBreaker.make("enforcing", options)
    const observing = yield* CircuitBreaker.make("observing", options)
    const heard: Array<CircuitBreaker.Transition> = []
    yield* Effect.forkScoped(Stream.runForEach(observing.transitions, (each) => Effect.sync(() => heard.push(each))))
    yield* clock.advance(0)
    const counting = new Counting()
    let underWay: ReadonlyArray<Call> = []
    let now = 0
    for (const each of commands) {
      if (each.do === "pass") {
        now += each.millis
        yield* Effect.zipRight(clock.tick(each.millis), Effect.repeatN(Effect.yieldNow(), 4))
      } else if (each.do === "ask") {
        const enforced = yield* Effect.either(CircuitBreaker.acquire(enforcing))
        const observed = yield* Effect.either(CircuitBreaker.acquire(observing))
        expect(Either.isRight(observed)).toBe(counting.counts !== undefined || Either.isRight(enforced))
        if (Either.isLeft(observed)) continue
        if (Either.isLeft(enforced)) see(`${counting.count("wouldReject")}, ${enforced.left.state}`)
        const call = { permit: observed.right, enforced: Option.getOrUndefined(Either.getRight(enforced)) }
        underWay = [{ ...call, began: now, session: counting.session }, ...underWay]
      } else if (each.do === "end") {
        const call = underWay[each.nth % Math.max(1, underWay.length)]
        if (call === undefined) continue
        underWay = underWay.filter((other) => other !== call)
        yield* CircuitBreaker.settle(observing, call.permit, each.outcome)
        if (call.enforced === undefined) see(counting.end(call, each.outcome, now))
        else yield* CircuitBreaker.settle(enforcing, call.enforced, each.outcome)
      } else if (each.do === "observe") {
        const state = yield* enforcing.state
        see(`observes from ${state}`)
        // A circuit that was set by hand starts afresh.
        if (state === "Isolated" || state === "Disabled") yield* enforcing.reset
        counting.begin()
        yield* observing.observe
      } else {
        if (counting.counts !== undefined) see(`${each.do} while observing`)
        counting.counts = undefined
        yield* enforcing[each.do]
        yield* observing[each.do]
      }
      const wanted = yield* enforcing.snapshot
      const retryAfter = counting.counts === undefined ? wanted.retryAfter : Option.none()
      assert.deepEqual(yield* observing.snapshot, {
        ...wanted,
        retryAfter,
        observed: Option.fromNullable(counting.counts)
      })
    }
    yield* clock.advance(0)
    heard.slice(1).forEach(({ from }, place) => expect(from).toBe(heard[place]?.to))
    for (const { cause, from, observing: shadow, to } of heard) if (shadow) see(`${from} -> ${to}: ${cause._tag}`)
  }).pipe(Effect.scoped, clock.rule)
}

describe("over any life of a breaker that observes now and then", () => {
  it.effect("it goes the way of one that refuses, refuses nothing meanwhile, and counts what that one refuses", () =>
    Effect.gen(function* () {
      const seen = new Set<string>()
      const lives = fc.sample(long(command, 150), cases(200))
      yield* Effect.forEach(lives, (commands) => live(commands, (what) => seen.add(what)), { discard: true })
      expect([...seen].toSorted()).toEqual([
        "Closed -> Closed: Observing",
        "Closed -> Open: Consecutive",
        "Closed -> Open: Slow",
        "Disabled -> Closed: Observing",
        "HalfOpen -> Closed: ProbesSucceeded",
        "HalfOpen -> HalfOpen: Observing",
        "HalfOpen -> Open: ProbeDeferred",
        "HalfOpen -> Open: ProbeFailed",
        "HalfOpen -> Open: ProbeSlow",
        "HalfOpen -> Open: ProbeTimedOut",
        "Isolated -> Closed: Observing",
        "Open -> HalfOpen: Due",
        "Open -> Open: Observing",
        "disable while observing",
        "ends too late to be counted",
        "ignored",
        "isolate while observing",
        "observes from Closed",
        "observes from Disabled",
        "observes from HalfOpen",
        "observes from Isolated",
        "observes from Open",
        "ofThoseFailed",
        "ofThoseSlow",
        "ofThoseSucceeded",
        "reset while observing",
        "wouldReject, HalfOpen",
        "wouldReject, Open"
      ])
    })
  )
})
