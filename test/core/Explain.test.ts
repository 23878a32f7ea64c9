import { Backoff, CircuitBreaker, InvalidOptions, Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Schedule } from "effect"

const explain = Policy.explain

/** The traps of one rule. */
const traps = (rule: Policy.Rule, options: Policy.StandardOptions, surroundings?: Policy.Surroundings) =>
  explain("payment", options, surroundings).traps.filter((trap) => trap.rule === rule)

const rules = (options: Policy.StandardOptions, surroundings?: Policy.Surroundings) =>
  explain("payment", options, surroundings).traps.map(({ rule }) => rule)

describe("an explanation", () => {
  it("names the layers in order, outermost first, with their numbers", () => {
    expect(explain("payment").layers).toEqual([
      { layer: "deadline", does: "10s in all" },
      { layer: "bulkhead", does: "50 at a time, nobody waits" },
      { layer: "circuit breaker", does: "opens after 0.5 of at least 20 calls failed over 30s, for 30s" },
      { layer: "retry", does: "2 retries of what is transient" },
      { layer: "retry budget", does: "pays for retries of 0.2 of the calls, and 1 a second" },
      { layer: "timeout", does: "2s an attempt" }
    ])
  })

  it("says how the options change them", () => {
    const { layers } = explain("payment", {
      deadline: "5 seconds",
      circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(5), openDuration: "1 minute" },
      bulkhead: { maxConcurrent: 20, maxQueue: 10, maxWait: "1 second" }
    })
    expect(layers).toContainEqual({ layer: "bulkhead", does: "20 at a time, 10 may wait, 1s at most" })
    expect(layers).toContainEqual({ layer: "circuit breaker", does: "opens after 5 failures in a row, for 1m" })
    const endless = explain("payment", { bulkhead: { maxQueue: 1 } })
    expect(endless.layers).toContainEqual({
      layer: "bulkhead",
      does: "50 at a time, 1 may wait"
    })
    const rate = CircuitBreaker.rate({ threshold: 0.25, window: CircuitBreaker.count(8), minimumCalls: 4 })
    expect(explain("payment", { circuitBreaker: { tripPolicy: rate } }).layers).toContainEqual({
      layer: "circuit breaker",
      does: "opens after 0.25 of at least 4 calls failed over 8 calls, for 30s"
    })
  })

  it('leaves out what is "none"', () => {
    const { layers } = explain("payment", { deadline: "none", retry: "none", circuitBreaker: "none", bulkhead: "none" })
    expect(layers.map(({ layer }) => layer)).toEqual(["timeout"])
    expect(explain("payment", { timeout: "none", bulkhead: "none" }).layers.map(({ layer }) => layer)).toEqual([
      "deadline",
      "circuit breaker",
      "retry",
      "retry budget"
    ])
  })

  it("finds nothing wrong with the defaults, nor with a call that is only protected by a timeout", () => {
    expect(rules({})).toEqual([])
    expect(rules({ deadline: "none", retry: "none", circuitBreaker: "none", bulkhead: "none" })).toEqual([])
  })

  it("computes the worst case from every attempt and every wait, bounded by the deadline", () => {
    expect(explain("payment")).toMatchObject({ attempts: 3, worstCaseMillis: 6_300, unboundedMillis: 6_300 })
    const options = { deadline: "5 seconds", timeout: "2 seconds", retry: { maxRetries: 3 } } as const
    expect(explain("payment", options)).toMatchObject({ attempts: 4, worstCaseMillis: 5_000, unboundedMillis: 8_700 })
    expect(explain("payment", { ...options, retry: "none" })).toMatchObject({ attempts: 1, worstCaseMillis: 2_000 })
    expect(explain("payment", { ...options, timeout: "none" })).toMatchObject({
      worstCaseMillis: 5_000,
      unboundedMillis: Infinity
    })
  })

  it("says how many retries fit: with 5 s, 2 s an attempt and 1 s of backoff it is one", () => {
    const fit = (deadline: Policy.StandardOptions["deadline"], maxRetries = 10) =>
      explain("payment", {
        deadline,
        timeout: "2 seconds",
        retry: { maxRetries, backoff: Backoff.constant("1 second") }
      }).retriesThatFit
    expect(fit("5 seconds")).toBe(1)
    expect(fit("4999 millis")).toBe(0)
    expect(fit("2 seconds")).toBe(0)
    expect(fit("8 seconds")).toBe(2)
    expect(fit("8 seconds", 1)).toBe(1)
    expect(fit("none")).toBe(10)
  })

  it("takes a schedule that cannot tell its waits for one without waits", () => {
    const retry = { maxRetries: 1, backoff: Schedule.spaced("10 seconds") }
    expect(explain("payment", { retry })).toMatchObject({ unboundedMillis: 4_000, waitsKnown: false })
    expect(explain("payment", { retry: { ...retry, maxRetries: 0 } }).waitsKnown).toBe(true)
    expect(explain("payment").waitsKnown).toBe(true)
  })

  it("reckons retries without end as fast as a few: waits are at their cap by then", () => {
    const retry = { maxRetries: 1_000_000, backoff: Backoff.linear({ base: "1 milli", cap: "10 seconds" }) }
    const { retriesThatFit, unboundedMillis } = explain("payment", { deadline: "none", timeout: "1 second", retry })
    expect(unboundedMillis).toBe(1_000_001 * 1_000 + (10_000 * 10_001) / 2 + 990_000 * 10_000)
    expect(retriesThatFit).toBe(1_000_000)
  })

  it("expects every attempt to time out, and every wait to be the mean of what can be drawn", () => {
    const backoff = Backoff.fullJitter({ base: "1 second", cap: "1 second" })
    const expected = (options: Policy.StandardOptions) =>
      explain("payment", { timeout: "2 seconds", retry: { maxRetries: 3, backoff }, ...options }).expected
    expect(expected({ deadline: "none" })).toEqual({ attempts: 4, millis: 9_500, lastAttemptMillis: 2_000 })
    expect(expected({ deadline: "9500 millis" })).toEqual({ attempts: 4, millis: 9_500, lastAttemptMillis: 2_000 })
    expect(expected({ deadline: "5 seconds" })).toEqual({ attempts: 2, millis: 4_500, lastAttemptMillis: 2_000 })
    expect(expected({ deadline: "6 seconds" })).toEqual({ attempts: 3, millis: 6_000, lastAttemptMillis: 1_000 })
    expect(expected({ retry: "none" })).toEqual({ attempts: 1, millis: 2_000, lastAttemptMillis: 2_000 })
    expect(expected({ deadline: "1 second" })).toEqual({ attempts: 1, millis: 1_000, lastAttemptMillis: 1_000 })
  })

  it("expects a retry to stop where less than the least attempt would be left of the budget", () => {
    const attempts = (deadline: "5199 millis" | "5200 millis") =>
      explain("payment", { deadline, timeout: "2 seconds", retry: { maxRetries: 9, backoff: Backoff.constant(500) } })
        .expected.attempts
    expect(attempts("5199 millis")).toBe(2)
    expect(attempts("5200 millis")).toBe(3)
  })

  it("expects an attempt without a timeout to last until the deadline, or for ever", () => {
    const { expected } = explain("payment", { timeout: "none", deadline: "5 seconds" })
    expect(expected).toEqual({ attempts: 1, millis: 5_000, lastAttemptMillis: 5_000 })
    const endless = explain("payment", { timeout: "none", deadline: "none" }).expected
    expect(endless).toEqual({ attempts: 1, millis: Infinity, lastAttemptMillis: Infinity })
  })

  it("throws for surroundings out of range, and says what may be", () => {
    const told = { callsPerSecond: 0, outerRetries: -1 }
    expect(() => explain("payment", {}, told)).toThrow("callsPerSecond is 0, but must be a number above 0")
    expect(() => explain("payment", {}, told)).toThrow("outerRetries is -1, but must be a whole number from 0")
    expect(() => explain("payment", {}, { callsPerSecond: NaN })).toThrow("callsPerSecond is NaN")
    expect(() => explain("payment", { pool: { name: "db", size: 0 } })).toThrow("pool.size is 0")
  })

  it("throws for options out of range, and explains a contradiction that `standard` refuses", () => {
    expect(() => explain("payment", { bulkhead: { maxConcurrent: 0 } })).toThrow(InvalidOptions.InvalidOptions)
    expect(rules({ deadline: "1 second", timeout: "2 seconds" })).toEqual(["contradiction"])
  })
})

describe("a trap is found with its numbers and what to do about it", () => {
  it("budget: three retries of two seconds in five", () => {
    const retry = { maxRetries: 3, backoff: Backoff.constant("1 second") }
    expect(traps("budget", { deadline: "5 seconds", timeout: "2 seconds", retry })).toEqual([
      {
        rule: "budget",
        severity: "warning",
        message: "4 attempts of 2s and their waits take up to 11s in a budget of 5s: 1 retry fits",
        fix: "set retry.maxRetries to 1, shorten the timeout, or give a deadline of 11s"
      }
    ])
    expect(traps("budget", { deadline: "11 seconds", timeout: "2 seconds", retry })).toEqual([])
    expect(traps("budget", { deadline: "none", timeout: "2 seconds", retry })).toEqual([])
    expect(traps("budget", { deadline: "10999 millis", timeout: "2 seconds", retry })).toHaveLength(1)
  })

  it("contradiction: an attempt timeout above the deadline", () => {
    expect(traps("contradiction", { deadline: "1 second", timeout: "2 seconds" })).toEqual([
      {
        rule: "contradiction",
        severity: "error",
        message: "the attempt timeout of 2s is above the deadline of 1s: it never fires",
        fix: "set timeout to at most the deadline, 1s"
      }
    ])
    expect(traps("contradiction", { deadline: "2 seconds", timeout: "2 seconds", retry: "none" })).toEqual([])
  })

  it("pool: more calls than connections", () => {
    const pool = { name: "db", size: 10 }
    expect(traps("pool", { bulkhead: { maxConcurrent: 30 }, pool })).toEqual([
      {
        rule: "pool",
        severity: "warning",
        message:
          'the bulkhead lets 30 calls in, the pool "db" has 10: 20 callers wait inside for a connection, each holding a permit',
        fix: "set bulkhead.maxConcurrent to at most 10"
      }
    ])
    expect(traps("pool", { bulkhead: { maxConcurrent: 10 }, pool })).toEqual([])
  })

  it("shared-pool: bulkheads that add up to more than the pool, or one that takes over half", () => {
    const pool = { name: "sockets", size: 100 }
    const user = (name: string, maxConcurrent: number) => ({ name, options: { bulkhead: { maxConcurrent }, pool } })
    const of = (own: number, ...others: ReadonlyArray<number>) =>
      traps("shared-pool", user("payment", own).options, { beside: others.map((n, i) => user(`other${i}`, n)) })
    expect(of(50, 50)).toEqual([])
    expect(of(30, 30, 40)).toEqual([])
    expect(of(50, 50, 1)).toEqual([
      {
        rule: "shared-pool",
        severity: "warning",
        message: 'over the pool "sockets" of 100: bulkheads 50 + 50 + 1 add up to 101',
        fix: "let the bulkheads add up to at most 100, none above 50, or give each dependency a pool of its own"
      }
    ])
    expect(of(51, 10)).toMatchObject([
      { message: 'over the pool "sockets" of 100: "payment" alone may take over half' }
    ])
    const elsewhere = { name: "other", options: { bulkhead: { maxConcurrent: 100 }, pool: { name: "db", size: 100 } } }
    expect(traps("shared-pool", user("payment", 60).options, { beside: [elsewhere] })).toEqual([])
    const unlimited = { name: "other", options: { bulkhead: "none" as const, pool } }
    expect(traps("shared-pool", user("payment", 10).options, { beside: [unlimited] })).toMatchObject([
      {
        message:
          'over the pool "sockets" of 100: bulkheads 10 + unlimited add up to unlimited; "other" alone may take over half'
      }
    ])
  })

  it("queue: a wait that can outlast the deadline", () => {
    const line = (maxWait: "4 seconds" | "5 seconds" | undefined, deadline: Policy.StandardOptions["deadline"]) =>
      traps("queue", { deadline, timeout: "1 second", retry: "none", bulkhead: { maxQueue: 10, maxWait } })
    expect(line("5 seconds", "5 seconds")).toEqual([
      {
        rule: "queue",
        severity: "warning",
        message: "a call may wait 5s in line with a deadline of 5s: some wait only to be refused",
        fix: "set bulkhead.maxWait to at most 4s, what is left of the deadline after one attempt"
      }
    ])
    expect(line(undefined, "5 seconds")).toMatchObject([{ message: expect.stringContaining("may wait for ever") }])
    expect(line("4 seconds", "5 seconds")).toEqual([])
    expect(line(undefined, "none")).toEqual([])
    expect(traps("queue", { bulkhead: { maxQueue: 0 } })).toEqual([])
    expect(traps("queue", { deadline: "2 seconds", timeout: "2 seconds", bulkhead: { maxQueue: 1 } })).toMatchObject([
      { fix: "set bulkhead.maxQueue to 0, or a timeout that leaves some of the deadline for the line" }
    ])
  })

  it("window: a time window shorter than two attempts", () => {
    const over = (window: CircuitBreaker.WindowOptions, timeout: Policy.StandardOptions["timeout"] = "2 seconds") =>
      traps("window", { timeout, circuitBreaker: { tripPolicy: CircuitBreaker.rate({ threshold: 0.5, window }) } })
    expect(over(CircuitBreaker.time("3 seconds"))).toEqual([
      {
        rule: "window",
        severity: "warning",
        message:
          "the window of 3s is shorter than two attempts of 2s: timeouts leave it before there are enough to trip",
        fix: "make the window at least 4s"
      }
    ])
    expect(over(CircuitBreaker.time("4 seconds"))).toEqual([])
    expect(over(CircuitBreaker.count(10))).toEqual([])
    expect(over(CircuitBreaker.time("3 seconds"), "none")).toEqual([])
  })

  it("no-timeout: an attempt that only the deadline ends, or nothing at all", () => {
    expect(traps("no-timeout", { timeout: "none", deadline: "none" })).toEqual([
      {
        rule: "no-timeout",
        severity: "error",
        message:
          "an attempt may take for ever: a dependency that hangs holds its callers, and a circuit breaker never hears of it",
        fix: "set timeout, unless what is inside has one of its own"
      }
    ])
    expect(traps("no-timeout", { timeout: "none", deadline: "5 seconds" })).toEqual([
      {
        rule: "no-timeout",
        severity: "warning",
        message: "only the deadline of 5s ends an attempt: one that hangs uses up the whole budget",
        fix: "set timeout, unless what is inside has one of its own"
      }
    ])
    expect(traps("no-timeout", { timeout: "1 minute" })).toEqual([])
  })

  it("not-idempotent: retries of an operation that is said not to bear them", () => {
    expect(traps("not-idempotent", { idempotent: false })).toEqual([
      {
        rule: "not-idempotent",
        severity: "error",
        message: "2 retries of an operation that must not be repeated: a lost reply makes it happen twice",
        fix: 'set retry to "none", or carry an idempotency key that the dependency honours'
      }
    ])
    expect(traps("not-idempotent", { idempotent: true })).toEqual([])
    expect(traps("not-idempotent", { idempotent: false, retry: "none" })).toEqual([])
    expect(traps("not-idempotent", { idempotent: false, retry: { maxRetries: 0 } })).toEqual([])
  })

  it("amplification: retries around retries multiply", () => {
    expect(traps("amplification", {}, { outerRetries: 3 })).toEqual([
      {
        rule: "amplification",
        severity: "warning",
        message:
          "3 retries around 2 retries: one request can become 12 calls; its budget pays for 0.2 retries of each of the 4, which makes it 4.8 for each request while all fail",
        fix: "retry in one place, the one nearest to the dependency"
      }
    ])
    expect(traps("amplification", {}, { outerRetries: 0 })).toEqual([])
    expect(traps("amplification", { retry: "none" }, { outerRetries: 3 })).toEqual([])
  })

  it("remote-fallback: a tier that calls out without a policy", () => {
    const fallback = [
      { tier: "replica", remote: true },
      { tier: "cache", remote: true, policy: "cache" },
      { tier: "popular", remote: false }
    ]
    expect(traps("remote-fallback", {}, { fallback })).toEqual([
      {
        rule: "remote-fallback",
        severity: "warning",
        message: 'the fallback tier "replica" calls out without a policy: it hangs when what it calls hangs',
        fix: 'put a policy of its own around "replica"'
      }
    ])
  })

  it("remote-fallback: a tier under the very policy that it stands in for", () => {
    const fallback = [{ tier: "older", remote: true, policy: "payment" }]
    expect(Policy.explain("orders", {}, { fallback }).traps).toEqual([])
    expect(Policy.explain("payment", {}, { fallback }).traps).toEqual([
      {
        rule: "remote-fallback",
        severity: "warning",
        message:
          'the fallback tier "older" calls out under "payment", the policy that it stands in for: what that refuses, the tier is refused too',
        fix: 'put a policy of its own around "older"'
      }
    ])
  })

  it("and all of them together where there are several", () => {
    const found = rules(
      {
        deadline: "5 seconds",
        timeout: "2 seconds",
        retry: { maxRetries: 3, backoff: Backoff.constant("1 second") },
        bulkhead: { maxConcurrent: 20, maxQueue: 5 },
        pool: { name: "db", size: 10 },
        circuitBreaker: {
          tripPolicy: CircuitBreaker.rate({ threshold: 0.5, window: CircuitBreaker.time("1 second") })
        },
        idempotent: false
      },
      { outerRetries: 1 }
    )
    expect(new Set(found)).toEqual(new Set(["budget", "pool", "queue", "window", "not-idempotent", "amplification"]))
  })
})
