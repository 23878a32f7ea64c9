/**
 * What a call ended with, in one word that is fit for a label: there are few of them, and none holds anything of a request.
 */
import { Exit, Option } from "effect"
import * as Outcome from "../Outcome.js"

/** Tells what a call ended with, where there is more to say than the words that policies have for it. */
export type Status = (exit: Exit.Exit<unknown, unknown>) => string | undefined

const ofRejection: Readonly<Record<string, string>> = { CircuitOpen: "open" }

const ofError = (error: unknown): string => {
  const tag = Outcome.errorTag(error)
  if (tag === "TimedOut" || tag === "TimeoutException") return "timeout"
  if (tag === "DeadlineExceeded") return isInFlight(error) ? "timeout" : "rejected"
  return Outcome.isRejection(error) ? (ofRejection[tag] ?? "rejected") : "error"
}

const isInFlight = (error: unknown): boolean =>
  typeof error === "object" && error !== null && "where" in error && error.where === "in-flight"

const ownWord = (exit: Exit.Exit<unknown, unknown>, own: Status): string | undefined => {
  try {
    return own(exit)?.slice(0, 100)
  } catch {
    return undefined
  }
}

/** The status of an exit. A function that throws, or has nothing to say, leaves it to the words of policies. */
export const statusOf = (exit: Exit.Exit<unknown, unknown>, own?: Status): string => {
  const word = own && ownWord(exit, own)
  if (word !== undefined) return word
  if (Exit.isSuccess(exit)) return "ok"
  if (Outcome.wasCutShort(exit)) return "cancelled"
  const error = Outcome.typedError(exit)
  return Option.isSome(error) ? ofError(error.value) : "error"
}
