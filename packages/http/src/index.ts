export * as HttpOutcome from "./HttpOutcome.js"
export * as RetryAfter from "./RetryAfter.js"
