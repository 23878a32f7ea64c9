/**
 * What policies report: typed events, plain data, past tense.
 */
import type { CircuitBreaker as Machine, LoadShedder } from "@effect-resilience/machines"
import type { Cause } from "../Transitions.js"

/** Who reports. */
export interface Subject {
  /** The name of the policy. */
  readonly policy: string
  /** The name of the `Keyed` that the policy is of one key of; such policies are as many as there are keys. */
  readonly keyed?: string | undefined
}

interface Common extends Subject {
  readonly at: number
}

/** Which of a policy's calls. */
interface OfCall extends Common {
  /** What the call is for, where its policy was told (`policy.with({ operation })`). */
  readonly operation?: string | undefined
}

/** A call failed and is made again after `delay` milliseconds; `attempt` is the one that failed, from 1. */
export interface RetryScheduled extends Common {
  readonly _tag: "RetryScheduled"
  readonly attempt: number
  readonly delay: number
  readonly error: string
}

/** What was worth repeating is not repeated any more, and why. */
export interface RetriesExhausted extends Common {
  readonly _tag: "RetriesExhausted"
  readonly attempts: number
  readonly reason: "attempts" | "deadline" | "circuit" | "budget" | "retryAfter"
  readonly error: string
}

/**
 * What became of another copy of a call that was slow, or had failed: `won`: its answer was the call's; `lost`: another's
 * was, or the caller gave up; `failed`; `suppressed`: it was due, but was not made.
 */
export interface HedgeSettled extends Common {
  readonly _tag: "HedgeSettled"
  /** Which of the call's hedges, from 1. */
  readonly hedge: number
  readonly result: "won" | "lost" | "failed" | "suppressed"
  /**
   * Why it was not made: the budget of hedges was empty, the circuit is not closed, the throttle refuses some calls, too
   * little was left of the budget of time, the dependency had asked for peace, or another policy refused it.
   */
  readonly reason: "budget" | "circuit" | "throttle" | "deadline" | "retryAfter" | "refused" | undefined
  /** After how long without an answer it was to begin, in milliseconds. */
  readonly delay: number
}

/** An attempt reached its own limit of `limit` milliseconds. */
export interface CallTimedOut extends OfCall {
  readonly _tag: "CallTimedOut"
  readonly limit: number
}

/** A budget of `budget` milliseconds ended. */
export interface DeadlineMissed extends Common {
  readonly _tag: "DeadlineMissed"
  readonly where: "before-start" | "in-flight" | "waiting"
  readonly budget: number
}

interface Change extends Common {
  readonly from: Machine.StateName
  readonly to: Machine.StateName
  readonly cause: Cause
  /** How many openings in a row there were. */
  readonly openings: number
  /** How long it is open, in milliseconds; 0 unless `to` is `Open`. */
  readonly openFor: number
}

/** A circuit went from one state to another, as its callers meet it: one that only observes is closed to them. */
export interface CircuitChanged extends Change {
  readonly _tag: "CircuitChanged"
}

/** A circuit that only observes would have gone from one state to another; its callers notice nothing. */
export interface ChangeObserved extends Change {
  readonly _tag: "ChangeObserved"
}

/** A call was refused without asking the dependency; `retryAfter` in milliseconds, where known. */
export interface CallRejected extends Common {
  readonly _tag: "CallRejected"
  readonly by: "circuit" | "bulkhead" | "deadline" | "rateLimit" | "throttle"
  readonly retryAfter: number | undefined
}

/** A server that is short of capacity refused a request of class `priority`; `retryAfter` in milliseconds. */
export interface RequestShed extends Common {
  readonly _tag: "RequestShed"
  readonly priority: LoadShedder.Class
  readonly reason: LoadShedder.Reason
  readonly retryAfter: number
}

/** A circuit that only observes would have refused a call, which went through; `retryAfter` in milliseconds. */
export interface RejectionObserved extends Common {
  readonly _tag: "RejectionObserved"
  readonly by: "circuit"
  readonly retryAfter: number
}

/** The caller got a degraded answer. */
export interface FallbackServed extends Common {
  readonly _tag: "FallbackServed"
  readonly tier: string
  readonly kind: string
  /** How old the answer is, in milliseconds, where known. */
  readonly age: number | undefined
}

/** A tier of a fallback failed. */
export interface FallbackFailed extends Common {
  readonly _tag: "FallbackFailed"
  readonly tier: string
  readonly error: string
}

/** From now on `to` calls may run at a time, where it was `from`. */
export interface BulkheadResized extends Common {
  readonly _tag: "BulkheadResized"
  readonly from: number
  readonly to: number
}

/** A part that the caller can do without is missing from its answer, and why. */
export interface PartDegraded extends Common {
  readonly _tag: "PartDegraded"
  readonly part: string
  readonly criticality: "important" | "optional"
  readonly error: string
}

/**
 * A fault was injected on purpose into a call of `method`; `policy` is the name of the service. Marked, so that nobody takes
 * an experiment for an outage.
 */
export interface FaultInjected extends Common {
  readonly _tag: "FaultInjected"
  readonly method: string
  readonly fault: "fault" | "defect" | "latency" | "outcome" | "hang" | "interrupt" | "lostReply"
  /** How long the call is delayed, in milliseconds; undefined for what is no latency. */
  readonly delay: number | undefined
  readonly chaos: true
}

/** The default classifier met an error that it knows nothing about; said once per tag and policy. */
export interface UnclassifiedError extends Common {
  readonly _tag: "UnclassifiedError"
  readonly error: string
}

/** A caller sent a deadline in `header` that cannot be read; the request goes on without it. */
export interface DeadlineHeaderIgnored extends Common {
  readonly _tag: "DeadlineHeaderIgnored"
  readonly header: string
}

/** How a call counted with its circuit; a slow one succeeded. */
export type Counted = "success" | "failure" | "slow" | "ignored"

/**
 * A call through a standard policy or a breaker has ended, refused ones included. Told only to sinks that ask for calls:
 * there is one for each.
 */
export interface CallSettled extends OfCall {
  readonly _tag: "CallSettled"
  /**
   * What it ended with: `ok`, `timeout`, `open`, `rejected` (by the bulkhead, or for want of time), `cancelled` (its caller
   * gave it up), `error`; or what the policy's `status` made of it, as an HTTP client's does of a status code.
   */
  readonly status: string
  /** How it counted; undefined where no circuit was asked, or it refused. */
  readonly counted: Counted | undefined
  /** From its beginning to its end, waits and repetitions included, in milliseconds. */
  readonly duration: number
  /** How many attempts were made; 0 if it was refused. */
  readonly attempts: number
  /** How long the last attempt took, in milliseconds. */
  readonly lastAttempt: number
  /** What the last attempt ended with, of a call that was given up while it waited for the next; otherwise as the call did. */
  readonly lastStatus?: string | undefined
}

/** An attempt that was not the last of its call has ended. Told only to sinks that ask for calls. */
export interface AttemptSettled extends OfCall {
  readonly _tag: "AttemptSettled"
  /** Its number, from 1. */
  readonly attempt: number
  /** As that of `CallSettled`. */
  readonly status: string
  /** In milliseconds. */
  readonly duration: number
}

/** An attempt after the first has ended. Told only to sinks that ask for calls. */
export interface RetrySettled extends Common {
  readonly _tag: "RetrySettled"
  /** Its number, from 2. */
  readonly attempt: number
  readonly succeeded: boolean
}

/** A rate limiter gave permits. Told only to sinks that ask for calls. */
export interface PermitsTaken extends Common {
  readonly _tag: "PermitsTaken"
  /** How many. */
  readonly cost: number
  /** How long they were waited for, in milliseconds. */
  readonly delay: number
}

/** What is told of every call, to sinks that ask for it. */
export type CallEvent = PermitsTaken | CallSettled | AttemptSettled | RetrySettled

/** All that policies report; `_tag` tells which. */
export type Event =
  | RetryScheduled
  | RetriesExhausted
  | HedgeSettled
  | CallTimedOut
  | DeadlineMissed
  | CircuitChanged
  | ChangeObserved
  | CallRejected
  | RequestShed
  | RejectionObserved
  | FallbackServed
  | FallbackFailed
  | PartDegraded
  | BulkheadResized
  | FaultInjected
  | UnclassifiedError
  | DeadlineHeaderIgnored
  | CallEvent
