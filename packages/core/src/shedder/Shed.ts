/**
 * The refusal of a load shedder.
 */
import type { LoadShedder as Machine } from "@effect-resilience/machines"
import { Data, Duration, Option, type Types } from "effect"
import type { Criticality } from "../Criticality.js"
import * as Outcome from "../Outcome.js"

/**
 * Why a request was refused: `Full`, all that may run do and the line is full; `Displaced`, a higher class took its place
 * in line; `Waited`, it waited too long; `Deadline`, its deadline leaves no time; `EventLoop`, the event loop is late.
 */
export type Reason = Machine.Reason

/** The server is short of capacity, and this request was not among those that matter most: come back after `retryAfter`. */
export class Shed extends Data.TaggedError("Shed")<{
  readonly policy: string
  readonly class: Criticality
  readonly reason: Reason
  /** Longer, the longer the overload has lasted, and by chance a little more, so that not all come back at once. */
  readonly retryAfter: Option.Option<Duration.Duration>
}> {
  get [Outcome.RejectionTypeId](): true {
    return true
  }
  get [Outcome.OutcomeTypeId](): Outcome.Outcome {
    return Outcome.ignored()
  }
  override get message(): string {
    const wait = Option.match(this.retryAfter, { onNone: () => "later", onSome: (d) => `after ${Duration.format(d)}` })
    return `"${this.policy}" is overloaded and refused a ${this.class} request (${this.reason}): come back ${wait}`
  }
}

/** Makes the error without running `Error`'s constructor, as that of a circuit is made, and for the same reason. */
export const shed = (policy: string, refusal: Machine.Refusal, retryAfterMillis: number): Shed => {
  const error: Types.Mutable<Shed> = Object.create(Shed.prototype)
  error._tag = "Shed"
  error.policy = policy
  error.class = refusal.class
  error.reason = refusal.reason
  error.retryAfter = Option.some(Duration.millis(retryAfterMillis))
  return error
}
