/**
 * Which policy an error came out of: for what is done about it further out, of which the error itself may say nothing.
 */
import { Exit, Option, Predicate } from "effect"
import type { AnyFiber } from "../FiberTime.js"
import * as Outcome from "../Outcome.js"
import type { Subject } from "./Events.js"
import { isHeard } from "./Hub.js"

/** The outermost policy that an error came out of. Errors are kept by nobody else, and so forgotten here as well. */
const owners = new WeakMap<object, Subject>()

let areAsked = false

/**
 * Says that somebody may ask from now on: at once, because what is asked about may be about to run. Until then nothing is
 * remembered, for which each call that fails would pay.
 */
export const mayBeAsked = (): void => {
  areAsked = true
}

const namedBy = (error: unknown): string | undefined =>
  Predicate.isObject(error) && "policy" in error && typeof error.policy === "string" ? error.policy : undefined

/** Says that an error is that of a policy, if anybody listens, and gives it back. One that names another stays that one's. */
export const ownedBy = <E>(fiber: AnyFiber, of: Subject, error: E): E => {
  if (areAsked && isHeard(fiber)) own(of, error)
  return error
}

const own = (of: Subject, error: unknown): void => {
  const named = namedBy(error)
  const says = named === undefined || (named === of.policy && of.keyed !== undefined)
  if (says && Predicate.isObject(error)) owners.set(error, of)
}

/** As `ownedBy`, of what a call has ended with. */
export const ended = (fiber: AnyFiber, of: Subject, exit: Exit.Exit<unknown, unknown>): void => {
  if (!areAsked || Exit.isSuccess(exit) || !isHeard(fiber)) return
  const error = Outcome.typedError(exit)
  if (Option.isSome(error)) own(of, error.value)
}

/**
 * The policy that an error came out of, for an event about what was done instead; `otherwise` where nobody knows: it came
 * out of none, or was made of another error since, or is no object, or came before anything was made that may ask.
 */
export const ownerOf = (error: unknown, otherwise: string): Subject => {
  const known = Predicate.isObject(error) ? owners.get(error) : undefined
  const named = namedBy(error)
  if (named !== undefined && named !== known?.policy) return { policy: named }
  return known === undefined ? { policy: otherwise } : { policy: known.policy, keyed: known.keyed }
}
