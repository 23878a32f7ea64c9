import { CircuitBreaker, TripPolicy } from "@effect-resilience/machines"
import { describe, expect, it } from "vitest"
import { frozen } from "../support/Law.js"

const config = (failures: number): CircuitBreaker.Config => ({
  tripPolicy: TripPolicy.consecutive(failures),
  openMillis: () => 30_000,
  openJitter: 0,
  maxOpenMillis: 300_000,
  probes: 1,
  successThreshold: 1,
  probeTimeoutMillis: 2000
})

const ended = (_tag: CircuitBreaker.Outcome["_tag"]) => ({ _tag, retryAfterMillis: 0, lastedMillis: 0 })
const success = ended("Success")
const failure = ended("Failure")
const ignored = ended("Ignored")

describe("by hand", () => {
  const held = { Closed: 0, Open: 0, HalfOpen: 30_000 } as const
  /** A circuit in each of the states that it reaches by itself, and a permit of each that grants any. */
  const inState = (name: keyof typeof held) => {
    const of = config(name === "Closed" ? 2 : 1)
    const [, told] = CircuitBreaker.settle(of, CircuitBreaker.initial(of), first, failure, 0)
    return { of, state: CircuitBreaker.acquire(of, frozen(told), held[name])[1] }
  }
  const first: CircuitBreaker.Permit = { generation: 0, startedMillis: 0 }
  const states = ["Closed", "Open", "HalfOpen"] as const

  it("isolated refuses every call for as long as it likes, from any state, and says so once", () => {
    for (const from of states) {
      const { of, state } = inState(from)
      expect(state._tag).toBe(from)
      const [transition, isolated] = CircuitBreaker.isolate(state, 40_000)
      expect(transition).toEqual({ from, to: "Isolated", cause: { _tag: "Isolated" }, atMillis: 40_000 })
      expect(isolated.generation).toBe(state.generation + 1)
      expect(CircuitBreaker.isolate(isolated, 50_000)).toEqual([undefined, isolated])
      const reason = { _tag: "Isolated" }
      const refusal = { _tag: "Rejected", state: "Isolated", retryAfterMillis: Infinity, reason }
      expect(CircuitBreaker.acquire(of, isolated, 1e12)).toEqual([refusal, isolated])
      expect(CircuitBreaker.peek(of, isolated, 1e12)).toEqual(refusal)
      expect(CircuitBreaker.snapshot(of, isolated, 1e12)).toMatchObject({ state: "Isolated", openings: 0, calls: 0 })
      const late = { generation: state.generation, startedMillis: 40_000 }
      expect(CircuitBreaker.settle(of, isolated, late, success, 50_000)).toEqual([undefined, isolated])
      const never = { generation: isolated.generation, startedMillis: 40_000 }
      expect(CircuitBreaker.settle(of, isolated, never, failure, 50_000)[1]).toBe(isolated)
    }
  })

  it("disabled lets every call through and counts it, from any state, and never opens", () => {
    for (const from of states) {
      const { of, state } = inState(from)
      const [transition, disabled] = CircuitBreaker.disable(of, state, 40_000)
      expect(transition).toEqual({ from, to: "Disabled", cause: { _tag: "Disabled" }, atMillis: 40_000 })
      expect(disabled.generation).toBe(state.generation + 1)
      expect(CircuitBreaker.disable(of, disabled, 50_000)).toEqual([undefined, disabled])
      const [decision, same] = CircuitBreaker.acquire(of, disabled, 50_000)
      const permit = { generation: disabled.generation, startedMillis: 50_000 }
      expect(decision).toEqual({ _tag: "Admitted", permit })
      expect(same).toBe(disabled)
      expect(CircuitBreaker.settle(of, disabled, permit, ignored, 50_000)).toEqual([undefined, disabled])
      const ill = [failure, failure, failure].reduce<CircuitBreaker.State>((before, outcome) => {
        const [tripped, after] = CircuitBreaker.settle(of, frozen(before), permit, outcome, 50_000)
        expect(tripped).toBeUndefined()
        return after
      }, disabled)
      const failures = from === "Closed" ? 2 : 1
      const expected = { state: "Disabled", failures, failureRate: 1, openings: 0 }
      expect(CircuitBreaker.snapshot(of, ill, 50_000)).toMatchObject(expected)
      expect(CircuitBreaker.at(of, ill, 1e12)).toBe(ill)
    }
  })

  it("keeps what was counted when a closed circuit is disabled", () => {
    const { of, state } = inState("Closed")
    const [, disabled] = CircuitBreaker.disable(of, state, 0)
    expect(CircuitBreaker.snapshot(of, disabled, 0)).toMatchObject({ calls: 1, failures: 1 })
  })

  it("reset is as at first, from any state, and what calls under way end with changes nothing", () => {
    for (const from of states) {
      const { of, state } = inState(from)
      const all = [state, CircuitBreaker.isolate(state, 40_000)[1], CircuitBreaker.disable(of, state, 40_000)[1]]
      for (const before of all) {
        const [transition, after] = CircuitBreaker.reset(of, before, 50_000)
        const expected = { from: before._tag, to: "Closed", cause: { _tag: "Reset" }, atMillis: 50_000 }
        expect(transition).toEqual(before._tag === "Closed" ? undefined : expected)
        expect(after).toEqual({ ...CircuitBreaker.initial(of), generation: before.generation + 1 })
        const late = { generation: before.generation, startedMillis: 40_000 }
        expect(CircuitBreaker.settle(of, after, late, failure, 50_000)).toEqual([undefined, after])
      }
    }
  })
})
