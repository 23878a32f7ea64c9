import { Timeline, VirtualTime } from "@effect-resilience/chaos"
import { Backoff, CircuitBreaker, Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { Unavailable } from "../support/Dependency.js"
import { Listener } from "../support/Listener.js"
import { xmlProblem } from "../support/Xml.js"

/** A dependency that is down for eight seconds, with a caller each second. */
const outage = Effect.gen(function* () {
  const policy = yield* Policy.standard("payment", {
    retry: { maxRetries: 1, backoff: Backoff.fullJitter({ base: 100, cap: 100 }) },
    circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(2), openDuration: "5 seconds", openJitter: 0 }
  })
  for (let second = 0; second < 14; second++) {
    yield* Effect.fork(Effect.exit(policy.protect(second < 8 ? new Unavailable({}) : Effect.void)))
    yield* Effect.sleep("1 second")
  }
  yield* Timeline.note("payment", "deployed")
}).pipe(Effect.scoped)

const rowsOf = (seed: number) => Effect.map(VirtualTime.run(Timeline.record(outage), { seed }), ([, rows]) => rows)

const row = (at: number, event: string, rest: Partial<Timeline.Row> = {}): Timeline.Row => ({
  at,
  policy: "payment",
  event,
  from: "",
  state: "",
  detail: "",
  ...rest
})

describe("a timeline", () => {
  it.effect(
    "has what policies report and what the program notes, in the order of time, with the state of the circuit",
    () =>
      Effect.gen(function* () {
        const rows = yield* rowsOf(1)
        const told = rows.map(({ event, from, state }) => `${event}: ${from} -> ${state}`)
        expect(told.filter((each, i) => each !== told[i - 1])).toEqual([
          "RetryScheduled: Closed -> Closed",
          "RetriesExhausted: Closed -> Closed",
          "RetryScheduled: Closed -> Closed",
          "RetriesExhausted: Closed -> Closed",
          "CircuitChanged: Closed -> Open",
          "CallRejected: Open -> Open",
          "CircuitChanged: Open -> HalfOpen",
          "RetriesExhausted: HalfOpen -> HalfOpen",
          "CircuitChanged: HalfOpen -> Open",
          "CallRejected: Open -> Open",
          "CircuitChanged: Open -> HalfOpen",
          "CircuitChanged: HalfOpen -> Closed",
          "deployed: Closed -> Closed"
        ])
        expect(rows.map(({ at }) => at)).toEqual(rows.map(({ at }) => at).toSorted((a, b) => a - b))
        expect(rows[0]).toMatchObject({
          at: 0,
          detail: expect.stringMatching(/^attempt 1, delay \d+ ms, error Unavailable$/)
        })
      })
  )

  it.effect("is the same for the same seed, to the byte, and another for another", () =>
    Effect.gen(function* () {
      const printed = Effect.forEach([1, 1, 2], (seed) =>
        Effect.map(rowsOf(seed), (rows) => [Timeline.table(rows, { details: true }), Timeline.svg(rows)])
      )
      const [one, same, other] = yield* printed
      expect(same).toEqual(one)
      expect(other?.[0]).not.toBe(one?.[0])
      expect(other?.[1]).not.toBe(one?.[1])
    })
  )

  it.effect("lets who listened before go on listening", () =>
    Effect.gen(function* () {
      const listener = new Listener()
      const [, rows] = yield* listener.hear(VirtualTime.run(Timeline.record(outage)))
      expect(listener.events.length).toBe(rows.length - 1)
    })
  )

  it.effect("tells how a program failed in its exit, and keeps the rows", () =>
    Effect.gen(function* () {
      const failing = Effect.zipRight(Timeline.note("stock", "checked", "empty"), Effect.fail("sold out"))
      const [exit, rows] = yield* Timeline.record(failing)
      expect([exit._tag, rows]).toEqual(["Failure", [row(0, "checked", { policy: "stock", state: "empty" })]])
    })
  )

  it.effect("notes nothing where nobody listens", () => Timeline.note("stock", "checked"))
})

describe("a table", () => {
  it("is aligned, and makes one of rows that differ by their time alone", () => {
    const rows = [
      row(0, "CallTimedOut", { state: "Closed" }),
      row(1500, "CallRejected", { state: "Open", detail: "retryAfter 3 ms" }),
      row(1500, "CallRejected", { state: "Open", detail: "retryAfter 3 ms" }),
      row(12_345, "CallRejected", { state: "Open", detail: "retryAfter 4 ms" }),
      row(13_000, "up\nand running", { policy: "stock" })
    ]
    expect(Timeline.table(rows).split("\n")).toEqual([
      "  time  policy   event           state",
      " 0.000  payment  CallTimedOut    Closed",
      " 1.500  payment  CallRejected    Open    x 3 until 12.345",
      "13.000  stock    up and running"
    ])
    expect(Timeline.table(rows, { details: true }).split("\n")).toContain(
      " 1.500  payment  CallRejected    Open    retryAfter 3 ms  x 2"
    )
    expect(Timeline.table(rows, { collapse: false }).split("\n").length).toBe(6)
  })

  it("of nothing is its head", () => {
    expect(Timeline.table([])).toBe("time  policy  event  state")
  })
})

describe("a picture", () => {
  it.effect("is well-formed, has a title and a description, and no script", () =>
    Effect.gen(function* () {
      const svg = Timeline.svg(yield* rowsOf(1), { title: "An outage" })
      expect(xmlProblem(svg)).toBeUndefined()
      expect(svg).toContain("<title>An outage</title><desc>")
      expect(svg).not.toMatch(/<script|href|NaN|Infinity|undefined/)
      for (const state of ["Closed", "Open", "HalfOpen"]) expect(svg).toContain(`<title>${state} from `)
    })
  )

  it("shows a band for each state, from the one before the first change on", () => {
    const changed = { from: "Closed", state: "Open" }
    const svg = Timeline.svg([row(2000, "CircuitChanged", changed)], { untilMillis: 10_000 })
    expect([...svg.matchAll(/<title>(\w+ from [^<]*)</g)].map(([, said]) => said)).toEqual([
      "Closed from 0 s to 2 s",
      "Open from 2 s to 10 s"
    ])
  })

  it("marks each kind of event by a shape of its own, one for those that lie on one another", () => {
    const events = ["RetryScheduled", "CallTimedOut", "CallRejected", "FallbackServed", "FaultInjected", "noted"]
    const svg = Timeline.svg([...events.map((event) => row(500, event)), row(501, "noted"), row(9000, "noted")])
    const marks = [...svg.matchAll(/class="mark (\w+)"[^>]* d="([^"]+)"><title>([^<]*)</g)]
    expect(marks.map(([, kind, , said]) => `${kind}: ${said}`)).toEqual([
      "retry: RetryScheduled at 0.5 s",
      "timeout: CallTimedOut at 0.5 s",
      "rejection: CallRejected at 0.5 s",
      "fallback: FallbackServed at 0.5 s",
      "fault: FaultInjected at 0.5 s",
      "other: noted at 0.5 s x 2",
      "other: noted at 9 s"
    ])
    expect(new Set(marks.map(([, , path]) => path)).size).toBe(6)
  })

  it("lets no text out of its place", () => {
    const evil = `</text><script>"'&\u0000\uD800]]>`
    const svg = Timeline.svg([row(1, evil, { policy: evil, state: evil, from: evil })], {
      title: evil,
      description: evil
    })
    expect(xmlProblem(svg)).toBeUndefined()
    expect(svg).not.toContain("<script")
    expect(xmlProblem(`<svg>${evil}</svg>`)).toBeDefined()
  })

  it("of nothing is one all the same", () => {
    expect(xmlProblem(Timeline.svg([]))).toBeUndefined()
  })
})
