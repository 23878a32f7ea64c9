/**
 * The refusal of a circuit breaker.
 */
import type { CircuitBreaker as Machine } from "@effect-resilience/machines"
import { Data, Duration, Option } from "effect"
import * as Outcome from "./Outcome.js"

/** Why a call was refused: what opened the circuit, or that all probes are under way, with the numbers. */
export type Reason = Machine.Reason

type Refused = "Open" | "HalfOpen" | "Isolated"

/** The circuit is open: the dependency was not asked. Answer with a fallback, or come back after `retryAfter`. */
export class CircuitOpen extends Data.TaggedError("CircuitOpen")<{
  readonly policy: string
  readonly state: Refused
  /** Until the next probe may be let through, or the time left of the probe under way; none when isolated by hand. */
  readonly retryAfter: Option.Option<Duration.Duration>
  /** The rule that opened the circuit, and its numbers. */
  readonly reason: Reason
}> {
  get [Outcome.RejectionTypeId](): true {
    return true
  }
  get [Outcome.OutcomeTypeId](): Outcome.Outcome {
    return Outcome.ignored()
  }
  override get message(): string {
    const wait = Option.match(this.retryAfter, { onNone: () => "", onSome: (d) => ` for ${Duration.format(d)}` })
    return `The circuit of "${this.policy}" is open${wait} (${printReason(this.reason)}): use a fallback or come back later`
  }
}

/** What each error has of its own. */
class Fields {
  readonly _tag = "CircuitOpen"
  constructor(
    readonly policy: string,
    readonly state: Refused,
    readonly retryAfter: Option.Option<Duration.Duration>,
    readonly reason: Reason
  ) {}
}

const prototype = Object.setPrototypeOf(Fields.prototype, CircuitOpen.prototype)

/**
 * Makes the error without running `Error`'s constructor: the stack would name the policy's own code, and costs more than
 * all else that a refusal does. What a constructor makes, if another, takes half as long as what `Object.create` does.
 */
export const Refusal: new (
  policy: string,
  state: Refused,
  retryAfter: Option.Option<Duration.Duration>,
  reason: Reason
) => CircuitOpen = prototype.constructor

// What is printed of an error names the constructor that it has, which is to be that of `CircuitOpen`.
Reflect.deleteProperty(prototype, "constructor")

/** What the last refusal told, whichever circuit's it was. */
let last = { millis: 0, retryAfter: Option.some(Duration.zero) }

/**
 * So many milliseconds as a refusal tells them, if they are known: one duration for all who are refused in a millisecond,
 * as a new one takes a tenth of what a refusal does.
 */
export const retryAfterIn = (millis: number | undefined): Option.Option<Duration.Duration> => {
  if (millis === undefined) return Option.none()
  if (last.millis !== millis) last = { millis, retryAfter: Option.some(Duration.millis(millis)) }
  return last.retryAfter
}

const printReason = (reason: Reason): string => {
  switch (reason._tag) {
    case "Consecutive":
      return `${reason.failures} failures in a row, threshold ${reason.threshold}`
    case "Rate":
      return `${reason.failures} of ${reason.calls} calls failed, threshold ${reason.threshold}`
    case "Slow":
      return `${reason.slow} of ${reason.calls} calls took ${reason.slowerThanMillis} ms or longer, threshold ${reason.threshold}`
    case "Probing":
      return `half-open, ${reason.probes} probe(s) under way`
    case "ProbeFailed":
      return "the last probe failed"
    case "ProbeSlow":
      return `the last probe took ${reason.lastedMillis} ms, and ${reason.slowerThanMillis} ms is slow`
    case "ProbeTimedOut":
      return `the last probe did not answer within ${reason.probeTimeoutMillis} ms`
    case "ProbeDeferred":
      return `the dependency asked for ${reason.retryAfterMillis} ms of peace`
    case "Isolated":
      return "isolated by hand"
    case "Disabled":
    case "Reset":
    case "Due":
    case "ProbesSucceeded":
      return "changing state"
  }
}
