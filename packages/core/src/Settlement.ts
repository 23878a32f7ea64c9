/**
 * How a call that a circuit has admitted is settled with it: once, whatever it has ended with.
 */
import { Effect, type Exit, Option } from "effect"
import type { Circuit, Permit } from "./Circuit.js"
import type { Judge } from "./Classifier.js"
import { DeadlineExceeded, inForce } from "./Deadline.js"
import { type AnyFiber, nowMillis } from "./FiberTime.js"
import * as Outcome from "./Outcome.js"

/** Whether the budget that the call was made in has ended, and took it along. A budget inside the call is the call's own. */
const byCallersDeadline = (fiber: AnyFiber, now: number, exit: Exit.Exit<unknown, unknown>): boolean => {
  const outer = inForce(fiber)
  return (
    outer !== undefined &&
    now >= outer.dueMillis &&
    Option.exists(Outcome.typedError(exit), (error) => error instanceof DeadlineExceeded && error.where === "in-flight")
  )
}

/**
 * Settles what an admitted call ended with, and gives it to its caller. `lastedMillis`: how long its last attempt lasted;
 * by default all of it.
 */
export const settleExit = <A, E>(
  fiber: AnyFiber,
  circuit: Circuit,
  permit: Permit,
  judge: Judge<A, E>,
  exit: Exit.Exit<A, E>,
  lastedMillis?: number
): Effect.Effect<A, E> => {
  const now = nowMillis(fiber)
  const verdict =
    exit._tag === "Failure" && (Outcome.wasCutShort(exit) || byCallersDeadline(fiber, now, exit))
      ? { outcome: circuit.cutShort(now, permit, lastedMillis), exit }
      : judge(fiber, exit)
  const more = circuit.settle(fiber, now, permit, verdict.outcome, lastedMillis)
  return more === undefined ? verdict.exit : Effect.zipRight(more, verdict.exit)
}
