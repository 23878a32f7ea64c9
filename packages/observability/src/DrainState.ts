/**
 * How far a process is on its way out, and how many requests it has in hand: the decision alone, without a clock.
 */

/**
 * - `Running`: it takes requests.
 * - `Draining`: it still takes them, and has said that it will not for long.
 * - `Closing`: what is in flight is finished, what comes now is refused.
 * - `Closed`: nothing is in flight any more, or what is has been interrupted.
 */
export type Phase = "Running" | "Draining" | "Closing" | "Closed"

/** How far the process is. */
export interface State {
  readonly phase: Phase
  /** Requests that were let in and have not ended. */
  readonly inFlight: number
}

/** What happens: the three steps to the end, and requests that come and go. */
export type Event = "Began" | "StoppedTaking" | "Ended" | "Arrived" | "Left"

/** Where every process begins. */
export const initial: State = { phase: "Running", inFlight: 0 }

const steps = {
  Began: ["Running", "Draining"],
  StoppedTaking: ["Draining", "Closing"],
  Ended: ["Closing", "Closed"]
} as const satisfies Record<string, readonly [from: Phase, to: Phase]>

/** Whether a request that comes now is let in. */
export const admits = ({ phase }: State): boolean => phase === "Running" || phase === "Draining"

/** The state after the event, and whether the event was of any effect: a request let in, a step taken for the first time. */
export const step = (state: State, event: Event): readonly [done: boolean, next: State] => {
  switch (event) {
    case "Arrived":
      return admits(state) ? [true, { ...state, inFlight: state.inFlight + 1 }] : [false, state]
    case "Left":
      return state.inFlight > 0 ? [true, { ...state, inFlight: state.inFlight - 1 }] : [false, state]
    default: {
      const [from, to] = steps[event]
      return state.phase === from ? [true, { ...state, phase: to }] : [false, state]
    }
  }
}
