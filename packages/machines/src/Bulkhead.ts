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

/** A call arrives. */
export const acquire = (state: State): readonly [Decision, State] => {
  if (state.active < state.limit && state.queued === 0) return ["Admitted", { ...state, active: state.active + 1 }]
  if (state.queued < state.maxQueue) return ["Queued", { ...state, queued: state.queued + 1 }]
  return ["Rejected", state]
}

/** A running call has ended. */
export const release = (state: State): readonly [Release, State] =>
  state.queued > 0 && state.active <= state.limit
    ? ["HandedOver", { ...state, queued: state.queued - 1 }]
    : ["Freed", { ...state, active: state.active - 1 }]

/** One that waited has gone without a permit. */
export const leave = (state: State): State => ({ ...state, queued: state.queued - 1 })
