import type { Question } from "./harness/Question.js"

/** The questions by number; only the one that is asked is loaded. */
export const questions: ReadonlyMap<number, () => Promise<Question>> = new Map([
  [1, async () => (await import("./questions/01-five-policies.js")).question],
  [2, async () => (await import("./questions/02-five-policies-cockatiel.js")).question],
  [3, async () => (await import("./questions/03-five-policies-stock.js")).question],
  [4, async () => (await import("./questions/04-breaker-effect-4.js")).question],
  [5, async () => (await import("./questions/05-rejection.js")).question],
  [6, async () => (await import("./questions/06-timeout.js")).question],
  [7, async () => (await import("./questions/07-bulkhead.js")).question],
  [8, async () => (await import("./questions/08-windows.js")).question],
  [9, async () => (await import("./questions/09-keyed-heap.js")).question],
  [10, async () => (await import("./questions/10-telemetry.js")).question],
  [11, async () => (await import("./questions/11-five-policies-deadline.js")).question],
  [12, async () => (await import("./questions/12-http-client.js")).question],
  [13, async () => (await import("./questions/13-rate-limiter.js")).question],
  [14, async () => (await import("./questions/14-stuck-subscriber.js")).question],
  [15, async () => (await import("./questions/15-http-clients.js")).question]
])
