/** One of every kind of policy, none of which has a reason to refuse anything, and compositions of them. */
import {
  AdaptiveLimiter,
  AdaptiveThrottle,
  Backoff,
  Bulkhead,
  CircuitBreaker,
  Deadline,
  LoadShedder,
  Hedge,
  Policy,
  RateLimiter,
  Retry,
  RetryBudget,
  Timeout
} from "@effect-resilience/core"
import { Effect, type Scope } from "effect"

const breaker = CircuitBreaker.make("p", { tripPolicy: CircuitBreaker.consecutive(100) })
const bulkhead = Bulkhead.make("p", { maxConcurrent: 100 })
const line = Bulkhead.make("p", { maxConcurrent: 100, maxQueue: 100, maxWait: "1 hour" })
const retry = Retry.make("p", { backoff: Backoff.constant("10 millis") })
const timeout = Timeout.make("p", { duration: "1 hour" })
const limiter = RateLimiter.make("p", { limit: 1_000_000, window: "1 millis" })
const standard = Policy.standard("p", { deadline: "1 hour", timeout: "1 hour" })
const bare = { deadline: "none", timeout: "none", retry: "none", circuitBreaker: "none", bulkhead: "none" } as const

type Making = Effect.Effect<Policy.Policy<unknown>, never, Scope.Scope>

/** How to make each, by name. */
export const everyPolicy: Readonly<Record<string, Making>> = {
  "a breaker by count": breaker,
  "a breaker by rate": CircuitBreaker.make("p", {
    tripPolicy: CircuitBreaker.rate({ threshold: 1, window: CircuitBreaker.time("1 minute") })
  }),
  "a bulkhead": bulkhead,
  "a bulkhead with a line": line,
  "a retry": retry,
  "a retry that never repeats": Retry.make("p", { maxRetries: 0 }),
  "a retry with a budget": Effect.flatMap(RetryBudget.make("p"), (budget) => Retry.make("p", { budget })),
  "a retry with an empty budget": Effect.flatMap(RetryBudget.make("p", { ratio: 0, minPerSecond: 0 }), (budget) =>
    Retry.make("p", { budget })
  ),
  "a rate limiter": Effect.map(limiter, (of) => RateLimiter.forKey(of, { key: "k" })),
  "a rate limiter with a line": Effect.map(limiter, (of) => RateLimiter.forKey(of, { onExceeded: "wait" })),
  "a throttle": AdaptiveThrottle.make("p", { k: 100 }),
  "an adaptive limiter": AdaptiveLimiter.make("p", { initial: 100 }),
  "an adaptive limiter with a line": AdaptiveLimiter.make("p", { initial: 100, maxQueue: 100, maxWait: "1 hour" }),
  "a load shedder": LoadShedder.make("p", { capacity: 100 }),
  "a load shedder that learns": LoadShedder.make("p", { capacity: { initial: 100 } }),
  "a hedge": Hedge.make("p", { delay: "1 hour", idempotent: true }),
  "a hedge that learns": Hedge.make("p", {
    delay: { quantile: 0.9, initial: "1 hour", min: "1 hour" },
    maxHedges: 3,
    idempotent: true
  }),
  "an adaptive timeout": Timeout.adaptive("p", { min: "1 hour", max: "1 hour" }),
  "a timeout": timeout,
  "a timeout that disconnects": Timeout.make("p", { duration: "1 hour", mode: "disconnect" }),
  "a deadline": Deadline.make("p", "1 hour"),
  "a standard policy": standard,
  "a standard policy with load control": Policy.standard("p", {
    deadline: "1 hour",
    timeout: "1 hour",
    throttle: { k: 100 },
    rateLimit: { limit: 1_000_000, window: "1 millis", onExceeded: "wait" },
    concurrency: { initial: 100 }
  }),
  "a standard policy with a hedge": Policy.standard("p", {
    deadline: "1 hour",
    timeout: "1 hour",
    hedge: { delay: "30 minutes", idempotent: true }
  }),
  "a standard policy without anything": Policy.standard("p", bare),
  "a standard policy for calls that differ": Effect.map(standard, (policy) =>
    policy.with({ timeout: "30 minutes", repeatable: false })
  ),
  "a composition of all": Effect.map(Effect.all([breaker, line, retry, timeout]), (parts) => Policy.all(...parts)),
  "a composition of none": Effect.succeed(Policy.all())
}
