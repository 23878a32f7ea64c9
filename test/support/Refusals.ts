/** One of each error that policies answer with, with numbers and names that nobody outside is to see. */
import {
  AdaptiveThrottle,
  Bulkhead,
  CircuitBreaker,
  Deadline,
  LoadShedder,
  RateLimiter,
  Timeout
} from "@effect-resilience/core"
import { Duration, Option } from "effect"

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

export const limited = new RateLimiter.RateLimited({
  policy: "payment-eu",
  key: "k-17",
  limit: 17,
  remaining: 0,
  retryAfter: after(2)
})
export const throttled = new AdaptiveThrottle.Throttled({ policy: "payment-eu", retryAfter: after(12) })
export const shed = new LoadShedder.Shed({
  policy: "payment-eu",
  class: "SHEDDABLE",
  reason: "Full",
  retryAfter: after(2.5)
})
