/**
 * What events do to the series. Runs inside calls.
 */
import type { Telemetry } from "@effect-resilience/core"
import { attemptLabel, Service, shedLabels } from "./Service.js"
import { Bounded } from "./Series.js"

/** How services and endpoints are told apart, and how many there are at most. */
export interface Bounds {
  readonly labelByKey: boolean
  readonly maxServices: number
  readonly maxEndpoints: number
}

interface Opening {
  readonly service: Service
  /** The name that is registered while the circuit lives: its own, or that of its Keyed. */
  readonly registered: string
  /** Until when it was counted already, and when it is over by itself, in monotonic milliseconds. */
  readonly since: number
  readonly until: number
}

const refusing: ReadonlyArray<string> = ["Open", "Isolated"]

export class Recorder {
  readonly services: Bounded<Service>
  private readonly openings = new Map<string, Opening>()

  constructor(private readonly bounds: Bounds) {
    this.services = new Bounded(bounds.maxServices, (name) => new Service(name, bounds.maxEndpoints))
  }

  /** The name under which a policy counts. */
  labelOf({ keyed, policy }: Telemetry.Subject): string {
    return keyed === undefined || this.bounds.labelByKey ? policy : keyed
  }

  readonly publish = (event: Telemetry.Event): void => {
    switch (event._tag) {
      case "CallSettled":
        return this.callSettled(event)
      case "AttemptSettled":
        return this.serviceOf(event)
          .endpoint(event.operation)
          .byStatus.get(event.status)
          .attempt(event.duration / 1000)
      case "RetrySettled":
        return this.serviceOf(event).retries.get(
          `${attemptLabel(event.attempt)} ${event.succeeded ? "success" : "failure"}`
        )(1)
      case "PermitsTaken":
        return this.serviceOf(event).rateLimiter.permits.get(event.delay > 0 ? "delayed" : "allowed")(event.cost)
      default:
        return this.happened(event)
    }
  }

  private serviceOf(event: Telemetry.Event): Service {
    return this.services.get(this.labelOf(event))
  }

  private callSettled(event: Telemetry.CallSettled): void {
    const service = this.serviceOf(event)
    const { byStatus } = service.endpoint(event.operation)
    byStatus.get(event.status).request(event.duration / 1000)
    if (event.attempts > 0) byStatus.get(event.lastStatus ?? event.status).attempt(event.lastAttempt / 1000)
    if (event.counted !== undefined) service.circuit.calls.get(event.counted)(1)
  }

  private happened(event: Exclude<Telemetry.Event, Telemetry.CallEvent>): void {
    const service = this.serviceOf(event)
    service.events.get(event._tag)(1)
    switch (event._tag) {
      case "CallTimedOut":
        return service.endpoint(event.operation).timeouts(1)
      case "DeadlineMissed":
        return service.deadlines.get(event.where)(1)
      case "CallRejected":
        if (event.by === "circuit") service.circuit.calls.get("not_permitted")(1)
        if (event.by === "bulkhead") service.bulkheadRejected(1)
        if (event.by === "throttle") service.throttle.rejected(1)
        if (event.by === "rateLimit") service.rateLimiter.permits.get("rejected")(1)
        return
      case "RequestShed":
        return service.loadShed.get(shedLabels(event.priority, event.reason))(1)
      case "RetriesExhausted":
        if (event.reason === "budget") service.retryBudget.exhausted(1)
        return
      case "HedgeSettled":
        return service.hedge.attempts.get(event.result)(1)
      case "CircuitChanged":
        return this.changed(service, event)
      case "FallbackServed":
        service.degraded(event.kind, event.at)
        if (event.age !== undefined) service.fallbackAge(event.age / 1000)
        return
      case "PartDegraded":
        return service.degraded("omitted", event.at)
      case "FaultInjected":
        return service.faults.get(event.fault)(1)
    }
  }

  private changed(service: Service, event: Telemetry.CircuitChanged): void {
    const { circuit } = service
    circuit.transitions.get(`${event.from} ${event.to}`)(1)
    if (event.from === "Closed" && event.to === "Open") circuit.trips(1)
    const id = `${event.keyed ?? ""} ${event.policy}`
    this.count(id, event.at)
    this.openings.delete(id)
    if (!refusing.includes(event.to)) return
    const until = event.to === "Open" ? event.at + event.openFor : Infinity
    this.openings.set(id, { service, registered: event.keyed ?? event.policy, since: event.at, until })
  }

  /** Counts how long a circuit has been open until now. */
  private count(id: string, now: number): void {
    const opening = this.openings.get(id)
    if (opening === undefined) return
    const end = Math.min(now, opening.until)
    if (end > opening.since) opening.service.circuit.openSeconds((end - opening.since) / 1000)
    if (end === opening.until) this.openings.delete(id)
    else this.openings.set(id, { ...opening, since: Math.max(end, opening.since) })
  }

  /** Counts how long every circuit has been open until now. One that is gone would stay isolated for ever. */
  countOpenings(now: number, registered: ReadonlySet<string>): void {
    for (const [id, opening] of this.openings) {
      this.count(id, now)
      if (opening.until === Infinity && !registered.has(opening.registered)) this.openings.delete(id)
    }
  }
}
