/**
 * An attempt that is made in copies, each of which passes the gate and has a limit of its own; what the call is told of
 * them. The one that ended the attempt is what counts as its last attempt, with as long as that copy has lasted.
 */
import { Deadline as Machine } from "@effect-resilience/machines"
import { Effect } from "effect"
import type { Permit } from "../Circuit.js"
import { inForce, missed } from "../Deadline.js"
import { type AnyFiber, nowMillis } from "../FiberTime.js"
import type { Hedger } from "../Hedge.js"
import type { Copy } from "../hedge/Race.js"
import * as Outcome from "../Outcome.js"
import { region } from "../Region.js"
import type * as Telemetry from "../Telemetry.js"
import { limited } from "../Timer.js"
import { attemptEnded } from "./Told.js"
import { atLimit, type StandardError, type Way } from "./Way.js"

/** What a call keeps account of. */
export interface Caller {
  readonly way: Way
  readonly permit: Permit | undefined
  readonly hub: Telemetry.Hub | undefined
  /** When the attempt began that is under way. */
  startedMillis: number
  /** How long the last attempt took, 0 as long as none has asked the dependency. */
  lastedMillis: number | undefined
  attempts: number
  /** Whether the last attempt had copies that were paid from the budget which hears of the call. */
  hasPaidCopies: boolean
}

/** Runs the work under its own limit or what is left of the budget of time, whichever ends first. */
const attempt = <A, E, R>(
  way: Way,
  fiber: AnyFiber,
  work: Effect.Effect<A, E, R>,
  asks: (now: number) => void
): Effect.Effect<A, E | StandardError, R> => {
  const now = nowMillis(fiber)
  const { timeoutMillis } = way.settings
  const deadline = inForce(fiber)
  const remaining = Machine.remainingMillis(deadline, now)
  if (deadline !== undefined && remaining === 0) return Effect.fail(missed(fiber, deadline, "before-start", way.of))
  asks(now)
  const { by, millis } = Machine.attemptLimit(timeoutMillis, remaining)
  return limited(work, millis, () => atLimit(way, fiber, deadline, by, millis))
}

/** Makes the attempts of a call in copies. */
export const hedged = <A, E, R>(
  hedger: Hedger,
  caller: Caller,
  work: Effect.Effect<A, E, R>
): Effect.Effect<A, E | StandardError, R> => {
  const { way } = caller
  const { circuit, classifier, gate, throttle } = way
  const hindrance = (now: number) => {
    if (circuit !== undefined && caller.permit !== undefined && !circuit.mayRepeat(caller.permit)) return "circuit"
    return throttle?.isRefusing(now) === true ? "throttle" : undefined
  }
  const isToldOfCalls = hedger.isPaidFrom(way.budget)
  return region<A, E | StandardError, R>((fiber, restore) => {
    let copies = 0
    caller.hasPaidCopies = false
    if (!isToldOfCalls) hedger.called(nowMillis(fiber))
    /** The number and the beginning of each attempt, of those copies that have asked the dependency. */
    const asked = new Map<number, { readonly attempt: number; readonly atMillis: number }>()
    const copy = ({ number }: Copy) => {
      copies++
      caller.hasPaidCopies = isToldOfCalls && copies > 1
      const asks = (now: number) => {
        if (asked.size === 0) {
          caller.startedMillis = now
          caller.lastedMillis = undefined
        }
        caller.attempts++
        asked.set(number, { attempt: caller.attempts, atMillis: now })
      }
      const one = Effect.withFiberRuntime<A, E | StandardError, R>((own) => attempt(way, own, work, asks))
      return gate === undefined ? one : gate(one)
    }
    return hedger.race<A, E | StandardError, R>(
      fiber,
      restore,
      { classifier, hindrance },
      {
        copy,
        ended: (of, exit, now, isLast) => {
          if (isLast && exit._tag === "Success" && !isToldOfCalls) hedger.succeeded(copies > 1)
          const own = asked.get(of.number)
          if (own === undefined) return
          // How long a dependency had that was cut short, is how long it had the first of them.
          if (isLast && !Outcome.wasCutShort(exit)) caller.lastedMillis = now - own.atMillis
          if (!isLast && caller.hub !== undefined) {
            attemptEnded(caller.hub, fiber, way.of, exit, own.attempt, now - own.atMillis)
          }
        }
      }
    )
  })
}
