/** What a cost is counted in. */
export type Unit = "ns" | "bytes"

/** What one call cost in one sample, in nanoseconds (`wall` in the unit of the question). */
export interface Cost {
  readonly wall: number
  readonly cpu: number
}

/** One way to make the call that a question is about. */
export interface Case {
  readonly name: string
  /** Makes so many calls, one after the other unless the question is about callers side by side. */
  readonly run: (calls: number) => Promise<unknown>
  /** How many calls a sample makes, where that is part of the question. */
  readonly calls?: number
  /** Whether it is measured without being warmed up, as what is not time can be. Default false. */
  readonly cold?: boolean
  /** Makes so many calls and says itself what one of them cost, where that is not the time that `run` takes. */
  readonly cost?: (calls: number) => Promise<Cost>
}

/** The costs of one round, by the name of the case. */
export type Reading = (name: string) => Cost

/** Ours against one peer. The ratio of each round is taken by itself, so what slows a whole round cancels out. */
export interface Comparison {
  readonly question: string
  readonly peer: string
  readonly goal: number
  readonly ours: (of: Reading) => number
  readonly theirs: (of: Reading) => number
}

/** A question made ready: what it measures was seen to work. */
export interface Setup {
  readonly cases: ReadonlyArray<Case>
  /** The case that the table divides the others by. */
  readonly reference: string
  readonly comparisons: ReadonlyArray<Comparison>
  /** At most so many rounds, where one sample is long; fewer when there is little time. */
  readonly mostRounds?: { readonly quick: number; readonly thorough: number }
  /** Throws unless what was measured is still sound. */
  readonly afterwards?: () => Promise<void>
}

export interface Question {
  readonly id: number
  readonly title: string
  /** What is measured; default nanoseconds. */
  readonly unit?: Unit
  readonly prepare: () => Promise<Setup>
}

/** Throws, and so fails the question, unless what is measured works. */
export const mustHold = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(`measures something broken: ${what}`)
}
