/**
 * The rows of a timeline, out of what was heard. An event is told by its name and its fields, whatever it is, so that one
 * that policies report tomorrow needs no change here; only of `CircuitChanged` is known what it means for the state.
 */
import type { Telemetry } from "@effect-resilience/core"
import { Predicate } from "effect"

/** One thing that happened. */
export interface Row {
  /** Milliseconds since the timeline began. */
  readonly at: number
  readonly policy: string
  /** The tag of an event, or whatever a note says. */
  readonly event: string
  /** How the policy's circuit was until then; empty where nothing is known. */
  readonly from: string
  /** How the policy's circuit is from then on, or what a note says; empty where nothing is known. */
  readonly state: string
  /** The numbers of the event, in words; empty if it has none. */
  readonly detail: string
}

/** Fields that are spans of time. */
const spans: ReadonlySet<string> = new Set(["delay", "limit", "budget", "openFor", "retryAfter", "age", "latency"])

const worded = (value: unknown): string => {
  if (Predicate.hasProperty(value, "_tag")) return String(value._tag)
  return typeof value === "object" ? JSON.stringify(value) : String(value)
}

const field = ([name, value]: readonly [string, unknown]): string =>
  `${name} ${worded(value)}${spans.has(name) && typeof value === "number" ? " ms" : ""}`

/** What an event says by itself; `from` and `state` are empty where it says nothing of them. */
export const heardEvent = (event: Telemetry.Event, beganMillis: number): Row => {
  const { _tag, at, policy, ...fields } = event
  const told = Object.entries(fields).filter(([, value]) => value !== undefined)
  const changed = event._tag === "CircuitChanged" ? event : { from: "", to: "" }
  return {
    at: at - beganMillis,
    policy,
    event: _tag,
    from: changed.from,
    state: changed.to,
    detail: told.map(field).join(", ")
  }
}

/**
 * The rows in the order of time; of those of one moment the first reported comes first. Where an event says nothing of the
 * state, it is what the policy's last one said; before the first that does, what that one left.
 */
export const rowsOf = (heard: ReadonlyArray<Row>): ReadonlyArray<Row> => {
  const ordered = heard.toSorted((one, other) => one.at - other.at)
  const states = new Map<string, string>()
  for (const { from, policy } of ordered) if (from !== "" && !states.has(policy)) states.set(policy, from)
  return ordered.map((row) => {
    const from = states.get(row.policy) ?? ""
    const state = row.state === "" ? from : row.state
    states.set(row.policy, state)
    return { ...row, from, state }
  })
}
