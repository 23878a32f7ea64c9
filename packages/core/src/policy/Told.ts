/**
 * What is told of every call through a standard policy, where a sink asks for that. Nothing here runs otherwise.
 */
import { Effect, Exit } from "effect"
import { type AnyFiber, nowMillis } from "../FiberTime.js"
import type { CallSettled } from "../telemetry/Events.js"
import { type Status, statusOf } from "../telemetry/Status.js"
import * as Telemetry from "../Telemetry.js"

/** Whose calls they are. */
export interface Told extends Telemetry.Subject {
  /** What the calls are for. */
  readonly operation: string | undefined
  /** What a call ended with. */
  readonly status: Status | undefined
}

type Numbers = Pick<CallSettled, "at" | "counted" | "duration" | "attempts" | "lastAttempt">

/** A call has ended; `last`: what its last attempt has ended with, where that is something else. */
export const callEnded = (
  hub: Telemetry.Hub,
  fiber: AnyFiber,
  { keyed, operation, policy, status }: Told,
  exit: Exit.Exit<unknown, unknown>,
  { at, attempts, counted, duration, lastAttempt }: Numbers,
  last?: Exit.Exit<unknown, unknown>
): void =>
  hub.tellOfCall(
    {
      _tag: "CallSettled",
      policy,
      keyed,
      operation,
      at,
      status: statusOf(exit, status),
      counted,
      duration,
      attempts,
      lastAttempt,
      lastStatus: last && statusOf(last, status)
    },
    fiber
  )

/** An attempt has ended, after which another is made. */
export const attemptEnded = (
  hub: Telemetry.Hub,
  fiber: AnyFiber,
  { keyed, operation, policy, status: own }: Told,
  exit: Exit.Exit<unknown, unknown>,
  attempt: number,
  duration: number
): void => {
  const at = nowMillis(fiber)
  const status = statusOf(exit, own)
  hub.tellOfCall({ _tag: "AttemptSettled", policy, keyed, operation, at, attempt, status, duration }, fiber)
}

/** What a call waits for that has not begun: if that is a refusal, the call has ended with it. */
export const turnedAway = <A, E>(
  fiber: AnyFiber,
  of: Told,
  since: number | undefined,
  wait: Effect.Effect<A, E>
): Effect.Effect<A, E> => {
  const hub = Telemetry.hubOfCalls(fiber)
  // By itself, for a refusal that nobody hears of is to cost nothing here.
  return hub === undefined ? wait : heard(hub, fiber, of, since, wait)
}

const heard = <A, E>(
  hub: Telemetry.Hub,
  fiber: AnyFiber,
  of: Told,
  since: number | undefined,
  wait: Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  Effect.tapErrorCause(wait, (cause) =>
    Effect.sync(() => {
      const at = nowMillis(fiber)
      const duration = since === undefined ? 0 : at - since
      const numbers = { at, duration, counted: undefined, attempts: 0, lastAttempt: 0 }
      callEnded(hub, fiber, of, Exit.failCause(cause), numbers)
    })
  )
