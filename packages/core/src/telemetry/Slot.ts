/**
 * A place for an event that may never be taken.
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

export class Slot {
  private event: Event | undefined = undefined
  private call: Types.Mutable<CallSettled> | undefined = undefined

  /** Keeps an event in place of the one that is there. */
  put(event: Event): void {
    if (event._tag !== "CallSettled") this.event = event
    else {
      this.event = undefined
      if (this.call === undefined) this.call = copied(event)
      else copyInto(this.call, event)
    }
  }

  /** Takes the event that is there. */
  take(): Event | undefined {
    const { call, event } = this
    this.event = undefined
    return event ?? (call && copied(call))
  }
}
