/**
 * What a circuit breaker's machine is told, holds and answers: plain data, milliseconds for times and spans.
 */
import type * as TripPolicy from "./TripPolicy.js"

/** The numbers of a circuit breaker. */
export interface Config {
  readonly tripPolicy: TripPolicy.TripPolicy
  /** How long the n-th opening in a row lasts, n = 1, 2, ..., in milliseconds, >= 1. */
  readonly openMillis: (opening: number) => number
  /** Each opening is stretched or shrunk by up to this share of itself, 0..1. */
  readonly openJitter: number
  /** A dependency's own wish can lengthen an opening up to this, in milliseconds. */
  readonly maxOpenMillis: number
  /** How many probes may be under way at a time, >= 1. */
  readonly probes: number
  /** How many probes must succeed to close, >= 1. */
  readonly successThreshold: number
  /** A probe that has not settled by then is given up, in milliseconds, >= 1. */
  readonly probeTimeoutMillis: number
}

/** How a call counts. */
export interface Outcome {
  readonly _tag: "Success" | "Failure" | "Ignored"
  /** What the dependency asked for, 0 if it asked for nothing. */
  readonly retryAfterMillis: number
  /** How long the dependency took, for rules on slow calls. */
  readonly lastedMillis: number
}

/**
 * Closed lets calls through, open refuses them, half-open lets a few probes through. By hand: isolated refuses them and
 * disabled lets them through, both until someone says otherwise.
 */
export type StateName = "Closed" | "Open" | "HalfOpen" | "Isolated" | "Disabled"

/** Why a circuit went from one state to another, with the numbers that made it. */
export type Cause =
  | TripPolicy.Breach
  /** The opening is over. */
  | { readonly _tag: "Due" }
  | { readonly _tag: "ProbeFailed" }
  /** A probe succeeded, but took as long as a rule calls slow. */
  | { readonly _tag: "ProbeSlow"; readonly lastedMillis: number; readonly slowerThanMillis: number }
  | { readonly _tag: "ProbeTimedOut"; readonly probeTimeoutMillis: number }
  /** The dependency answered a probe with a wish to be left alone. */
  | { readonly _tag: "ProbeDeferred"; readonly retryAfterMillis: number }
  | { readonly _tag: "ProbesSucceeded"; readonly successes: number }
  /** By hand. */
  | { readonly _tag: "Isolated" }
  | { readonly _tag: "Disabled" }
  | { readonly _tag: "Reset" }

/** A circuit went from one state to another. */
export interface Transition {
  readonly from: StateName
  readonly to: StateName
  readonly cause: Cause
  /** When it became due. */
  readonly atMillis: number
}

/** Why a call is refused: the cause of the opening, or that all probes are under way. */
export type Reason = Cause | { readonly _tag: "Probing"; readonly probes: number }

interface Common {
  readonly generation: number
  /** How many openings in a row there were. */
  readonly openings: number
  /** The random number in [0, 1) that the next opening is stretched by; 0.5 leaves it as it is. */
  readonly jitter: number
}

/** Calls go through, and what they end with is counted. */
export interface Closed extends Common {
  readonly _tag: "Closed"
  readonly memory: TripPolicy.Memory
  readonly sinceMillis: number
  /** How long the last opening was planned to be; 0 before the first. */
  readonly lastOpenMillis: number
}

/** Calls are refused from `sinceMillis` on, for `openMillis`. */
export interface Open extends Common {
  readonly _tag: "Open"
  readonly sinceMillis: number
  readonly openMillis: number
  readonly cause: Cause
}

/** The opening is over: a few probes go through, and decide whether the circuit closes or opens again. */
export interface HalfOpen extends Common {
  readonly _tag: "HalfOpen"
  readonly openMillis: number
  readonly successes: number
  /** When each probe under way began, oldest first. */
  readonly probing: ReadonlyArray<number>
}

/** Calls are refused until someone says otherwise. */
export interface Isolated extends Common {
  readonly _tag: "Isolated"
}

/** Calls go through until someone says otherwise, and what they end with is counted but opens nothing. */
export interface Disabled extends Common {
  readonly _tag: "Disabled"
  readonly memory: TripPolicy.Memory
}

/** What a circuit breaker holds. */
export type State = Closed | Open | HalfOpen | Isolated | Disabled

/** Given to a call that is let through, and told to `settle`, where one of an older generation changes nothing. */
export interface Permit {
  readonly generation: number
  readonly startedMillis: number
}

/** The call may go through; it must be settled once. */
export interface Admitted {
  readonly _tag: "Admitted"
  readonly permit: Permit
  readonly transition?: Transition
}

/** The call must not go through. */
export interface Rejected {
  readonly _tag: "Rejected"
  readonly state: "Open" | "HalfOpen" | "Isolated"
  /** Until the next probe may be let through, or the time left of the oldest one under way; Infinity when isolated. */
  readonly retryAfterMillis: number
  readonly reason: Reason
  readonly transition?: Transition
}

/** What becomes of a call, with the transition that asking has made due, if any. */
export type Decision = Admitted | Rejected

/** What a reader sees at `nowMillis`. The totals are 0 unless the circuit is closed or disabled. */
export interface Snapshot extends TripPolicy.Totals {
  readonly state: StateName
  /** Openings in a row. */
  readonly openings: number
  /** Until the next probe may be let through; 0 unless open. */
  readonly retryAfterMillis: number
  /** Probes under way. */
  readonly probing: number
}
