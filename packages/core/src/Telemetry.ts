/**
 * What the policies report: one stream of typed events, plain data, past tense. With nobody listening a call pays one
 * check.
 *
 * `at` is monotonic milliseconds, as in all of the policies' arithmetic. Events carry an error's tag, never the error: it
 * may hold a request with credentials.
 */
import type { CircuitBreaker as Machine } from "@effect-resilience/machines"
import { Context, Effect, Layer } from "effect"
import { type AnyFiber, isProvided, nowMillis } from "./FiberTime.js"
import type { Cause } from "./Transitions.js"

interface Common {
  /** The name of the policy. */
  readonly policy: string
  readonly at: number
}

/** A call failed and is made again after `delay` milliseconds; `attempt` is the one that failed, from 1. */
export interface RetryScheduled extends Common {
  readonly _tag: "RetryScheduled"
  readonly attempt: number
  readonly delay: number
  readonly error: string
}

/** What was worth repeating is not repeated any more, and why. */
export interface RetriesExhausted extends Common {
  readonly _tag: "RetriesExhausted"
  readonly attempts: number
  readonly reason: "attempts" | "deadline" | "circuit" | "budget" | "retryAfter"
  readonly error: string
}

/** An attempt reached its own limit of `limit` milliseconds. */
export interface CallTimedOut extends Common {
  readonly _tag: "CallTimedOut"
  readonly limit: number
}

/** A budget of `budget` milliseconds ended. */
export interface DeadlineMissed extends Common {
  readonly _tag: "DeadlineMissed"
  readonly where: "before-start" | "in-flight" | "waiting"
  readonly budget: number
}

interface Change extends Common {
  readonly from: Machine.StateName
  readonly to: Machine.StateName
  readonly cause: Cause
  /** How many openings in a row there were. */
  readonly openings: number
  /** How long it is open, in milliseconds; 0 unless `to` is `Open`. */
  readonly openFor: number
}

/** A circuit went from one state to another, as its callers meet it: one that only observes is closed to them. */
export interface CircuitChanged extends Change {
  readonly _tag: "CircuitChanged"
}

/** A circuit that only observes would have gone from one state to another; its callers notice nothing. */
export interface ChangeObserved extends Change {
  readonly _tag: "ChangeObserved"
}

/** A call was refused without asking the dependency; `retryAfter` in milliseconds, where known. */
export interface CallRejected extends Common {
  readonly _tag: "CallRejected"
  readonly by: "circuit" | "bulkhead" | "deadline"
  readonly retryAfter: number | undefined
}

/** A circuit that only observes would have refused a call, which went through; `retryAfter` in milliseconds. */
export interface RejectionObserved extends Common {
  readonly _tag: "RejectionObserved"
  readonly by: "circuit"
  readonly retryAfter: number
}

/** The caller got a degraded answer. */
export interface FallbackServed extends Common {
  readonly _tag: "FallbackServed"
  readonly tier: string
  readonly kind: string
  /** How old the answer is, in milliseconds, where known. */
  readonly age: number | undefined
}

/** A tier of a fallback failed. */
export interface FallbackFailed extends Common {
  readonly _tag: "FallbackFailed"
  readonly tier: string
  readonly error: string
}

/** The default classifier met an error that it knows nothing about; said once per tag and policy. */
export interface UnclassifiedError extends Common {
  readonly _tag: "UnclassifiedError"
  readonly error: string
}

/** A caller sent a deadline in `header` that cannot be read; the request goes on without it. */
export interface DeadlineHeaderIgnored extends Common {
  readonly _tag: "DeadlineHeaderIgnored"
  readonly header: string
}

/**
 * A fault was injected on purpose into a call of `method`; `policy` is the name of the service. Marked, so that nobody takes
 * an experiment for an outage.
 */
export interface FaultInjected extends Common {
  readonly _tag: "FaultInjected"
  readonly method: string
  readonly fault: "fault" | "defect" | "latency" | "outcome" | "hang" | "interrupt" | "lostReply"
  /** How long the call is delayed, in milliseconds; undefined for what is no latency. */
  readonly delay: number | undefined
  readonly chaos: true
}

/** All that policies report; `_tag` tells which. */
export type Event =
  | RetryScheduled
  | RetriesExhausted
  | CallTimedOut
  | DeadlineMissed
  | CircuitChanged
  | ChangeObserved
  | CallRejected
  | RejectionObserved
  | FallbackServed
  | FallbackFailed
  | UnclassifiedError
  | DeadlineHeaderIgnored
  | FaultInjected

/** Where events go. `publish` runs inside the call that it tells of: it must be quick and must not throw. */
export interface Sink {
  readonly publish: (event: Event) => void
}

const silent: Sink = { publish: () => {} }

/** The sink of the running program; by default nobody listens. */
export class Telemetry extends Context.Reference<Telemetry>()("@effect-resilience/core/Telemetry", {
  defaultValue: (): Sink => silent
}) {}

/**
 * A Layer that hands every event to `publish`.
 *
 * @example
 * ```ts
 * import { Telemetry } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.succeed("anything protected by a policy")
 * Effect.runPromise(Effect.provide(program, Telemetry.layer((event) => console.log(event._tag, event.policy))))
 * ```
 */
export const layer = (publish: Sink["publish"]): Layer.Layer<never> =>
  Layer.succeedContext(Context.make(Telemetry, { publish }))

/** Reports an event, if anybody listens. A sink that throws loses the event, never the call. */
export const publish = (fiber: AnyFiber, event: () => Event): void => {
  if (!isProvided(fiber, Telemetry)) return
  const sink = Context.get(fiber.currentContext, Telemetry)
  try {
    sink.publish(event())
  } catch {
    return
  }
}

/** Reports what happens now, if anybody listens. For what is not in the middle of a decision. */
export const report = (event: (at: number) => Event): Effect.Effect<void> =>
  Effect.withFiberRuntime((fiber) => {
    publish(fiber, () => event(nowMillis(fiber)))
    return Effect.void
  })
