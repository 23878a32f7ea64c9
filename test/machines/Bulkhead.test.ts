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

  it("with a free permit and somebody in line, lets nobody overtake", () => {
    expect(Bulkhead.acquire(state(2, 1, 3))).toEqual(["Queued", state(2, 2, 3)])
    expect(Bulkhead.acquire(state(2, 1, 3, 1))).toEqual(["Rejected", state(2, 1, 3, 1)])
  })

  it("lets through as many of those in line as its limit grew by, and no more than wait", () => {
    expect(Bulkhead.resize(state(2, 2, 2), 3)).toEqual([1, state(3, 1, 3)])
    expect(Bulkhead.resize(state(2, 2, 2), 4)).toEqual([2, state(4, 0, 4)])
    expect(Bulkhead.resize(state(2, 2, 2), 9)).toEqual([2, state(4, 0, 9)])
    expect(Bulkhead.resize(state(1, 0, 2), 3)).toEqual([0, state(1, 0, 3)])
  })

  it("touches neither who runs nor who waits when its limit shrinks, and makes up for those above it first", () => {
    expect(Bulkhead.resize(state(2, 2, 2), 2)).toEqual([0, state(2, 2, 2)])
    expect(Bulkhead.resize(state(4, 2, 4), 1)).toEqual([0, state(4, 2, 1)])
    expect(Bulkhead.resize(state(4, 2, 1), 5)).toEqual([1, state(5, 1, 5)])
    expect(Bulkhead.resize(state(4, 2, 1), 3)).toEqual([0, state(4, 2, 3)])
  })

  it("keeps its books over any sequence of arrivals, ends, departures and limits", () => {
    const seen = new Set<string>()
    const config = fc.record({ limit: fc.integer({ min: 1, max: 5 }), maxQueue: fc.nat(4) })
    const happening = fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom("arrive", "arrive", "end", "leave") },
      { weight: 1, arbitrary: fc.integer({ min: 1, max: 5 }) }
    )
    const events = long(happening, 300)
    const law = fc.property(config, events, ({ limit: first, maxQueue }, happened) => {
      let limit = first
      let bulkhead = frozen(Bulkhead.initial({ limit, maxQueue }))
      let running = 0
      let waiting = 0
      for (const event of happened) {
        if (event === "arrive") {
          const [decision, next] = Bulkhead.acquire(bulkhead)
          assert.equal(Bulkhead.isFull(bulkhead), decision === "Rejected")
          assert.equal(decision, running < limit ? "Admitted" : waiting < maxQueue ? "Queued" : "Rejected")
          if (decision === "Rejected") assert.equal(next, bulkhead)
          if (decision === "Admitted") running++
          if (decision === "Queued") waiting++
          seen.add(decision)
          bulkhead = frozen(next)
        } else if (event === "end" && running > 0) {
          const [release, next] = Bulkhead.release(bulkhead)
          assert.equal(release, waiting > 0 && running <= limit ? "HandedOver" : "Freed")
          if (release === "HandedOver") waiting--
          else running--
          seen.add(release)
          bulkhead = frozen(next)
        } else if (event === "leave" && waiting > 0) {
          waiting--
          seen.add("Left")
          bulkhead = frozen(Bulkhead.leave(bulkhead))
        } else if (typeof event === "number") {
          const [handedOver, next] = Bulkhead.resize(bulkhead, event)
          seen.add(
            event < running ? "Shrunk below who runs" : `Resized, ${handedOver > 0 ? "some" : "none"} let through`
          )
          limit = event
          for (let through = 0; through < handedOver; through++) {
            assert.ok(running < limit && waiting > 0, "somebody is let through who must wait, or does not")
            running++
            waiting--
          }
          bulkhead = frozen(next)
        }
        assert.deepEqual(bulkhead, { limit, maxQueue, active: running, queued: waiting })
        assert.ok(waiting <= maxQueue)
        assert.ok(waiting === 0 || running >= limit, "somebody waits while a permit is free")
      }
    })
    fc.assert(law, cases(200))
    expect([...seen].toSorted()).toEqual([
      "Admitted",
      "Freed",
      "HandedOver",
      "Left",
      "Queued",
      "Rejected",
      "Resized, none let through",
      "Resized, some let through",
      "Shrunk below who runs"
    ])
  })
})
