/**
 * A circuit breaker as one would explain it: it keeps every outcome, looks at the clock all the time, and changes in
 * place. The machine must not be distinguishable from it.
 */
import type { CircuitBreaker } from "@effect-resilience/machines"
import * as NaiveWindow from "./NaiveWindow.js"

export type Refusal = Pick<CircuitBreaker.Rejected, "state" | "retryAfterMillis" | "reason">

export class NaiveCircuit {
  state: CircuitBreaker.StateName = "Closed"
  generation = 0
  random = 0.5
  readonly log: Array<CircuitBreaker.Transition> = []
  private changedAt = 0
  private openings = 0
  private openMillis = 0
  private cause: CircuitBreaker.Cause = { _tag: "Due" }
  private told: Array<NaiveWindow.Told> = []
  private probes: Array<number> = []
  private successes = 0

  constructor(private readonly config: CircuitBreaker.Config) {}

  /** The next moment at which the clock alone changes what a reader sees, if there is one. */
  get dueMillis(): number | undefined {
    if (this.state === "HalfOpen") {
      return this.probes.length === 0 ? undefined : Math.min(...this.probes) + this.config.probeTimeoutMillis
    }
    return this.changedAt + this.openMillis
  }

  /** Lets the time come that is now. */
  pass(nowMillis: number): void {
    const due = this.dueMillis
    if (this.state === "Closed" || due === undefined || nowMillis < due) return
    if (this.state === "Open") {
      this.probes = []
      this.successes = 0
      this.change("HalfOpen", { _tag: "Due" }, due)
    } else {
      this.open(
        this.openings + 1,
        0,
        { _tag: "ProbeTimedOut", probeTimeoutMillis: this.config.probeTimeoutMillis },
        due
      )
    }
    this.pass(nowMillis)
  }

  /** Why nobody gets through now, if so. */
  refusal(nowMillis: number): Refusal | undefined {
    if (this.state === "Open") {
      return { state: "Open", retryAfterMillis: this.changedAt + this.openMillis - nowMillis, reason: this.cause }
    }
    if (this.state === "Closed" || this.probes.length < this.config.probes) return undefined
    const left = Math.min(...this.probes) + this.config.probeTimeoutMillis - nowMillis
    return { state: "HalfOpen", retryAfterMillis: left, reason: { _tag: "Probing", probes: this.config.probes } }
  }

  begin(nowMillis: number): void {
    if (this.state === "HalfOpen") this.probes.push(nowMillis)
  }

  settle(permit: CircuitBreaker.Permit, outcome: CircuitBreaker.Outcome, nowMillis: number): void {
    if (permit.generation !== this.generation) return
    if (this.state === "Closed" && outcome._tag !== "Ignored") {
      this.told.push({ atMillis: nowMillis, failed: outcome._tag === "Failure" })
      const breach = this.breach(nowMillis)
      if (breach === undefined) return
      const steady = nowMillis >= this.changedAt + this.openMillis
      const asked = outcome._tag === "Failure" ? outcome.retryAfterMillis : 0
      this.open(steady ? 1 : this.openings + 1, asked, breach, nowMillis)
    } else if (this.state === "HalfOpen") {
      this.probes.splice(this.probes.indexOf(permit.startedMillis), 1)
      if (outcome._tag === "Failure") {
        this.open(this.openings + 1, outcome.retryAfterMillis, { _tag: "ProbeFailed" }, nowMillis)
      } else if (outcome._tag === "Success") {
        this.successes++
        if (this.successes < this.config.successThreshold) return
        this.told = []
        this.change("Closed", { _tag: "ProbesSucceeded", successes: this.successes }, nowMillis)
      } else if (outcome.retryAfterMillis > 0) {
        this.cause = { _tag: "ProbeDeferred", retryAfterMillis: outcome.retryAfterMillis }
        this.openMillis = Math.min(outcome.retryAfterMillis, this.config.maxOpenMillis)
        this.change("Open", this.cause, nowMillis)
      }
    }
  }

  snapshot(nowMillis: number): CircuitBreaker.Snapshot {
    const counted = NaiveWindow.totals(NaiveWindow.counted(this.config.tripPolicy.window, this.told, nowMillis))
    const none = { calls: 0, failures: 0, retryAfterMillis: 0, probing: 0, openings: this.openings }
    const steady = nowMillis >= this.changedAt + this.openMillis
    if (this.state === "Closed") return { ...none, state: "Closed", ...counted, ...(steady ? { openings: 0 } : {}) }
    if (this.state === "HalfOpen") return { ...none, state: "HalfOpen", probing: this.probes.length }
    return { ...none, state: "Open", retryAfterMillis: this.changedAt + this.openMillis - nowMillis }
  }

  private breach(nowMillis: number): CircuitBreaker.Cause | undefined {
    const policy = this.config.tripPolicy
    const { calls, failures } = NaiveWindow.totals(NaiveWindow.counted(policy.window, this.told, nowMillis))
    if (policy._tag === "Consecutive") {
      const threshold = policy.failures
      return failures === threshold ? { _tag: "Consecutive", failures, threshold } : undefined
    }
    const { minimumCalls, threshold } = policy
    if (calls < minimumCalls || failures / calls < threshold) return undefined
    return { _tag: "Rate", failures, calls, threshold }
  }

  private open(openings: number, askedMillis: number, cause: CircuitBreaker.Cause, atMillis: number): void {
    const { maxOpenMillis, openJitter, openMillis } = this.config
    const stretch = 1 - openJitter + 2 * openJitter * this.random
    const own = Math.max(1, Math.round(openMillis(openings) * stretch))
    this.openings = openings
    this.openMillis = Math.max(own, Math.min(askedMillis, maxOpenMillis))
    this.cause = cause
    this.change("Open", cause, atMillis)
  }

  private change(to: CircuitBreaker.StateName, cause: CircuitBreaker.Cause, atMillis: number): void {
    this.log.push({ from: this.state, to, cause, atMillis })
    this.state = to
    this.generation++
    this.changedAt = atMillis
  }
}
