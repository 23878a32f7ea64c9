import { CircuitBreaker, Policy } from "@effect-resilience/core"

const explanation = Policy.explain(
  "payment",
  {
    deadline: "5 seconds",
    timeout: "2 seconds",
    retry: { maxRetries: 3 },
    circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(5) },
    bulkhead: { maxConcurrent: 10 },
    pool: { name: "payment sockets", size: 5 }
  },
  { callsPerSecond: 10 }
)

console.log(Policy.format(explanation))
console.log(`as data: ${explanation.traps.map(({ rule }) => rule).join(", ")}`)

// payment, outermost first
//   deadline          5s in all
//   bulkhead          10 at a time, nobody waits
//   circuit breaker   opens after 5 failures in a row, for 30s
//   retry             3 retries of what is transient
//   retry budget      pays for retries of 0.2 of the calls, and 1 a second
//   timeout           2s an attempt
// in numbers
//   attempts          at most 4
//   worst case        5 s, by the deadline; without it 8.7 s
//   expected case     5 s, 3 attempts (all time out, waits are the mean)
//   retries that fit  1 of 3
//   time to open      5.5 s (at 10 calls a second that all time out)
// traps
//   warning: budget   4 attempts of 2s and their waits take up to 8s 700ms in a budget of 5s: 1 retry fits
//                     fix: set retry.maxRetries to 1, shorten the timeout, or give a deadline of 8s 700ms
//   warning: pool     the bulkhead lets 10 calls in, the pool "payment sockets" has 5: 5 callers wait inside for a connection, each holding a permit
//                     fix: set bulkhead.maxConcurrent to at most 5
// as data: budget, pool
