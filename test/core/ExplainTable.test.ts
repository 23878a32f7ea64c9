import { Backoff, CircuitBreaker, Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Schedule } from "effect"

const table = (options: Policy.StandardOptions, surroundings?: Policy.Surroundings) =>
  Policy.format(Policy.explain("payment", options, surroundings))

const bare = { deadline: "none", timeout: "none", retry: "none", circuitBreaker: "none", bulkhead: "none" } as const

describe("an explanation as a table", () => {
  it("has the layers, the numbers and each trap with its fix, all of them aligned", () => {
    const retry = { maxRetries: 3, backoff: Backoff.constant("1 second") }
    const circuitBreaker = { tripPolicy: CircuitBreaker.consecutive(5) }
    const options = { deadline: "5 seconds", timeout: "2 seconds", retry, circuitBreaker, bulkhead: "none" } as const
    expect(table(options, { callsPerSecond: 10 })).toBe(
      [
        "payment, outermost first",
        "  deadline          5s in all",
        "  circuit breaker   opens after 5 failures in a row, for 30s",
        "  retry             3 retries of what is transient",
        "  retry budget      pays for retries of 0.2 of the calls, and 1 a second",
        "  timeout           2s an attempt",
        "in numbers",
        "  attempts          at most 4",
        "  worst case        5 s, by the deadline; without it 11 s",
        "  expected case     5 s, 2 attempts (all time out, waits are the mean)",
        "  retries that fit  1 of 3",
        "  time to open      5.5 s (at 10 calls a second that all time out)",
        "traps",
        "  warning: budget   4 attempts of 2s and their waits take up to 11s in a budget of 5s: 1 retry fits",
        "                    fix: set retry.maxRetries to 1, shorten the timeout, or give a deadline of 11s"
      ].join("\n")
    )
  })

  it("leaves out what a policy does not have, and says that it has no traps", () => {
    expect(table({ ...bare, timeout: "2 seconds" }, { callsPerSecond: 10 })).toBe(
      [
        "payment, outermost first",
        "  timeout        2s an attempt",
        "in numbers",
        "  attempts       at most 1",
        "  worst case     2 s",
        "  expected case  2 s, 1 attempt (all time out, waits are the mean)",
        "traps",
        "  none"
      ].join("\n")
    )
  })

  it("says that the waits of a schedule that does not tell them come on top", () => {
    const retry = { maxRetries: 1, backoff: Schedule.spaced("10 seconds") }
    const waits = "4 s, and the waits, which the schedule does not tell"
    expect(table({ ...bare, timeout: "2 seconds", retry })).toContain(`worst case        ${waits}\n`)
  })

  it("says that not even the first attempt fits", () => {
    expect(table({ deadline: "1 second", timeout: "2 seconds" })).toContain("none, not even the first attempt")
  })

  it("says why a circuit never opens", () => {
    const told = { callsPerSecond: 0.5 }
    expect(table({ deadline: "none" }, told)).toContain(
      "time to open      never: the first of 20 calls ends 38 s before the last, and is forgotten after 30s" +
        " (at 0.5 calls a second that all time out)"
    )
  })
})

describe("a table shows each well-known mistake with its numbers and its fix", () => {
  const shows = (text: string, ...lines: ReadonlyArray<string>) => {
    for (const line of lines)
      expect(text.split("\n").map((each) => each.trim().replace(/ {2,}/, " | "))).toContain(line)
  }

  it("3 retries of 2 s in 5 s: the worst case in seconds, and that 1 retry fits", () => {
    shows(
      table({ deadline: "5 seconds", timeout: "2 seconds", retry: { maxRetries: 3 } }),
      "worst case | 5 s, by the deadline; without it 8.7 s",
      "retries that fit | 1 of 3",
      "warning: budget | 4 attempts of 2s and their waits take up to 8s 700ms in a budget of 5s: 1 retry fits",
      "fix: set retry.maxRetries to 1, shorten the timeout, or give a deadline of 8s 700ms"
    )
  })

  it("a bulkhead of 10 over a pool of 5: 5 callers wait inside", () => {
    shows(
      table({ bulkhead: { maxConcurrent: 10 }, pool: { name: "db", size: 5 } }),
      'warning: pool | the bulkhead lets 10 calls in, the pool "db" has 5: 5 callers wait inside for a connection, each holding a permit',
      "fix: set bulkhead.maxConcurrent to at most 5"
    )
  })

  it("bulkheads of 20 + 30 + 10 + 10 over a shared pool of 50: 70, and one takes over half", () => {
    const over = (maxConcurrent: number) => ({ bulkhead: { maxConcurrent }, pool: { name: "sockets", size: 50 } })
    const beside = [30, 10, 10].map((limit, i) => ({ name: `other${i}`, options: over(limit) }))
    const message =
      'over the pool "sockets" of 50: bulkheads 20 + 30 + 10 + 10 add up to 70; "other0" alone may take over half'
    const fix = "let the bulkheads add up to at most 50, none above 25, or give each dependency a pool of its own"
    expect(Policy.explain("payment", over(20), { beside }).traps).toEqual([
      { rule: "shared-pool", severity: "warning", message, fix }
    ])
    shows(table(over(20), { beside }), `warning: shared-pool | ${message}`, `fix: ${fix}`)
  })

  it("no timeout: for ever", () => {
    shows(
      table(bare),
      "worst case | for ever",
      "expected case | for ever, 1 attempt (all time out, waits are the mean)",
      "error: no-timeout | an attempt may take for ever: a dependency that hangs holds its callers, and a circuit breaker never hears of it",
      "fix: set timeout, unless what is inside has one of its own"
    )
    shows(
      table({ ...bare, deadline: "5 seconds" }),
      "worst case | 5 s, by the deadline; without it for ever",
      "warning: no-timeout | only the deadline of 5s ends an attempt: one that hangs uses up the whole budget"
    )
  })

  it("an attempt timeout above the deadline: it never fires", () => {
    shows(
      table({ deadline: "1 second", timeout: "2 seconds" }),
      "error: contradiction | the attempt timeout of 2s is above the deadline of 1s: it never fires",
      "fix: set timeout to at most the deadline, 1s"
    )
  })
})
