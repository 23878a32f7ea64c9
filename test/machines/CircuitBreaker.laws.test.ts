import { CircuitBreaker } from "@effect-resilience/machines"
import * as fc from "fast-check"
import assert from "node:assert/strict"
import { describe, expect, it } from "vitest"
import { ask, commands, config, live } from "../support/CircuitTrial.js"
import type { Step } from "../support/CircuitTrial.js"
import { cases } from "../support/Law.js"

/** A law that holds of every step of every life. The law is made anew for each, so it may remember what came before. */
const always = (numRuns: number, lawFor: (of: CircuitBreaker.Config) => (step: Step) => void) =>
  fc.assert(
    fc.property(config, commands, (of, all) => live(of, all, lawFor(of))),
    cases(numRuns)
  )

const without = ({ transition: _transition, ...decision }: CircuitBreaker.Decision) => decision

/** What a step shows, in words: every transition with its cause, every answer, every way a call can end. */
const kinds = (step: Step): ReadonlyArray<string> => {
  const { before, decision, ended, set, transitions } = step
  const changes = transitions.map(({ cause, from, to }) => `${from} -> ${to}: ${cause._tag}`)
  if (decision?._tag === "Admitted") return [...changes, `admitted, ${step.after._tag}`]
  if (decision !== undefined) return [...changes, `refused, ${decision.state}: ${decision.reason._tag}`]
  if (set !== undefined) return changes.length > 0 ? changes : [`${set}, ${before._tag}`]
  if (ended === undefined) return changes
  const { outcome, permit } = ended
  const late = permit.generation !== before.generation
  if (late) return [`late ${outcome._tag}, ${before._tag}`]
  const timedOut = transitions.some(({ cause }) => cause._tag === "ProbeTimedOut")
  return [...changes, `${timedOut ? "too late, " : ""}${outcome._tag}, ${before._tag} -> ${step.after._tag}`]
}

describe("over any life of a circuit breaker", () => {
  it("nobody can tell it from the plain model: every answer, every transition, every snapshot", () => {
    const seen = new Set<string>()
    always(500, (of) => {
      const log: Array<CircuitBreaker.Transition> = []
      return (step) => {
        log.push(...step.transitions)
        kinds(step).forEach((kind) => seen.add(kind))
        if (step.transitions.length > 1) seen.add("two steps due at once")
        if (step.decision !== undefined) {
          const expected =
            step.refusal === undefined
              ? { _tag: "Admitted", permit: { generation: step.naive.generation, startedMillis: step.nowMillis } }
              : { _tag: "Rejected", ...step.refusal }
          assert.deepEqual(without(step.decision), expected)
          assert.equal(log.length, step.naive.log.length)
        }
        assert.deepEqual(log, step.naive.log.slice(0, log.length))
        assert.deepEqual(CircuitBreaker.snapshot(of, step.after, step.nowMillis), step.naive.snapshot(step.nowMillis))
      }
    })
    expect([...seen].toSorted()).toEqual([
      "Closed -> Disabled: Disabled",
      "Closed -> Isolated: Isolated",
      "Closed -> Open: Consecutive",
      "Closed -> Open: Rate",
      "Closed -> Open: Slow",
      "Disable, Disabled",
      "Disabled -> Closed: Reset",
      "Disabled -> Isolated: Isolated",
      "Failure, Closed -> Closed",
      "Failure, Closed -> Open",
      "Failure, Disabled -> Disabled",
      "Failure, HalfOpen -> Open",
      "HalfOpen -> Closed: ProbesSucceeded",
      "HalfOpen -> Closed: Reset",
      "HalfOpen -> Disabled: Disabled",
      "HalfOpen -> Isolated: Isolated",
      "HalfOpen -> Open: ProbeDeferred",
      "HalfOpen -> Open: ProbeFailed",
      "HalfOpen -> Open: ProbeSlow",
      "HalfOpen -> Open: ProbeTimedOut",
      "Ignored, Closed -> Closed",
      "Ignored, Disabled -> Disabled",
      "Ignored, HalfOpen -> HalfOpen",
      "Ignored, HalfOpen -> Open",
      "Isolate, Isolated",
      "Isolated -> Closed: Reset",
      "Isolated -> Disabled: Disabled",
      "Open -> Closed: Reset",
      "Open -> Disabled: Disabled",
      "Open -> HalfOpen: Due",
      "Open -> Isolated: Isolated",
      "Reset, Closed",
      "Success, Closed -> Closed",
      "Success, Closed -> Open",
      "Success, Disabled -> Disabled",
      "Success, HalfOpen -> Closed",
      "Success, HalfOpen -> HalfOpen",
      "Success, HalfOpen -> Open",
      "admitted, Closed",
      "admitted, Disabled",
      "admitted, HalfOpen",
      "late Failure, Closed",
      "late Failure, Disabled",
      "late Failure, HalfOpen",
      "late Failure, Isolated",
      "late Failure, Open",
      "late Ignored, Closed",
      "late Ignored, Disabled",
      "late Ignored, HalfOpen",
      "late Ignored, Isolated",
      "late Ignored, Open",
      "late Success, Closed",
      "late Success, Disabled",
      "late Success, HalfOpen",
      "late Success, Isolated",
      "late Success, Open",
      "refused, HalfOpen: Probing",
      "refused, Isolated: Isolated",
      "refused, Open: Consecutive",
      "refused, Open: ProbeDeferred",
      "refused, Open: ProbeFailed",
      "refused, Open: ProbeSlow",
      "refused, Open: ProbeTimedOut",
      "refused, Open: Rate",
      "refused, Open: Slow",
      "too late, Failure, HalfOpen -> Open",
      "too late, Ignored, HalfOpen -> Open",
      "too late, Success, HalfOpen -> Open",
      "two steps due at once"
    ])
  })

  it("transitions chain, each starts a newer generation, and none lies before the last or after now", () => {
    always(100, () => {
      let state: CircuitBreaker.StateName = "Closed"
      let atMillis = 0
      return ({ after, before, nowMillis, set, transitions }) => {
        for (const transition of transitions) {
          assert.equal(transition.from, state)
          assert.notEqual(transition.to, state)
          assert.ok(transition.atMillis >= atMillis && transition.atMillis <= nowMillis)
          state = transition.to
          atMillis = transition.atMillis
        }
        assert.equal(after._tag, state)
        // To reset a closed circuit is no transition, but no call from before counts after it.
        const anew = set === "Reset" && transitions.at(-1)?.to !== "Closed" ? 1 : 0
        assert.equal(after.generation, before.generation + transitions.length + anew)
      }
    })
  })

  it("no more than `probes` calls of one half-open generation are under way, each less than its time limit old", () => {
    const seen = new Set<number>()
    always(100, (of) => ({ after, decision, nowMillis, underWay }) => {
      if (after._tag !== "HalfOpen") return
      const probing = underWay.filter((permit) => permit.generation === after.generation)
      assert.ok(probing.length <= of.probes)
      seen.add(probing.length)
      assert.deepEqual(after.probing.toSorted(), probing.map((permit) => permit.startedMillis).toSorted())
      if (decision !== undefined) {
        assert.ok(probing.every((permit) => nowMillis < permit.startedMillis + of.probeTimeoutMillis))
      }
    })
    expect(seen).toEqual(new Set([0, 1, 2, 3]))
  })

  it("a call of an older generation changes nothing at all when it ends", () => {
    let late = 0
    always(100, () => ({ after, before, ended, transitions }) => {
      if (ended === undefined || ended.permit.generation === before.generation) return
      late++
      assert.equal(after, before)
      assert.deepEqual(transitions, [])
    })
    expect(late).toBeGreaterThan(100)
  })

  it("an ignored outcome counts nothing: it changes a closed circuit not at all, and a half-open one by its slot", () => {
    always(100, () => ({ after, before, ended, transitions }) => {
      if (ended?.outcome._tag !== "Ignored" || transitions.length > 0) return
      if (before._tag === "HalfOpen" && ended.permit.generation === before.generation) {
        assert.ok(after._tag === "HalfOpen" && after.probing.length === before.probing.length - 1)
        assert.deepEqual({ ...after, probing: [] }, { ...before, probing: [] })
      } else assert.equal(after, before)
    })
  })

  it("what a reader is told at any later moment is what a caller would then meet", () => {
    const seen = new Set<string>()
    const later = [0, 1, 49, 50, 99, 100, 101, 300, 5000]
    always(100, (of) => (step) => {
      for (const nowMillis of later.map((millis) => step.nowMillis + millis)) {
        const told = CircuitBreaker.snapshot(of, step.after, nowMillis)
        const refused = CircuitBreaker.peek(of, step.after, nowMillis)
        const present = CircuitBreaker.at(of, step.after, nowMillis)
        const { after, decision, transitions } = ask(of, step.after, nowMillis)
        assert.deepEqual(refused, decision._tag === "Rejected" ? without(decision) : undefined)
        assert.equal(told.state, present._tag)
        assert.equal(told.state, transitions.at(-1)?.to ?? step.after._tag)
        assert.equal(after.generation, present.generation)
        assert.equal(
          decision._tag === "Admitted",
          told.state === "Closed" ||
            told.state === "Disabled" ||
            (told.state === "HalfOpen" && told.probing < of.probes)
        )
        assert.equal(told.retryAfterMillis, refused?.state === "Open" ? refused.retryAfterMillis : 0)
        assert.equal(told.state === "Open", told.retryAfterMillis > 0)
        seen.add(`${step.after._tag} read as ${told.state}`)
      }
    })
    expect([...seen].toSorted()).toEqual([
      "Closed read as Closed",
      "Disabled read as Disabled",
      "HalfOpen read as HalfOpen",
      "HalfOpen read as Open",
      "Isolated read as Isolated",
      "Open read as HalfOpen",
      "Open read as Open"
    ])
  })

  it("an opening is as long as planned within its jitter, longer only where the dependency asked, up to the limit", () => {
    const seen = new Set<string>()
    always(100, (of) => ({ after, before, ended, transitions }) => {
      const last = transitions.at(-1)
      if (after._tag !== "Open" || last === undefined) return
      const asked = Math.min(ended?.outcome.retryAfterMillis ?? 0, of.maxOpenMillis)
      if (last.cause._tag === "ProbeDeferred") {
        assert.equal(after.openMillis, asked)
        assert.equal(after.openings, before.openings)
        return
      }
      const planned = of.openMillis(after.openings)
      const hint = last.cause._tag === "ProbeTimedOut" ? 0 : asked
      assert.ok(after.openMillis >= Math.max(1, Math.round(planned * (1 - of.openJitter)), hint))
      assert.ok(after.openMillis <= Math.max(1, Math.round(planned * (1 + of.openJitter)), hint))
      if (after.openMillis === hint) seen.add("as long as asked")
      if (after.openMillis < planned) seen.add("shrunk")
      if (after.openMillis > planned && after.openMillis > hint) seen.add("stretched")
    })
    expect([...seen].toSorted()).toEqual(["as long as asked", "shrunk", "stretched"])
  })
})
