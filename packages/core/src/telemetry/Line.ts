/**
 * What the log says of events: pure. Nothing that an error, a request or a response holds is in it, only tags and numbers.
 */
import type { Event } from "./Events.js"

/** Effect's log levels that are used. */
export type Level = "Debug" | "Info" | "Warning" | "Error"

/** One structured line. */
export interface Line {
  readonly level: Level
  readonly message: string
  readonly annotations: Readonly<Record<string, string | number | boolean>>
}

const changeLevel: Readonly<Record<string, Level>> = { Open: "Error", Isolated: "Error" }

const levelOf = (event: Event): Level => {
  switch (event._tag) {
    case "CircuitChanged":
      return changeLevel[event.to] ?? "Info"
    case "RetriesExhausted":
    case "UnclassifiedError":
      return "Warning"
    case "ChangeObserved":
    case "BulkheadResized":
      return "Info"
    default:
      return "Debug"
  }
}

/** The names of fields that are said by another, or not at all. */
const names: Readonly<Record<string, string>> = {
  _tag: "event",
  operation: "endpoint",
  error: "lastError",
  attempts: "attempt",
  by: "reason",
  where: "reason"
}
const unsaid: ReadonlyArray<string> = ["cause", "at"]

const plain = (fields: object): ReadonlyArray<readonly [string, string | number | boolean]> =>
  Object.entries(fields).flatMap(([field, value]: readonly [string, unknown]) =>
    typeof value === "string" || typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value))
      ? [[field, value] as const]
      : []
  )

const said = (event: Event): Line["annotations"] => {
  const fields = plain(event)
    .filter(([field]) => !unsaid.includes(field))
    .map(([field, value]) => [names[field] ?? field, value] as const)
  // A transition's cause has the numbers that made it.
  const cause =
    "cause" in event ? plain(event.cause).map(([field, value]) => [field === "_tag" ? "reason" : field, value]) : []
  return Object.fromEntries([...cause, ...fields])
}

/** The line of one event. */
export const lineOf = (event: Event): Line => ({
  level: levelOf(event),
  message: event._tag === "CircuitChanged" ? `circuit ${event.policy}: ${event.from} -> ${event.to}` : event._tag,
  annotations: said(event)
})

/** How often what would flood a log has happened to a policy. */
export interface Sum {
  readonly timeouts: number
  readonly rejections: number
  readonly fallbacks: number
}

/** What a sum has of an event, where it is of a kind that is summed. */
const summed = (event: Event): keyof Sum | undefined => {
  switch (event._tag) {
    case "CallTimedOut":
    case "DeadlineMissed":
      return "timeouts"
    case "CallRejected":
    case "RequestShed":
      return "rejections"
    case "FallbackServed":
    case "FallbackFailed":
      return "fallbacks"
    default:
      return undefined
  }
}

/** The sums by policy, after one more event; all keys of a Keyed count as one. Beyond 200 policies they count as `other`. */
export const sumUp = (sums: ReadonlyMap<string, Sum>, event: Event): ReadonlyMap<string, Sum> => {
  const part = summed(event)
  if (part === undefined) return sums
  const named = event.keyed ?? event.policy
  const policy = sums.has(named) || sums.size < 200 ? named : "other"
  const sum = sums.get(policy) ?? { timeouts: 0, rejections: 0, fallbacks: 0 }
  return new Map(sums).set(policy, { ...sum, [part]: sum[part] + 1 })
}

/** The line of what a policy's events sum up to. */
export const lineOfSum = (policy: string, sum: Sum, seconds: number): Line => ({
  level: sum.timeouts + sum.rejections > 0 ? "Warning" : "Info",
  message: `${policy} in ${seconds} s: ${sum.timeouts} timed out, ${sum.rejections} rejected, ${sum.fallbacks} degraded`,
  annotations: { policy, event: "Summary", ...sum }
})
