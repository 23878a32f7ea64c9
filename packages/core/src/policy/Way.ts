/**
 * What all calls through a standard policy share, and what a call is refused with before it begins.
 */
import { Deadline as Machine } from "@effect-resilience/machines"
import { type Effect, Exit } from "effect"
import type { Refusal as LimiterRefusal } from "../AdaptiveLimiter.js"
import type * as Bulkhead from "../Bulkhead.js"
import type { Circuit, CircuitOpen } from "../Circuit.js"
import type { Classifier } from "../Classifier.js"
import { type DeadlineExceeded, inForce, missed } from "../Deadline.js"
import type { RateLimited } from "../limiter/RateLimited.js"
import type { Gate as Throttle, Throttled } from "../AdaptiveThrottle.js"
import { type AnyFiber, nowMillis } from "../FiberTime.js"
import type { Account } from "../RetryBudget.js"
import type { Hedger } from "../Hedge.js"
import { type TimedOut, timedOut } from "../TimedOut.js"
import type { Settings } from "./Options.js"
import type { Told } from "./Told.js"

/** What a standard policy can refuse or fail with by itself. */
export type StandardError = CircuitOpen | Bulkhead.BulkheadFull | Throttled | RateLimited | TimedOut | DeadlineExceeded

/** What all calls through a policy share. */
export interface Way {
  readonly name: string
  readonly of: Told
  readonly settings: Settings
  readonly classifier: Classifier
  readonly circuit: Circuit | undefined
  readonly permits: Bulkhead.Permits | undefined
  /** What retries are paid from. */
  readonly budget: Account | undefined
  /** What each attempt goes through before its limit begins: throttle, rate limit, adaptive limit; undefined without any. */
  readonly gate: Gate | undefined
  /** What makes copies of an attempt. Where there is any, there is a gate. */
  readonly hedge: Hedger | undefined
  readonly throttle: Throttle | undefined
}

/** Runs an attempt, or refuses it. */
export type Gate = <A, E, R>(
  attempt: Effect.Effect<A, E, R>
) => Effect.Effect<A, E | Throttled | RateLimited | LimiterRefusal, R>

/** What a call is refused with that begins now: its caller's budget has ended, or the circuit is open. */
export const refused = (
  way: Way,
  fiber: AnyFiber,
  outer: Machine.Deadline | undefined,
  now: number
): Effect.Effect<never, StandardError> | undefined =>
  outer !== undefined && Machine.remainingMillis(outer, now) === 0
    ? Exit.fail(missed(fiber, outer, "before-start", way.of))
    : way.circuit?.refusing(fiber, now)

/** As `refused`, or that the bulkhead is full. Where nobody refuses this does without the time. */
export const refusedAtOnce = (way: Way, fiber: AnyFiber): Effect.Effect<never, StandardError> | undefined => {
  const isFull = way.permits !== undefined && way.permits.isFull
  if (!isFull && (way.circuit === undefined || way.circuit.isClosed)) return undefined
  const refusal = refused(way, fiber, inForce(fiber), nowMillis(fiber))
  return refusal === undefined && isFull ? way.permits?.refuse(fiber) : refusal
}

/** What an attempt fails with that has reached its limit: its own, or what was left of the budget. */
export const atLimit = (
  { of }: Way,
  fiber: AnyFiber,
  deadline: Machine.Deadline | undefined,
  by: "timeout" | "deadline",
  millis: number
): TimedOut | DeadlineExceeded =>
  deadline !== undefined && by === "deadline"
    ? missed(fiber, deadline, "in-flight", of)
    : timedOut(fiber, of, millis, of.operation)
