/**
 * What a circuit that only observes has seen: calls that it let through although it would have refused them, and what
 * became of them. Those that succeeded are its false alarms.
 */
import type * as Outcome from "./Outcome.js"

/** Calls that the circuit would have refused. Those that are in none of the parts are under way, or were ignored. */
export interface Observed {
  readonly wouldReject: number
  readonly ofThoseSucceeded: number
  /** Succeeded, but took as long as a rule calls slow. */
  readonly ofThoseSlow: number
  readonly ofThoseFailed: number
}

/** The counts, and the generation of the circuit in which they began. */
export interface Observation {
  readonly since: number
  readonly counts: Observed
}

/** Nothing was seen yet. */
export const begun = (generation: number): Observation => ({
  since: generation,
  counts: { wouldReject: 0, ofThoseSucceeded: 0, ofThoseSlow: 0, ofThoseFailed: 0 }
})

const counted = (observation: Observation, part: keyof Observed): Observation => ({
  ...observation,
  counts: { ...observation.counts, [part]: observation.counts[part] + 1 }
})

/** One more call would have been refused. */
export const refused = (observation: Observation): Observation => counted(observation, "wouldReject")

/** A call that would have been refused in `generation` has ended; one from before the observation counts for nothing. */
export const ended = (
  observation: Observation,
  generation: number,
  outcome: Outcome.Outcome["_tag"],
  isSlow: boolean
): Observation => {
  if (generation < observation.since || outcome === "Ignored") return observation
  if (outcome === "Failure") return counted(observation, "ofThoseFailed")
  return counted(observation, isSlow ? "ofThoseSlow" : "ofThoseSucceeded")
}
