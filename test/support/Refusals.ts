/** One of each error that policies answer with, with numbers and names that nobody outside is to see. */
import { Bulkhead, CircuitBreaker, Deadline, Outcome, Timeout } from "@effect-resilience/core"
import { Data, Duration, Option } from "effect"

const after = (seconds: number) => Option.some(Duration.seconds(seconds))

export const open = new CircuitBreaker.CircuitOpen({
  policy: "payment-eu",
  state: "Open",
  retryAfter: after(29.2),
  reason: { _tag: "Consecutive", failures: 17, threshold: 17 }
})
export const isolated = new CircuitBreaker.CircuitOpen({
  policy: "payment-eu",
  state: "Isolated",
  retryAfter: Option.none(),
  reason: { _tag: "Isolated" }
})
export const full = new Bulkhead.BulkheadFull({
  policy: "payment-eu",
  limit: 17,
  queued: 17,
  reason: "full",
  retryAfter: Option.none()
})
export const timedOut = new Timeout.TimedOut({
  policy: "payment-eu",
  limit: Duration.millis(17),
  retryAfter: Option.none()
})
export const exceeded = new Deadline.DeadlineExceeded({
  policy: "payment-eu",
  budget: Duration.millis(17),
  elapsed: Duration.millis(17),
  where: "in-flight",
  retryAfter: Option.none()
})

/** As an error of a policy that is not there yet will be. */
export class RateLimited extends Data.TaggedError("RateLimited")<{
  readonly policy: string
  readonly retryAfter: Option.Option<Duration.Duration>
}> {
  get [Outcome.OutcomeTypeId](): Outcome.Outcome {
    return Outcome.ignored()
  }
}
export const limited = new RateLimited({ policy: "payment-eu", retryAfter: after(2) })
