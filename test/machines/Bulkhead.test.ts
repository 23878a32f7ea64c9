import { Bulkhead } from "@effect-resilience/machines"
import * as fc from "fast-check"
import assert from "node:assert/strict"
import { describe, expect, it } from "vitest"
import { cases, frozen, long } from "../support/Law.js"

const state = (active: number, queued: number, limit = 2, maxQueue = 2): Bulkhead.State =>
  frozen({ limit, maxQueue, active, queued })

describe("bulkhead", () => {
  it("starts with nobody in it", () => {
    expect(Bulkhead.initial({ limit: 3, maxQueue: 4 })).toEqual({ limit: 3, maxQueue: 4, active: 0, queued: 0 })
  })

  it("admits up to the limit, then queues up to the line's length, then rejects", () => {
    expect(Bulkhead.acquire(state(0, 0))).toEqual(["Admitted", state(1, 0)])
    expect(Bulkhead.acquire(state(1, 0))).toEqual(["Admitted", state(2, 0)])
    expect(Bulkhead.acquire(state(2, 0))).toEqual(["Queued", state(2, 1)])
    expect(Bulkhead.acquire(state(2, 1))).toEqual(["Queued", state(2, 2)])
    expect(Bulkhead.acquire(state(2, 2))).toEqual(["Rejected", state(2, 2)])
  })

  it("rejects rather than queues when it has no line", () => {
    expect(Bulkhead.acquire(state(1, 0, 1, 0))).toEqual(["Rejected", state(1, 0, 1, 0)])
  })

  it("hands a permit that comes free to the first in line, and frees it when nobody waits", () => {
    expect(Bulkhead.release(state(2, 1))).toEqual(["HandedOver", state(2, 0)])
    expect(Bulkhead.release(state(2, 0))).toEqual(["Freed", state(1, 0)])
  })

  it("forgets one that leaves the line, and touches no permit", () => {
    expect(Bulkhead.leave(state(2, 2))).toEqual(state(2, 1))
  })

  it("after its limit shrank, lets running calls finish and hands nothing over until it is down to the limit", () => {
    expect(Bulkhead.release(state(4, 1, 2))).toEqual(["Freed", state(3, 1, 2)])
    expect(Bulkhead.release(state(3, 1, 2))).toEqual(["Freed", state(2, 1, 2)])
    expect(Bulkhead.release(state(2, 1, 2))).toEqual(["HandedOver", state(2, 0, 2)])
  })

  it("after its limit grew, lets nobody overtake those in line", () => {
    expect(Bulkhead.acquire(state(2, 1, 3))).toEqual(["Queued", state(2, 2, 3)])
  })

  it("keeps its books over any sequence of arrivals, ends and departures", () => {
    const seen = new Set<string>()
    const config = fc.record({ limit: fc.integer({ min: 1, max: 5 }), maxQueue: fc.nat(4) })
    const events = long(fc.constantFrom("arrive", "arrive", "end", "leave"), 300)
    const law = fc.property(config, events, (of, happened) => {
      let bulkhead = frozen(Bulkhead.initial(of))
      let running = 0
      let waiting = 0
      for (const event of happened) {
        if (event === "arrive") {
          const [decision, next] = Bulkhead.acquire(bulkhead)
          assert.equal(decision, running < of.limit ? "Admitted" : waiting < of.maxQueue ? "Queued" : "Rejected")
          if (decision === "Rejected") assert.equal(next, bulkhead)
          if (decision === "Admitted") running++
          if (decision === "Queued") waiting++
          seen.add(decision)
          bulkhead = frozen(next)
        } else if (event === "end" && running > 0) {
          const [release, next] = Bulkhead.release(bulkhead)
          assert.equal(release, waiting > 0 ? "HandedOver" : "Freed")
          if (release === "HandedOver") {
            assert.equal(next.active, bulkhead.active)
            waiting--
          } else running--
          seen.add(release)
          bulkhead = frozen(next)
        } else if (event === "leave" && waiting > 0) {
          waiting--
          seen.add("Left")
          bulkhead = frozen(Bulkhead.leave(bulkhead))
        }
        assert.deepEqual(bulkhead, { ...of, active: running, queued: waiting })
        assert.ok(bulkhead.active <= of.limit && bulkhead.queued <= of.maxQueue)
        assert.ok(bulkhead.queued === 0 || bulkhead.active === of.limit, "somebody waits while a permit is free")
      }
    })
    fc.assert(law, cases(200))
    expect([...seen].toSorted()).toEqual(["Admitted", "Freed", "HandedOver", "Left", "Queued", "Rejected"])
  })
})
