/**
 * The error of an attempt that reached its limit, whoever has set that.
 */
import { Data, Duration, Option } from "effect"
import { type AnyFiber, nowMillis } from "./FiberTime.js"
import * as Outcome from "./Outcome.js"
import * as Telemetry from "./Telemetry.js"
import { LimitTypeId } from "./Timer.js"

/** An attempt reached its limit. What it asked for may still have happened: repeat it only if that is safe. */
export class TimedOut extends Data.TaggedError("TimedOut")<{
  readonly policy: string
  /** The limit that was reached. */
  readonly limit: Duration.Duration
  readonly retryAfter: Option.Option<Duration.Duration>
}> {
  get [LimitTypeId](): true {
    return true
  }
  get [Outcome.OutcomeTypeId](): Outcome.Outcome {
    return Outcome.failure({ transient: true })
  }
  override get message(): string {
    return `"${this.policy}" did not answer within ${Duration.format(this.limit)}; whether it acted is unknown`
  }
}

/** What `mode` decides: wait for the interrupted work to end (the default), or answer at the limit without it. */
export type Mode = "wait" | "disconnect"

/** Makes the error of a limit that was reached, and reports it. */
export const timedOut = (fiber: AnyFiber, of: Telemetry.Subject, millis: number, operation?: string): TimedOut => {
  const { keyed, policy } = of
  Telemetry.publish(fiber, () => ({
    _tag: "CallTimedOut",
    policy,
    keyed,
    operation,
    at: nowMillis(fiber),
    limit: millis
  }))
  return new TimedOut({ policy, limit: Duration.millis(millis), retryAfter: Option.none() })
}
