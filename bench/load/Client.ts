/** A caller that repeats its calls to a server; what keeps its retries from doing harm is given to it. */
import { Backoff, Bulkhead, CircuitBreaker, RetryBudget } from "@effect-resilience/machines"
import type { Chance } from "./Chance.js"
import type { Server } from "./Server.js"
import type { Simulation } from "./Simulation.js"

export interface Options {
  readonly maxRetries: number
  readonly timeoutMillis: number
  readonly deadlineMillis: number
  readonly backoff: Backoff.Config
  readonly budget: RetryBudget.Config | undefined
  readonly circuit: CircuitBreaker.Config | undefined
  /** How many calls may be under way; Infinity for any number. */
  readonly maxConcurrent: number
}

export type End = "served" | "failed" | "refused"

const circuitOf = (circuit: CircuitBreaker.Config | undefined): CircuitBreaker.Config =>
  circuit ?? {
    tripPolicy: { _tag: "Consecutive", failures: 1, window: { _tag: "Count", size: 1, maxAgeMillis: 1 } },
    openMillis: () => 1,
    openJitter: 0,
    maxOpenMillis: 1,
    probes: 1,
    successThreshold: 1,
    probeTimeoutMillis: 1
  }

export class Client {
  private readonly circuitConfig: CircuitBreaker.Config
  private circuit: CircuitBreaker.State
  private bulkhead: Bulkhead.State
  private budget: RetryBudget.State | undefined

  constructor(
    private readonly simulation: Simulation,
    private readonly chance: Chance,
    private readonly server: Server,
    private readonly options: Options
  ) {
    this.circuitConfig = circuitOf(options.circuit)
    const closed = CircuitBreaker.initial(this.circuitConfig)
    this.circuit = options.circuit === undefined ? CircuitBreaker.disable(this.circuitConfig, closed, 0)[1] : closed
    this.bulkhead = Bulkhead.initial({ limit: options.maxConcurrent, maxQueue: 0 })
    this.budget = options.budget === undefined ? undefined : RetryBudget.initial(options.budget)
  }

  readonly call = (ended: (end: End) => void): void => {
    const beganMillis = this.simulation.wholeMillis
    const [entrance, entered] = Bulkhead.acquire(this.bulkhead)
    if (entrance !== "Admitted") return ended("refused")
    const [decision, circuit] = CircuitBreaker.acquire(this.circuitConfig, this.circuit, beganMillis)
    this.circuit = circuit
    if (decision._tag === "Rejected") return ended("refused")
    this.bulkhead = entered
    const { budget } = this.options
    if (budget !== undefined && this.budget !== undefined) {
      this.budget = RetryBudget.called(budget, this.budget, beganMillis)
    }
    this.attempt(0, beganMillis + this.options.deadlineMillis, (isServed) => {
      const nowMillis = this.simulation.wholeMillis
      this.bulkhead = Bulkhead.release(this.bulkhead)[1]
      this.circuit = CircuitBreaker.settle(
        this.circuitConfig,
        this.circuit,
        decision.permit,
        { _tag: isServed ? "Success" : "Failure", retryAfterMillis: 0, lastedMillis: nowMillis - beganMillis },
        nowMillis
      )[1]
      ended(isServed ? "served" : "failed")
    })
  }

  private attempt(retries: number, dueMillis: number, ended: (isServed: boolean) => void): void {
    let isOpen = true
    const settle = (isServed: boolean) => {
      if (!isOpen) return
      isOpen = false
      if (isServed) return ended(true)
      const delay = Backoff.fullJitterMillis(this.options.backoff, retries, this.chance.next())
      const leavesTime = this.simulation.nowMillis + delay < dueMillis
      if (retries >= this.options.maxRetries || !leavesTime || !this.isPaidFor()) return ended(false)
      this.simulation.after(delay, () => this.attempt(retries + 1, dueMillis, ended))
    }
    const left = dueMillis - this.simulation.nowMillis
    this.simulation.after(Math.min(this.options.timeoutMillis, left), () => settle(false))
    this.server.request(() => settle(true))
  }

  private isPaidFor(): boolean {
    const { budget } = this.options
    if (budget === undefined || this.budget === undefined) return true
    const [granted, next] = RetryBudget.withdraw(budget, this.budget, this.simulation.wholeMillis)
    this.budget = next
    return granted
  }
}
