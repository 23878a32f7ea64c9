/**
 * When a second copy of a call is worth starting. One copy runs from the start; after a while without an answer the next
 * begins, at most `maxHedges` of them; a copy that failed makes way for the next at once. The first success wins; a failure
 * that is fatal (no copy could do better) ends it, and so does the failure of the last.
 *
 * Whether a further copy may be paid for (a budget, a circuit) is the caller's business, told as `mayHedge`.
 *
 * Source: "The Tail at Scale", Dean and Barroso, Communications of the ACM, 2013.
 */

/** The copies of one call. */
export interface State {
  /** How many were begun, the first included. */
  readonly started: number
  /** How many of them have not ended. */
  readonly running: number
}

/** What is to be done: begin another copy, wait for those that run, or give the caller the last failure. */
export type Decision = "Start" | "Wait" | "Fail"

/** The first copy runs. */
export const initial: State = { started: 1, running: 1 }

/** Whether another copy may be begun at all. */
export const hasMore = (maxHedges: number, { started }: State): boolean => started <= maxHedges

/** The delay has passed without an answer. */
export const elapsed = (maxHedges: number, state: State, mayHedge: boolean): readonly [Decision, State] => {
  if (mayHedge && hasMore(maxHedges, state)) {
    return ["Start", { started: state.started + 1, running: state.running + 1 }]
  }
  return [state.running > 0 ? "Wait" : "Fail", state]
}

/** A copy has failed. */
export const failed = (
  maxHedges: number,
  state: State,
  fatal: boolean,
  mayHedge: boolean
): readonly [Decision, State] => {
  const left = { started: state.started, running: state.running - 1 }
  return fatal ? ["Fail", left] : elapsed(maxHedges, left, mayHedge)
}
