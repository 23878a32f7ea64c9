/**
 * A circuit breaker as one would explain it: it keeps every outcome, looks at the clock all the time, and changes in
 * place. The machine must not be distinguishable from it.
 */
import type { CircuitBreaker, TripPolicy } from "@effect-resilience/machines"
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
  private told: Array<NaiveWindow.Told & { readonly lastedMillis: number }> = []
  private probes: Array<number> = []
  private successes = 0

  constructor(private readonly config: CircuitBreaker.Config) {}

  /** The next moment at which the clock alone changes what a reader sees, if there is one. */
  get dueMillis(): number | undefined {
    if (this.state === "HalfOpen") {
      return this.probes.length === 0 ? undefined : Math.min(...this.probes) + this.config.probeTimeoutMillis
    }
    return this.isByHand ? undefined : this.changedAt + this.openMillis
  }

  private get isByHand(): boolean {
    return this.state === "Isolated" || this.state === "Disabled"
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
    if (this.state === "Isolated")
      return { state: "Isolated", retryAfterMillis: Infinity, reason: { _tag: "Isolated" } }
    if (this.state !== "HalfOpen" || this.probes.length < this.config.probes) return undefined
    const left = Math.min(...this.probes) + this.config.probeTimeoutMillis - nowMillis
    return { state: "HalfOpen", retryAfterMillis: left, reason: { _tag: "Probing", probes: this.config.probes } }
  }

  /** Somebody sets it by hand. */
  set(how: "Isolate" | "Disable" | "Reset", nowMillis: number): void {
    this.pass(nowMillis)
    const to = how === "Isolate" ? "Isolated" : how === "Disable" ? "Disabled" : "Closed"
    if (to === this.state && to !== "Closed") return
    if (to !== "Disabled" || this.state !== "Closed") this.told = []
    this.openings = 0
    this.openMillis = 0
    if (to === this.state) this.generation++
    else this.change(to, { _tag: to === "Closed" ? "Reset" : to }, nowMillis)
  }

  begin(nowMillis: number): void {
    if (this.state === "HalfOpen") this.probes.push(nowMillis)
  }

  settle(permit: CircuitBreaker.Permit, outcome: CircuitBreaker.Outcome, nowMillis: number): void {
    if (permit.generation !== this.generation) return
    if ((this.state === "Closed" || this.state === "Disabled") && outcome._tag !== "Ignored") {
      this.told.push({ atMillis: nowMillis, failed: outcome._tag === "Failure", lastedMillis: outcome.lastedMillis })
      const breach = this.breach(nowMillis)
      if (breach === undefined || this.state === "Disabled") return
      const steady = nowMillis >= this.changedAt + this.openMillis
      const asked = outcome._tag === "Failure" ? outcome.retryAfterMillis : 0
      this.open(steady ? 1 : this.openings + 1, asked, breach, nowMillis)
    } else if (this.state === "HalfOpen") {
      this.probes.splice(this.probes.indexOf(permit.startedMillis), 1)
      if (outcome._tag === "Failure") {
        this.open(this.openings + 1, outcome.retryAfterMillis, { _tag: "ProbeFailed" }, nowMillis)
      } else if (outcome._tag === "Success" && outcome.lastedMillis >= this.slowerThanMillis) {
        const { lastedMillis } = outcome
        const cause = { _tag: "ProbeSlow" as const, lastedMillis, slowerThanMillis: this.slowerThanMillis }
        this.open(this.openings + 1, 0, cause, nowMillis)
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
    const nothing = { calls: 0, failures: 0, failureRate: 0, slow: 0, slowRate: 0 }
    const none = { ...nothing, retryAfterMillis: 0, probing: 0, openings: this.openings }
    const steady = nowMillis >= this.changedAt + this.openMillis
    if (this.state === "HalfOpen") return { ...none, state: "HalfOpen", probing: this.probes.length }
    if (this.state === "Open") {
      return { ...none, state: "Open", retryAfterMillis: this.changedAt + this.openMillis - nowMillis }
    }
    if (this.state === "Isolated") return { ...none, state: "Isolated" }
    const totals = (which: (rule: TripPolicy.Rule) => boolean) => {
      const rule = this.rules.find(which)
      const { calls, failures } = rule === undefined ? nothing : this.counted(rule, nowMillis)
      return { calls, bad: failures, rate: calls === 0 ? 0 : failures / calls }
    }
    const { calls } = totals(() => true)
    const { bad: failures, rate: failureRate } = totals((rule) => rule._tag !== "Slow")
    const { bad: slow, rate: slowRate } = totals((rule) => rule._tag === "Slow")
    const counts = { calls, failures, failureRate, slow, slowRate }
    return { ...none, state: this.state, ...counts, ...(steady ? { openings: 0 } : {}) }
  }

  private get rules(): ReadonlyArray<TripPolicy.Rule> {
    const { tripPolicy } = this.config
    return tripPolicy._tag === "Any" ? tripPolicy.rules : [tripPolicy]
  }

  private get slowerThanMillis(): number {
    return Math.min(...this.rules.map((rule) => (rule._tag === "Slow" ? rule.slowerThanMillis : Infinity)))
  }

  /** What a rule counts now: for one on slow calls the slow ones are the bad ones. */
  private counted(rule: TripPolicy.Rule, nowMillis: number): NaiveWindow.Totals {
    const told =
      rule._tag === "Slow"
        ? this.told.map((each) => ({ ...each, failed: each.lastedMillis >= rule.slowerThanMillis }))
        : this.told
    return NaiveWindow.totals(NaiveWindow.counted(rule.window, told, nowMillis))
  }

  private breach(nowMillis: number): CircuitBreaker.Cause | undefined {
    for (const rule of this.rules) {
      const { calls, failures } = this.counted(rule, nowMillis)
      if (rule._tag === "Consecutive") {
        if (failures === rule.failures) return { _tag: "Consecutive", failures, threshold: rule.failures }
        continue
      }
      const { minimumCalls, threshold } = rule
      if (calls < minimumCalls || failures / calls < threshold) continue
      if (rule._tag === "Rate") return { _tag: "Rate", failures, calls, threshold }
      return { _tag: "Slow", slow: failures, calls, threshold, slowerThanMillis: rule.slowerThanMillis }
    }
    return undefined
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
