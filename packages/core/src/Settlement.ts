/**
 * How a call that a circuit has admitted is settled with it: once, whatever it has ended with.
 */
import { Effect, type Exit, Option } from "effect"
import type { Circuit, Permit } from "./Circuit.js"
import type { Judge } from "./Classifier.js"
import { DeadlineExceeded, inForce } from "./Deadline.js"
import { type AnyFiber, nowMillis } from "./FiberTime.js"
import * as Outcome from "./Outcome.js"
import type { Counted } from "./telemetry/Events.js"

/** Whether the budget that the call was made in has ended, and took it along. A budget inside the call is the call's own. */
const byCallersDeadline = (fiber: AnyFiber, now: number, exit: Exit.Exit<unknown, unknown>): boolean => {
  const outer = inForce(fiber)
  return (
    outer !== undefined &&
    now >= outer.dueMillis &&
    Option.exists(Outcome.typedError(exit), (error) => error instanceof DeadlineExceeded && error.where === "in-flight")
  )
}

/** Is told how a call has ended, and how that counted. */
export interface Teller {
  readonly settled: (now: number, exit: Exit.Exit<unknown, unknown>, counted: Counted | undefined) => void
}

const countedAs = (circuit: Circuit, { _tag }: Outcome.Outcome, lastedMillis: number): Counted => {
  if (_tag === "Failure") return "failure"
  if (_tag === "Ignored") return "ignored"
  return circuit.isSlow(lastedMillis) ? "slow" : "success"
}

/**
 * Settles what an admitted call ended with, and gives it to its caller. `lastedMillis`: how long its last attempt lasted;
 * by default all of it. `teller`: where anybody hears of every call.
 */
export const settleExit = <A, E>(
  fiber: AnyFiber,
  circuit: Circuit,
  permit: Permit,
  judge: Judge<A, E>,
  exit: Exit.Exit<A, E>,
  lastedMillis?: number,
  teller?: Teller
): Effect.Effect<A, E> => {
  const now = nowMillis(fiber)
  const verdict =
    exit._tag === "Failure" && (Outcome.wasCutShort(exit) || byCallersDeadline(fiber, now, exit))
      ? { outcome: circuit.cutShort(now, permit, lastedMillis), exit }
      : judge(fiber, exit)
  const more = circuit.settle(fiber, now, permit, verdict.outcome, lastedMillis)
  teller?.settled(now, verdict.exit, countedAs(circuit, verdict.outcome, lastedMillis ?? now - permit.startedMillis))
  return more === undefined ? verdict.exit : Effect.zipRight(more, verdict.exit)
}
