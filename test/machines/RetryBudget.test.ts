import { RetryBudget } from "@effect-resilience/machines"
import * as fc from "fast-check"
import assert from "node:assert/strict"
import { describe, expect, it } from "vitest"
import { cases, frozen, long } from "../support/Law.js"

const ratio = (share: number, minPerSecond: number, ttlMillis: number): RetryBudget.RatioConfig => ({
  _tag: "Ratio",
  ratio: share,
  minPerSecond,
  ttlMillis
})
const tokens = (capacity: number, cost: number): RetryBudget.TokensConfig => ({ _tag: "Tokens", capacity, cost })

const callsAt = (config: RetryBudget.Config, state: RetryBudget.State, atMillis: number, times: number) =>
  Array.from({ length: times }).reduce<RetryBudget.State>(
    (before) => frozen(RetryBudget.called(config, before, atMillis)),
    state
  )

/** How many retries are granted one after the other, and the budget after the first refusal. */
const exhaust = (config: RetryBudget.Config, state: RetryBudget.State, atMillis: number) => {
  let granted = 0
  let now = state
  for (;;) {
    const [may, next] = RetryBudget.withdraw(config, now, atMillis)
    now = frozen(next)
    if (!may) return { granted, state: now }
    granted++
  }
}

const ratioConfig = fc
  .tuple(
    fc.constantFrom(0, 0.1, 0.2, 0.3, 0.7, 1, 2.5),
    fc.constantFrom(0, 0.1, 1, 3),
    fc.oneof(fc.constantFrom(1, 7, 333, 1000, 10_000), fc.integer({ min: 1, max: 5000 }))
  )
  .map(([share, minPerSecond, ttlMillis]) => ratio(share, minPerSecond, ttlMillis))

const event = fc.record({
  pause: fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(0, 0.01, 0.1) },
    { weight: 2, arbitrary: fc.double({ min: 0, max: 1.2, noNaN: true }) },
    { weight: 1, arbitrary: fc.constantFrom(0.9, 1, 1.1, 3, -0.1) }
  ),
  calls: fc.nat(6),
  retries: fc.nat(4)
})

describe("over any life of a budget by ratio", () => {
  it("a span that ends with a retry has no more of them than its calls and its seconds pay for", () => {
    const seen = new Set<string>()
    fc.assert(
      fc.property(ratioConfig, fc.nat(1_000_000), long(event, 60), (of, startMillis, events) => {
        const calls: Array<number> = []
        const retries: Array<number> = []
        let nowMillis = startMillis
        let latest = startMillis
        let state = frozen(RetryBudget.initial(of))
        const within = (moments: ReadonlyArray<number>, millis: number) =>
          moments.filter((moment) => moment > latest - millis).length
        for (const { calls: callsNow, pause, retries: retriesNow } of events) {
          nowMillis = Math.max(0, nowMillis + Math.round(pause * of.ttlMillis))
          latest = Math.max(latest, nowMillis)
          for (let n = 0; n < callsNow; n++) calls.push(latest)
          state = callsAt(of, state, nowMillis, callsNow)
          for (let n = 0; n < retriesNow; n++) {
            const available = RetryBudget.available(of, state, nowMillis)
            const [granted, next] = RetryBudget.withdraw(of, state, nowMillis)
            assert.equal(granted, available >= 1)
            assert.equal(RetryBudget.available(of, next, nowMillis), granted ? available - 1 : available)
            state = frozen(next)
            const paidFor = (millis: number) =>
              of.ratio * within(calls, millis) + (of.minPerSecond * of.ttlMillis) / 1000
            if (granted) {
              retries.push(latest)
              assert.ok(
                retries.filter((moment) => moment >= latest - of.ttlMillis).length <= paidFor(of.ttlMillis) + 1e-6
              )
              seen.add(within(retries, of.ttlMillis) < retries.length ? "granted after some had left" : "granted")
            } else {
              // Calls leave up to a tenth early and retries up to a tenth late: only within these is it stricter.
              assert.ok(within(retries, 1.1 * of.ttlMillis + 1) + 1 > paidFor(0.9 * of.ttlMillis) - 1e-6)
              seen.add("refused")
            }
          }
        }
      }),
      cases(250)
    )
    expect([...seen].toSorted()).toEqual(["granted", "granted after some had left", "refused"])
  })
})

describe("calls that are told together", () => {
  it("are the same to a budget by ratio until the moment that it names, and not at that moment", () => {
    fc.assert(
      fc.property(
        ratioConfig,
        fc.nat(1_000_000),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (of, nowMillis, share) => {
          const untilMillis = RetryBudget.sameUntilMillis(of, nowMillis)
          const calledAt = (atMillis: number) => RetryBudget.called(of, RetryBudget.initial(of), atMillis)
          assert.ok(untilMillis > nowMillis && Number.isInteger(untilMillis))
          assert.deepEqual(calledAt(nowMillis + Math.floor(share * (untilMillis - 1 - nowMillis))), calledAt(nowMillis))
          assert.deepEqual(calledAt(untilMillis - 1), calledAt(nowMillis))
          assert.notDeepEqual(calledAt(untilMillis), calledAt(nowMillis))
        }
      ),
      cases(300)
    )
  })

  it("are the same to a budget by tokens for ever", () => {
    expect(RetryBudget.sameUntilMillis(tokens(5, 1), 7)).toBe(Infinity)
  })
})

describe("a budget by ratio", () => {
  const config = ratio(0.2, 1, 10_000)

  it("has what the seconds pay for before the first call, and one for each five calls more", () => {
    expect(exhaust(config, RetryBudget.initial(config), 0).granted).toBe(10)
    expect(exhaust(config, callsAt(config, RetryBudget.initial(config), 0, 104), 0).granted).toBe(30)
    expect(exhaust(config, callsAt(config, RetryBudget.initial(config), 0, 105), 0).granted).toBe(31)
  })

  it("counts whole retries where the fractions add up to one", () => {
    const tenth = ratio(0.1, 0, 1000)
    const third = ratio(0.29, 0, 1000)
    expect(RetryBudget.available(tenth, callsAt(tenth, RetryBudget.initial(tenth), 0, 30), 0)).toBe(3)
    expect(RetryBudget.available(third, callsAt(third, RetryBudget.initial(third), 0, 100), 0)).toBe(29)
  })

  it("forgets a call at its ttl at the latest, and a retry at the earliest then", () => {
    const spent = exhaust(config, callsAt(config, RetryBudget.initial(config), 999, 50), 999).state
    const left = (atMillis: number) => RetryBudget.available(config, spent, atMillis)
    expect([999, 9_999, 10_000, 10_999, 11_000].map(left)).toEqual([0, 0, 0, 0, 10])
  })

  it("keeps a retry for its whole ttl, also where a tenth of it is no whole number of milliseconds", () => {
    const odd = ratio(0, 1000, 7)
    const early = Array.from({ length: 500 }, (_, atMillis) => atMillis).filter((atMillis) => {
      const spent = exhaust(odd, RetryBudget.initial(odd), atMillis).state
      return RetryBudget.available(odd, spent, atMillis + 7) > 0 || RetryBudget.available(odd, spent, atMillis + 9) < 7
    })
    expect(early).toEqual([])
  })

  it("gives nothing back for a success", () => {
    const { state } = exhaust(config, RetryBudget.initial(config), 0)
    expect(RetryBudget.succeeded(config, state, true)).toBe(state)
  })

  it("says how much of what there could be is left", () => {
    const one = callsAt(config, RetryBudget.initial(config), 0, 50)
    expect(RetryBudget.remainingRatio(config, one, 0)).toBe(1)
    expect(RetryBudget.remainingRatio(config, one, 10_000)).toBe(1)
    const [, spent] = RetryBudget.withdraw(config, one, 0)
    expect(RetryBudget.remainingRatio(config, spent, 0)).toBe(19 / 20)
    expect(RetryBudget.remainingRatio(config, exhaust(config, one, 0).state, 0)).toBe(0)
    expect(RetryBudget.remainingRatio(ratio(0.2, 0, 1000), RetryBudget.initial(ratio(0.2, 0, 1000)), 0)).toBe(0)
  })

  it("owes nothing when calls have left before the retries that they paid for", () => {
    const spent = exhaust(config, callsAt(config, RetryBudget.initial(config), 0, 100), 5_000).state
    expect(RetryBudget.available(config, spent, 12_000)).toBe(0)
    expect(RetryBudget.remainingRatio(config, spent, 12_000)).toBe(0)
  })
})

describe("over any life of a budget by tokens", () => {
  it("holds what went in less what retries took, between nothing and its capacity", () => {
    const seen = new Set<string>()
    const step = fc.constantFrom("retry", "retry", "first", "repeated", "call")
    fc.assert(
      fc.property(fc.nat(40), fc.integer({ min: 1, max: 7 }), long(step, 80), (capacity, cost, steps) => {
        const of = tokens(capacity, cost)
        let state = frozen(RetryBudget.initial(of))
        let held = capacity
        for (const each of steps) {
          if (each === "call") state = RetryBudget.called(of, state, 0)
          else if (each === "retry") {
            const [granted, next] = RetryBudget.withdraw(of, state, 0)
            assert.equal(granted, held >= cost)
            if (granted) held -= cost
            else assert.equal(next, state)
            state = frozen(next)
            seen.add(granted ? "granted" : "refused")
          } else {
            state = frozen(RetryBudget.succeeded(of, state, each === "repeated"))
            const more = held + (each === "repeated" ? cost : 1)
            if (more > capacity) seen.add("full")
            held = Math.min(capacity, more)
          }
          assert.equal(RetryBudget.available(of, state, 0), Math.floor(held / cost))
          assert.equal(RetryBudget.remainingRatio(of, state, 0), capacity === 0 ? 0 : held / capacity)
        }
      }),
      cases(200)
    )
    expect([...seen].toSorted()).toEqual(["full", "granted", "refused"])
  })
})

describe("a full budget by tokens", () => {
  it("stays as it is when a call succeeds", () => {
    const full = RetryBudget.initial(tokens(5, 2))
    expect(RetryBudget.succeeded(tokens(5, 2), full, true)).toBe(full)
  })
})

describe("the state of another rule", () => {
  it("is refused by name where something is asked of it, and else left as it is", () => {
    const [one, other] = [ratio(1, 1, 1), tokens(5, 1)]
    const message = "the state of a budget by Tokens was used with a config by Ratio"
    expect(RetryBudget.called(one, RetryBudget.initial(other), 0)).toEqual(RetryBudget.initial(other))
    expect(RetryBudget.succeeded(one, RetryBudget.initial(other), true)).toEqual(RetryBudget.initial(other))
    const asks = [RetryBudget.available, RetryBudget.withdraw, RetryBudget.remainingRatio]
    asks.forEach((ask) => expect(() => ask(one, RetryBudget.initial(other), 0)).toThrow(message))
    expect(() => RetryBudget.available(other, RetryBudget.initial(one), 0)).toThrow(
      "by Ratio was used with a config by Tokens"
    )
  })
})
