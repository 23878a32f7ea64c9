/**
 * Places for events that may never be taken.
 *
 * What is told of every call is copied into an object that stays. Kept by reference every event would be promoted to the old
 * generation, which costs a call more than all that is told of it. Mutable for that, and only here.
 */
import type { Types } from "effect"
import type { CallSettled, Event } from "./Events.js"

const copied = (call: CallSettled): Types.Mutable<CallSettled> => ({
  _tag: "CallSettled",
  policy: call.policy,
  keyed: call.keyed,
  operation: call.operation,
  at: call.at,
  status: call.status,
  counted: call.counted,
  duration: call.duration,
  attempts: call.attempts,
  lastAttempt: call.lastAttempt,
  lastStatus: call.lastStatus
})

const copyInto = (copy: Types.Mutable<CallSettled>, call: CallSettled): void => {
  copy.policy = call.policy
  copy.keyed = call.keyed
  copy.operation = call.operation
  copy.at = call.at
  copy.status = call.status
  copy.counted = call.counted
  copy.duration = call.duration
  copy.attempts = call.attempts
  copy.lastAttempt = call.lastAttempt
  copy.lastStatus = call.lastStatus
}

export class Slots {
  private readonly events: Array<Event | undefined>
  private readonly calls: Array<Types.Mutable<CallSettled> | undefined>

  constructor(count: number) {
    this.events = Array.from({ length: count })
    this.calls = Array.from({ length: count })
  }

  /** Keeps an event in place of the one that is there. */
  put(slot: number, event: Event): void {
    const { calls, events } = this
    if (event._tag !== "CallSettled") {
      events[slot] = event
      return
    }
    if (events[slot] !== undefined) events[slot] = undefined
    const call = calls[slot]
    if (call === undefined) calls[slot] = copied(event)
    else copyInto(call, event)
  }

  /** Takes the event that is there. */
  take(slot: number): Event | undefined {
    const { calls, events } = this
    const event = events[slot]
    const call = calls[slot]
    events[slot] = undefined
    return event ?? (call && copied(call))
  }
}
