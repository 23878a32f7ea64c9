/**
 * The numbers of a bulkhead: how many calls run, how many wait, how many may. Who waits is the caller's business, a line
 * that is served first come, first served; this machine only says when its first is let through.
 *
 * A permit that comes free goes straight to the first in line: nobody who arrives in between can overtake.
 */
export interface State {
  /** How many may run at a time, >= 1. */
  readonly limit: number
  /** How many may wait, >= 0. */
  readonly maxQueue: number
  readonly active: number
  readonly queued: number
}

/** What becomes of a call that arrives. */
export type Decision = "Admitted" | "Queued" | "Rejected"

/** What becomes of a permit that comes free: it passes to the first in line, or nobody has it. */
export type Release = "HandedOver" | "Freed"

/** Nobody runs and nobody waits. `limit` >= 1 calls may run at a time, `maxQueue` >= 0 may wait. */
export const initial = (config: { readonly limit: number; readonly maxQueue: number }): State => ({
  limit: config.limit,
  maxQueue: config.maxQueue,
  active: 0,
  queued: 0
})

const numbers = ({ limit, maxQueue }: State, active: number, queued: number): State => ({
  limit,
  maxQueue,
  active,
  queued
})

/** Whether a call that arrives now would be rejected. */
export const isFull = ({ active, limit, maxQueue, queued }: State): boolean =>
  queued >= maxQueue && (active >= limit || queued > 0)

/** A call arrives. */
export const acquire = (state: State): readonly [Decision, State] => {
  if (isFull(state)) return ["Rejected", state]
  const { active, limit, queued } = state
  return active < limit && queued === 0
    ? ["Admitted", numbers(state, active + 1, 0)]
    : ["Queued", numbers(state, active, queued + 1)]
}

/** A running call has ended. */
export const release = (state: State): readonly [Release, State] => {
  const { active, limit, queued } = state
  return queued > 0 && active <= limit
    ? ["HandedOver", numbers(state, active, queued - 1)]
    : ["Freed", numbers(state, active - 1, queued)]
}

/** One that waited has gone without a permit. */
export const leave = (state: State): State => numbers(state, state.active, state.queued - 1)

/**
 * From now on `limit` (>= 1) calls may run at a time. Calls that run go on, more of them than that if it is less than it
 * was; if it is more, so many of those who wait are let through at once.
 */
export const resize = (state: State, limit: number): readonly [handedOver: number, State] => {
  const { active, maxQueue, queued } = state
  const handedOver = Math.min(queued, Math.max(0, limit - active))
  return [handedOver, { limit, maxQueue, active: active + handedOver, queued: queued - handedOver }]
}
