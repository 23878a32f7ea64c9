/**
 * A plan as data: what faults there are, which calls each is for, and in which phase.
 */
import type { Duration } from "effect"

/** Which calls a fault is for. What is not given restricts nothing. */
export interface Aim<Method extends string = string, Predicate extends string = string> {
  /** The share of these calls that is hit, drawn for each. From 0 to 1; default 1. */
  readonly rate?: number
  /** The methods it is for. Default all; an empty list is refused. */
  readonly methods?: ReadonlyArray<Method>
  /** The name of a predicate that must hold of the call. */
  readonly when?: Predicate
  /** From when on, counted from the start of the phase, this moment included. Default 0. */
  readonly from?: Duration.DurationInput
  /** Until when, counted from the start of the phase, this moment excluded. Longer than `from`; default to the end. */
  readonly until?: Duration.DurationInput
  /** How many calls it hits at most while the plan runs. From 1; default any number. */
  readonly times?: number
}

/** How long a latency is: fixed, or drawn for each call; always rounded to whole milliseconds. */
export type Span =
  | Duration.DurationInput
  | { readonly uniform: readonly [from: Duration.DurationInput, to: Duration.DurationInput] }
  | { readonly lognormal: { readonly median: Duration.DurationInput; readonly p99: Duration.DurationInput } }
  | { readonly quantiles: ReadonlyArray<readonly [quantile: number, span: Duration.DurationInput]> }

/** The call fails with the error of this name, and does not reach the service. */
export interface ErrorFault<
  Name extends string = string,
  Method extends string = string,
  Predicate extends string = string
> extends Aim<Method, Predicate> {
  readonly kind: "fault"
  readonly error: Name
}

/** The call dies with `InjectedDefect`, and does not reach the service. */
export interface DefectFault<Method extends string = string, Predicate extends string = string> extends Aim<
  Method,
  Predicate
> {
  readonly kind: "defect"
}

/** The call reaches the service later; latencies that hit the same call add up. */
export interface LatencyFault<Method extends string = string, Predicate extends string = string> extends Aim<
  Method,
  Predicate
> {
  readonly kind: "latency"
  readonly latency: Span
}

/** The call gives the result of this name, and does not reach the service. A Stream gives it as its only element. */
export interface OutcomeFault<
  Name extends string = string,
  Method extends string = string,
  Predicate extends string = string
> extends Aim<Method, Predicate> {
  readonly kind: "outcome"
  readonly outcome: Name
}

/** The call never answers, and does not reach the service. */
export interface HangFault<Method extends string = string, Predicate extends string = string> extends Aim<
  Method,
  Predicate
> {
  readonly kind: "hang"
}

/** The call ends as one that was interrupted, and does not reach the service. */
export interface InterruptFault<Method extends string = string, Predicate extends string = string> extends Aim<
  Method,
  Predicate
> {
  readonly kind: "interrupt"
}

/**
 * The service does what it was asked to, and its reply is lost: the caller sees the error of this name, or without one
 * nothing, ever. A failure is a reply and is lost too; a defect and an interruption are none.
 */
export interface LostReplyFault<
  Name extends string = string,
  Method extends string = string,
  Predicate extends string = string
> extends Aim<Method, Predicate> {
  readonly kind: "lostReply"
  readonly error?: Name
}

/** What can go wrong with a call; `kind` tells which. */
export type Fault = ErrorFault | DefectFault | LatencyFault | OutcomeFault | HangFault | InterruptFault | LostReplyFault

/** A part of a plan: the faults in force for so long. */
export interface Phase<out F extends Fault = Fault> {
  /** How long it lasts. From 1 ms; without it to the end, which only the last phase can. */
  readonly duration?: Duration.DurationInput
  /** In the order in which they are asked. Empty: all is normal. */
  readonly faults: ReadonlyArray<F>
}

/** Phases in sequence; after the last one all is normal. */
export interface FaultPlan<out F extends Fault = Fault> {
  readonly phases: ReadonlyArray<Phase<F>>
}

/** A call that a plan is asked about. */
export interface Call {
  /** The name of the method; of a symbol what it prints as. */
  readonly method: string
  readonly args: ReadonlyArray<unknown>
  /** Since the start of the plan, in milliseconds. */
  readonly now: number
}
