/**
 * How work that goes on after its caller was answered keeps the permits that were taken for it: whoever holds a permit
 * publishes a holder, and work that is abandoned takes hold of it until it has really ended.
 */
import { Context } from "effect"

/** Keeps something until every hold on it has been let go. */
export interface Holder {
  /** Takes hold; call what it gives once to let go. */
  readonly hold: () => () => void
}

/** The holders that stand around this point of the program, and whether somebody inside wants to be told of more. */
export class Occupancy extends Context.Reference<Occupancy>()("@effect-resilience/core/Occupancy", {
  defaultValue: (): { readonly holders: ReadonlyArray<Holder>; readonly wanted: boolean } => ({
    holders: [],
    wanted: false
  })
}) {}

const nothing = (): void => {}

/**
 * A holder that calls `free` when the last hold is let go; it is made with one hold, which `letGo` lets go. A hold that is
 * taken after that is on nothing: what was forked by a call that has ended may still know its holder.
 */
export const make = (free: () => void): Holder & { readonly letGo: () => void } => {
  let holds = 1
  const letGo = () => {
    holds--
    if (holds === 0) free()
  }
  const hold = () => {
    if (holds === 0) return nothing
    holds++
    return letGo
  }
  return { hold, letGo }
}
