import { Backoff, Deadline } from "@effect-resilience/machines"
import * as fc from "fast-check"
import assert from "node:assert/strict"
import { describe, expect, it } from "vitest"
import { cases } from "../support/Law.js"

describe("start", () => {
  it("begins a budget now", () => {
    const deadline = { policy: "order", budgetMillis: 5000, startedMillis: 100, dueMillis: 5100 }
    expect(Deadline.start("order", 5000, undefined, 100)).toEqual(deadline)
  })

  it("inside another keeps the one that ends first, and the outer one when both end together", () => {
    const outer = Deadline.start("order", 5000, undefined, 100)
    expect(Deadline.start("payment", 5001, outer, 100)).toBe(outer)
    expect(Deadline.start("payment", 4000, outer, 1100)).toBe(outer)
    const shorter = { policy: "payment", budgetMillis: 3999, startedMillis: 1100, dueMillis: 5099 }
    expect(Deadline.start("payment", 3999, outer, 1100)).toEqual(shorter)
  })

  it("however deep never lengthens a budget, and leaves the shortest of all", () => {
    const seen = new Set<string>()
    const nested = fc.array(fc.record({ budgetMillis: fc.nat(1000), laterMillis: fc.nat(100) }), { maxLength: 8 })
    const law = fc.property(nested, (budgets) => {
      let nowMillis = 0
      let shortest = Infinity
      let deadline: Deadline.Deadline | undefined
      for (const { budgetMillis, laterMillis } of budgets) {
        nowMillis += laterMillis
        const before = Deadline.remainingMillis(deadline, nowMillis)
        const inner = Deadline.start("inner", budgetMillis, deadline, nowMillis)
        seen.add(inner === deadline ? "outer kept" : "shortened")
        deadline = inner
        shortest = Math.min(shortest, nowMillis + budgetMillis)
        assert.ok(Deadline.remainingMillis(deadline, nowMillis) <= before)
        assert.equal(deadline.dueMillis, shortest)
      }
    })
    fc.assert(law, cases(300))
    expect([...seen].toSorted()).toEqual(["outer kept", "shortened"])
  })
})

describe("what is left", () => {
  it("counts down to 0 and no further, and is endless without a deadline", () => {
    const deadline = Deadline.start("order", 5000, undefined, 100)
    expect([100, 5099, 5100, 5101].map((now) => Deadline.remainingMillis(deadline, now))).toEqual([5000, 1, 0, 0])
    expect(Deadline.remainingMillis(undefined, 100)).toBe(Infinity)
  })

  it("ends an attempt when it is shorter than the attempt's own limit, not when both end together", () => {
    expect(Deadline.attemptLimit(2000, 2001)).toEqual({ millis: 2000, by: "timeout" })
    expect(Deadline.attemptLimit(2000, 2000)).toEqual({ millis: 2000, by: "timeout" })
    expect(Deadline.attemptLimit(2000, 1999)).toEqual({ millis: 1999, by: "deadline" })
    expect(Deadline.attemptLimit(2000, Infinity)).toEqual({ millis: 2000, by: "timeout" })
    expect(Deadline.attemptLimit(Infinity, 10)).toEqual({ millis: 10, by: "deadline" })
  })

  it("allows a wait only if that leaves the least that an attempt needs, and something", () => {
    expect(Deadline.leavesRoom(100, 50, 150)).toBe(true)
    expect(Deadline.leavesRoom(100, 50, 149)).toBe(false)
    expect(Deadline.leavesRoom(100, 0, 101)).toBe(true)
    expect(Deadline.leavesRoom(100, 0, 100)).toBe(false)
    expect(Deadline.leavesRoom(100, 50, Infinity)).toBe(true)
  })
})

describe("retries that fit", () => {
  const secondOfBackoff = {
    budgetMillis: 5000,
    timeoutMillis: 2000,
    overheadMillis: 0,
    ceilingMillis: () => 1000,
    most: 10
  }

  it("one in 5 s with attempts of 2 s and 1 s between them, and none with a millisecond less", () => {
    expect(Deadline.retriesThatFit(secondOfBackoff)).toBe(1)
    expect(Deadline.retriesThatFit({ ...secondOfBackoff, budgetMillis: 4999 })).toBe(0)
    expect(Deadline.retriesThatFit({ ...secondOfBackoff, overheadMillis: 1 })).toBe(0)
  })

  it("-1 when not even the first attempt fits", () => {
    expect(Deadline.retriesThatFit({ ...secondOfBackoff, budgetMillis: 2000 })).toBe(0)
    expect(Deadline.retriesThatFit({ ...secondOfBackoff, budgetMillis: 1999 })).toBe(-1)
  })

  it("never more than were asked for", () => {
    expect(Deadline.retriesThatFit({ ...secondOfBackoff, budgetMillis: Infinity, most: 2 })).toBe(2)
    expect(Deadline.retriesThatFit({ ...secondOfBackoff, budgetMillis: Infinity, most: 0 })).toBe(0)
  })

  it("as many as the worst case of every count from 0 on says", () => {
    const options = fc.record({
      budgetMillis: fc.nat(5000),
      timeoutMillis: fc.integer({ min: 1, max: 1000 }),
      overheadMillis: fc.nat(300),
      most: fc.nat(12),
      backoff: fc.record({ baseMillis: fc.nat(300), capMillis: fc.nat(1000), factor: fc.constantFrom(1, 2) })
    })
    const law = fc.property(options, ({ backoff, ...rest }) => {
      const ceilingMillis = (n: number) => Backoff.ceilingMillis(backoff, n)
      const worstCase = (n: number): number => {
        const waits = Array.from({ length: n }, (_, retry) => ceilingMillis(retry))
        return (n + 1) * rest.timeoutMillis + waits.reduce((sum, wait) => sum + wait, 0)
      }
      const fits = (n: number) => worstCase(n) <= rest.budgetMillis - rest.overheadMillis
      const counts = Array.from({ length: rest.most + 1 }, (_, n) => n)
      assert.equal(Deadline.retriesThatFit({ ...rest, ceilingMillis }), Math.max(-1, ...counts.filter(fits)))
    })
    fc.assert(law, cases(500))
  })
})
