import { LoadShedder } from "@effect-resilience/machines"
import * as fc from "fast-check"
import assert from "node:assert/strict"
import { describe, expect, it } from "vitest"
import { cases, frozen, long } from "../support/Law.js"

const config: LoadShedder.Config = {
  maxWaiting: 4,
  newestFirstAbove: 2,
  targetMillis: 20,
  intervalMillis: 200,
  maxDelayMillis: 100,
  minRetryAfterMillis: 1000,
  maxRetryAfterMillis: 5000
}

const request = (id: number, of: LoadShedder.Class = "SHEDDABLE", latestMillis = Infinity): LoadShedder.Request => ({
  id,
  class: of,
  latestMillis
})

/** A server under way: what was asked of it, in order, and what came of the last. */
class Trial {
  outcome: LoadShedder.Outcome = { admitted: [], refused: [] }
  state: LoadShedder.State
  constructor(
    limit: number,
    readonly of = config
  ) {
    this.state = frozen(LoadShedder.initial(limit))
  }
  private take([outcome, state]: readonly [LoadShedder.Outcome, LoadShedder.State]): this {
    this.outcome = outcome
    this.state = frozen(state)
    return this
  }
  arrive(arriving: LoadShedder.Request, nowMillis = 0): this {
    return this.take(LoadShedder.arrive(this.of, this.state, arriving, nowMillis))
  }
  release(nowMillis = 0): this {
    return this.take(LoadShedder.release(this.of, this.state, nowMillis))
  }
  resize(limit: number, nowMillis = 0): this {
    return this.take(LoadShedder.resize(this.of, this.state, limit, nowMillis))
  }
  sweep(nowMillis: number): this {
    const [refused, state] = LoadShedder.sweep(this.of, this.state, nowMillis)
    return this.take([{ admitted: [], refused }, state])
  }
  get why(): ReadonlyArray<string> {
    return this.outcome.refused.map(({ id, reason }) => `${id} ${reason}`)
  }
}

/** One place, taken by 0; these wait, 1 and on. */
const busy = (waiting: ReadonlyArray<LoadShedder.Class>, of = config): Trial => {
  const trial = new Trial(1, of).arrive(request(0))
  waiting.forEach((each, place) => trial.arrive(request(place + 1, each)))
  return trial
}

describe("load shedder", () => {
  it("begins with nobody in its lines", () => {
    const line = { waiters: [], sinceMillis: 0, earliestMillis: Infinity }
    const lines = [line, line, line, line]
    expect(LoadShedder.initial(3)).toEqual({ limit: 3, running: 0, lines, delayMillis: 0, overload: undefined })
  })

  it("lets in at once while there is room, then lets wait, then refuses", () => {
    const trial = new Trial(2)
    expect(trial.arrive(request(0)).outcome).toEqual({ admitted: [0], refused: [] })
    expect(trial.arrive(request(1)).outcome).toEqual({ admitted: [1], refused: [] })
    for (const id of [2, 3, 4, 5]) expect(trial.arrive(request(id)).outcome).toEqual({ admitted: [], refused: [] })
    expect(LoadShedder.waiting(trial.state)).toBe(4)
    const refusal = { id: 6, class: "SHEDDABLE", reason: "Full", retryAfterMillis: 1000 }
    expect(trial.arrive(request(6)).outcome).toEqual({ admitted: [], refused: [refusal] })
    expect(trial.state.running).toBe(2)
  })

  it("lets nobody wait who has no line", () => {
    expect(new Trial(1, { ...config, maxWaiting: 0 }).arrive(request(0)).arrive(request(1)).why).toEqual(["1 Full"])
  })

  it("gives what comes free to the highest class, whoever came first", () => {
    const trial = busy(["SHEDDABLE", "SHEDDABLE_PLUS", "CRITICAL_PLUS", "CRITICAL"])
    const served = [1, 2, 3, 4].flatMap(() => trial.release().outcome.admitted)
    expect(served).toEqual([3, 4, 2, 1])
    expect(trial.release().outcome).toEqual({ admitted: [], refused: [] })
    expect(trial.state).toEqual(LoadShedder.initial(1))
  })

  it("serves a class the oldest first while few wait, and the newest first once many do", () => {
    const trial = busy(["CRITICAL", "CRITICAL", "CRITICAL", "CRITICAL"])
    expect([1, 2, 3, 4].flatMap(() => trial.release().outcome.admitted)).toEqual([4, 3, 1, 2])
  })

  it("puts a higher class in the place of the longest waiting of the lowest", () => {
    const trial = busy(["SHEDDABLE", "SHEDDABLE", "SHEDDABLE_PLUS", "CRITICAL"])
    expect(trial.arrive(request(5, "SHEDDABLE_PLUS")).outcome.refused).toEqual([
      { id: 1, class: "SHEDDABLE", reason: "Displaced", retryAfterMillis: 1000 }
    ])
    expect(trial.arrive(request(6, "SHEDDABLE_PLUS")).why).toEqual(["2 Displaced"])
    expect(trial.arrive(request(7, "SHEDDABLE_PLUS")).why).toEqual(["7 Full"])
    expect(trial.arrive(request(8, "CRITICAL_PLUS")).why).toEqual(["3 Displaced"])
    expect(LoadShedder.waiting(trial.state)).toBe(4)
  })

  it("lets nobody wait as long as the interval, nor as the target once the line was not empty for an interval", () => {
    expect(busy(["CRITICAL"]).sweep(199).why).toEqual([])
    expect(busy(["CRITICAL"]).sweep(200).why).toEqual(["1 Waited"])
    const standing = busy(["CRITICAL", "CRITICAL"]).release(100).release(150).release(160)
    expect(standing.state.running).toBe(0)
    const kept = busy(["CRITICAL"]).arrive(request(2, "CRITICAL"), 175)
    kept.release(175)
    expect(kept.outcome.admitted).toEqual([1])
    expect(kept.arrive(request(3, "CRITICAL"), 190).sweep(194).why).toEqual([])
    expect(kept.sweep(199).why).toEqual([])
    expect(kept.sweep(200).why).toEqual(["2 Waited"])
    expect(kept.sweep(209).why).toEqual([])
    expect(kept.sweep(210).why).toEqual(["3 Waited"])
    expect(kept.arrive(request(4, "CRITICAL"), 220).sweep(419).why).toEqual([])
    expect(kept.sweep(420).why).toEqual(["4 Waited"])
  })

  it("waits no longer for its target than for its interval", () => {
    expect(busy(["CRITICAL"], { ...config, targetMillis: 500 }).sweep(200).why).toEqual(["1 Waited"])
  })

  it("takes the event loop's delay from the wait", () => {
    const trial = busy(["CRITICAL"])
    trial.state = LoadShedder.delayed(trial.state, 185)
    expect(trial.sweep(204).why).toEqual([])
    expect(trial.sweep(205).why).toEqual(["1 Waited"])
  })

  it("refuses who could not end in time, at once and as soon as that is so", () => {
    expect(new Trial(1).arrive(request(0, "CRITICAL_PLUS", 99), 100).why).toEqual(["0 Deadline"])
    expect(new Trial(1).arrive(request(0, "CRITICAL_PLUS", 100), 100).outcome.admitted).toEqual([0])
    const trial = busy([])
      .arrive(request(1, "CRITICAL", 100))
      .arrive(request(2, "CRITICAL", 50))
      .arrive(request(3))
    expect(trial.sweep(50).why).toEqual([])
    expect(trial.sweep(51).why).toEqual(["2 Deadline"])
    expect(trial.sweep(100).why).toEqual([])
    expect(trial.release(101).outcome).toMatchObject({ admitted: [3], refused: [{ id: 1, reason: "Deadline" }] })
  })

  it("sends away each at its deadline, whichever of its line they are, and keeps nothing of a line that is empty", () => {
    const trial = busy([])
    for (const [id, latest] of [150, 50, 100].entries()) trial.arrive(request(id + 1, "CRITICAL", latest), 10)
    for (const [nowMillis, why] of [
      [50, []],
      [51, ["2 Deadline"]],
      [100, []],
      [101, ["3 Deadline"]],
      [150, []]
    ] as const) {
      const before = trial.state
      expect(trial.sweep(nowMillis).why).toEqual(why)
      expect(trial.state === before).toBe(why.length === 0)
    }
    expect(trial.sweep(151).why).toEqual(["1 Deadline"])
    const { lines } = LoadShedder.initial(1)
    expect(trial.state.lines).toEqual(lines)
    expect(trial.arrive(request(4, "CRITICAL", 300), 160).release(170).outcome.admitted).toEqual([4])
    expect(trial.state.lines).toEqual(lines)
  })

  it("clears its lines of those who must go before it judges who arrives", () => {
    const trial = busy(["CRITICAL", "CRITICAL", "CRITICAL", "CRITICAL"])
    expect(trial.arrive(request(5), 200).why).toEqual(["1 Waited", "2 Waited", "3 Waited", "4 Waited"])
    expect(LoadShedder.waiting(trial.state)).toBe(1)
    expect(trial.arrive(request(6, "CRITICAL", 300), 400).why).toEqual(["5 Waited", "6 Deadline"])
  })

  it("refuses the lower classes first when the event loop is late, the highest never", () => {
    const refusedAt = (delayMillis: number) => {
      const state = LoadShedder.delayed(LoadShedder.initial(1), delayMillis)
      return LoadShedder.classes.filter((each) => LoadShedder.wouldRefuse(config, state, each, 0) === "EventLoop")
    }
    expect(refusedAt(99)).toEqual([])
    expect(refusedAt(100)).toEqual(["SHEDDABLE"])
    expect(refusedAt(199)).toEqual(["SHEDDABLE"])
    expect(refusedAt(200)).toEqual(["SHEDDABLE_PLUS", "SHEDDABLE"])
    expect(refusedAt(400)).toEqual(["CRITICAL", "SHEDDABLE_PLUS", "SHEDDABLE"])
    expect(refusedAt(1e9)).toEqual(["CRITICAL", "SHEDDABLE_PLUS", "SHEDDABLE"])
  })

  it("tells the refused to stay away as long as the overload has lasted, within limits", () => {
    const trial = busy(["SHEDDABLE", "SHEDDABLE", "SHEDDABLE", "SHEDDABLE"], {
      ...config,
      intervalMillis: 1e6,
      targetMillis: 1e6
    })
    const told = (nowMillis: number) => trial.arrive(request(nowMillis), nowMillis).outcome.refused[0]?.retryAfterMillis
    expect([100, 1100, 1500, 3100, 5100, 9000].map(told)).toEqual([1000, 1000, 1400, 3000, 5000, 5000])
  })

  it("begins a new overload when nobody was refused for ten intervals", () => {
    const full = { ...config, maxWaiting: 0, minRetryAfterMillis: 0 }
    const trial = new Trial(1, full).arrive(request(0))
    const told = (nowMillis: number) => trial.arrive(request(nowMillis), nowMillis).outcome.refused[0]?.retryAfterMillis
    expect([0, 2000, 4000, 6001, 6002].map(told)).toEqual([0, 2000, 4000, 0, 1])
    expect(told(5000)).toBe(0)
    expect(trial.state.overload).toEqual({ sinceMillis: 6001, lastMillis: 6002 })
  })

  it("lets in as many more as its limit has grown by, and ends nothing when it has shrunk", () => {
    const trial = busy(["CRITICAL", "SHEDDABLE", "SHEDDABLE"])
    expect(trial.resize(3).outcome.admitted).toEqual([1, 2])
    expect(trial.resize(1).outcome).toEqual({ admitted: [], refused: [] })
    expect(trial.state.running).toBe(3)
    expect([trial.release(), trial.release()].flatMap(({ outcome }) => outcome.admitted)).toEqual([])
    expect(trial.release().outcome.admitted).toEqual([3])
  })

  it("forgets one that leaves, and touches no other", () => {
    const trial = busy(["CRITICAL", "CRITICAL"])
    trial.state = frozen(LoadShedder.leave(trial.state, 1))
    expect(trial.release().outcome.admitted).toEqual([2])
    const alone = busy(["CRITICAL"])
    expect(LoadShedder.leave(alone.state, 1)).toEqual(busy([]).state)
  })
})

describe("over any life of a load shedder", () => {
  const event = fc.record({
    what: fc.constantFrom("arrive", "arrive", "arrive", "arrive", "release", "resize", "sweep", "leave", "delay"),
    pause: fc.oneof({ weight: 6, arbitrary: fc.constantFrom(0, 1, 5) }, fc.constantFrom(20, 100, 200, 3000)),
    of: fc.constantFrom(...LoadShedder.classes),
    some: fc.nat(1000),
    patience: fc.oneof({ weight: 4, arbitrary: fc.constant(Infinity) }, fc.constantFrom(-1, 10, 150))
  })
  const configs = fc.record({
    maxWaiting: fc.constantFrom(0, 1, 4, 12),
    newestFirstAbove: fc.constantFrom(0, 2, 100),
    targetMillis: fc.constant(20),
    intervalMillis: fc.constantFrom(50, 200),
    maxDelayMillis: fc.constant(100),
    minRetryAfterMillis: fc.constant(1000),
    maxRetryAfterMillis: fc.constant(5000)
  })

  it("admission is monotone in the class, nothing that runs is ended, and everybody is served, refused or waits", () => {
    const seen = new Set<string>()
    fc.assert(
      fc.property(configs, fc.integer({ min: 1, max: 4 }), long(event, 80), (of, limit, events) => {
        let state = frozen(LoadShedder.initial(limit))
        const waiting = new Map<number, LoadShedder.Class>()
        let running = 0
        let nowMillis = 0
        const follow = ([outcome, next]: readonly [LoadShedder.Outcome, LoadShedder.State]) => {
          outcome.refused.forEach(({ class: each, id, reason, retryAfterMillis }) => {
            assert.equal(waiting.get(id), each)
            assert.ok(waiting.delete(id))
            assert.ok(retryAfterMillis >= 1000 && retryAfterMillis <= 5000)
            seen.add(reason)
          })
          outcome.admitted.forEach((id) => {
            const lowest = Math.min(...[...waiting.values()].map((each) => LoadShedder.classes.indexOf(each)))
            assert.equal(LoadShedder.classes.indexOf(waiting.get(id) ?? "SHEDDABLE"), lowest)
            assert.ok(waiting.delete(id))
            running++
            seen.add("admitted")
          })
          state = frozen(next)
        }
        events.forEach(({ of: each, patience, pause, some, what }, id) => {
          nowMillis += pause
          const refusals = LoadShedder.classes.map((one) => LoadShedder.wouldRefuse(of, state, one, nowMillis))
          const first = refusals.findIndex((reason) => reason !== undefined)
          assert.ok(first < 0 || refusals.slice(first).every((reason) => reason !== undefined))
          if (first > 0) seen.add("some classes")
          if (what === "arrive") {
            const expected = patience < 0 ? "Deadline" : refusals[LoadShedder.classes.indexOf(each)]
            waiting.set(id, each)
            const arriving = { id, class: each, latestMillis: nowMillis + patience }
            const result = LoadShedder.arrive(of, state, arriving, nowMillis)
            assert.equal(result[0].refused.find((refusal) => refusal.id === id)?.reason, expected)
            follow(result)
          } else if (what === "release" && running > 0) {
            running--
            follow(LoadShedder.release(of, state, nowMillis))
          } else if (what === "resize") follow(LoadShedder.resize(of, state, 1 + (some % 5), nowMillis))
          else if (what === "sweep") {
            const [refused, next] = LoadShedder.sweep(of, state, nowMillis)
            follow([{ admitted: [], refused }, next])
          } else if (what === "delay") state = LoadShedder.delayed(state, some % 500)
          else if (what === "leave") {
            const [gone] = waiting.keys()
            if (gone !== undefined) waiting.delete(gone)
            state = frozen(LoadShedder.leave(state, gone ?? -1))
          }
          for (const [waiter, one] of waiting) {
            const leaves = LoadShedder.leavesMillis(of, state, request(waiter, one)) ?? Number.NaN
            const swept = (millis: number) => LoadShedder.sweep(of, state, millis)[0].some((gone) => gone.id === waiter)
            assert.ok(swept(Math.max(nowMillis, leaves)))
            if (leaves > nowMillis) assert.ok(!swept(leaves - 1))
          }
          assert.equal(LoadShedder.leavesMillis(of, state, request(-1, each)), undefined)
          assert.equal(state.running, running)
          assert.equal(LoadShedder.waiting(state), waiting.size)
          assert.ok(waiting.size <= of.maxWaiting)
          assert.ok(waiting.size === 0 || running >= state.limit)
        })
      }),
      cases(300)
    )
    expect([...seen].toSorted()).toEqual(
      ["Deadline", "Displaced", "EventLoop", "Full", "Waited", "admitted", "some classes"].toSorted()
    )
  })
})
