/**
 * What health answers: the words of `application/health+json` (draft-inadarei-api-health-check), made of what is known.
 * Pure, and without anything that an error or a key may hold: tags, names that the program gave, and numbers.
 */
import type { CircuitBreaker } from "@effect-resilience/core"
import { Duration, Option } from "effect"

/** In health+json: all is well, not all is, it is not. */
export type Status = "pass" | "warn" | "fail"

/** How one of the program's own checks stands. */
export interface CheckReport {
  readonly status: Status
  /** Why it does not pass. */
  readonly output?: string
  /** When its last run ended, as an ISO date. */
  readonly time?: string
}

/** Whether the program may have traffic. */
export interface Readiness {
  readonly status: Status
  readonly output?: string
  readonly checks: Readonly<Record<string, ReadonlyArray<CheckReport>>>
}

/** What is known of one dependency's circuit, or of all that a `Keyed` has. */
export interface CircuitReport {
  readonly status: Status
  readonly componentType: "component"
  /** The circuit's state; `Mixed` of a `Keyed` whose circuits differ. */
  readonly observedValue: CircuitBreaker.State | "Mixed"
  /** Calls and failures in the circuit's window, of all together. */
  readonly calls: number
  readonly failures: number
  /** Milliseconds until the next probe is let through, when open. */
  readonly nextProbeMillis: number | null
  /** Of a `Keyed`: its circuits, and how many of them are open. */
  readonly circuits?: number
  readonly open?: number
  /** It refuses nothing and counts what it would have refused: the state is what it would be. */
  readonly observing?: boolean
}

/** All circuits as one word: none of them open, some, all. */
export type Overall = "HEALTHY" | "DEGRADED" | "UNHEALTHY"

/** How the dependencies are, as their circuits tell. */
export interface Dependencies {
  readonly status: Status
  readonly health: Overall
  /** The names of those that are not well. */
  readonly output?: string
  readonly checks: Readonly<Record<string, ReadonlyArray<CircuitReport>>>
}

const statuses: Readonly<Record<CircuitBreaker.State, Status>> = {
  Closed: "pass",
  Disabled: "pass",
  HalfOpen: "warn",
  Open: "fail",
  Isolated: "fail"
}

/** What one circuit says. */
export const ofCircuit = (snapshot: CircuitBreaker.Snapshot): CircuitReport => {
  const observing = Option.isSome(snapshot.observed)
  return {
    status: observing ? "pass" : statuses[snapshot.state],
    componentType: "component",
    observedValue: snapshot.state,
    calls: snapshot.calls,
    failures: snapshot.failures,
    nextProbeMillis: Option.getOrNull(Option.map(snapshot.retryAfter, Duration.toMillis)),
    ...(observing ? { observing } : {})
  }
}

const soonest = (reports: ReadonlyArray<CircuitReport>): number | null => {
  const waits = reports.flatMap(({ nextProbeMillis }) => (nextProbeMillis === null ? [] : [nextProbeMillis]))
  return waits.length === 0 ? null : Math.min(...waits)
}

/** All fail, all pass, or neither. */
const together = (all: ReadonlyArray<Status>): Status => {
  if (all.every((status) => status === "pass")) return "pass"
  return all.every((status) => status === "fail") ? "fail" : "warn"
}

const sum = (numbers: ReadonlyArray<number>): number => numbers.reduce((total, each) => total + each, 0)

/** What the circuits of a `Keyed` say together. Keys are left out: there may be many, and they may be secret. */
export const ofKeyed = (snapshots: ReadonlyArray<CircuitBreaker.Snapshot>): CircuitReport => {
  const reports = snapshots.map(ofCircuit)
  const [first, ...others] = reports
  const alike = others.every(({ observedValue }) => observedValue === first?.observedValue)
  return {
    status: together(reports.map(({ status }) => status)),
    componentType: "component",
    observedValue: alike ? (first?.observedValue ?? "Closed") : "Mixed",
    calls: sum(reports.map(({ calls }) => calls)),
    failures: sum(reports.map(({ failures }) => failures)),
    nextProbeMillis: soonest(reports),
    circuits: reports.length,
    open: reports.filter(({ status }) => status === "fail").length
  }
}

const words: Readonly<Record<Status, Overall>> = { pass: "HEALTHY", warn: "DEGRADED", fail: "UNHEALTHY" }

/** Reports by name; policies that share a name stand under it together. */
const byName = <A>(reports: ReadonlyArray<readonly [name: string, report: A]>) => {
  const names = new Map<string, ReadonlyArray<A>>()
  for (const [name, report] of reports) names.set(name, [...(names.get(name) ?? []), report])
  return Object.fromEntries(names)
}

/**
 * How the dependencies are: `HEALTHY` when every circuit is closed, `UNHEALTHY` when all are open, otherwise `DEGRADED`,
 * also when one is only half-open: that it is well again is not known yet.
 */
export const dependencies = (reports: ReadonlyArray<readonly [name: string, report: CircuitReport]>): Dependencies => {
  const status = together(reports.map(([, report]) => report.status))
  const unwell = reports.filter(([, report]) => report.status !== "pass")
  const said = unwell.map(([name, report]) => `${name} is ${report.observedValue}`).join(", ")
  return {
    status,
    health: words[status],
    ...(unwell.length === 0 ? {} : { output: said.slice(0, 1000) }),
    checks: byName(reports)
  }
}

/** Whether the program may have traffic: it is not on its way out, and each of its own checks passes. */
export const readiness = (
  draining: boolean,
  reports: ReadonlyArray<readonly [name: string, report: CheckReport]>
): Readiness => {
  const passes = !draining && reports.every(([, { status }]) => status === "pass")
  return {
    status: passes ? "pass" : "fail",
    ...(draining ? { output: "shutting down" } : {}),
    checks: byName(reports)
  }
}
