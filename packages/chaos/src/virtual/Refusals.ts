/**
 * Why a program cannot be run in virtual time.
 */
import { Data, Duration } from "effect"

/**
 * Nothing can run and no timer is armed, but the program has not ended: it waits for something that does not happen in
 * virtual time (a promise that needs more than microtasks, a socket, a timer from outside Effect), or its fibers wait for each other.
 * Put a scripted dependency in the place of what is real, or have it ready before the run.
 */
export class WaitsForRealTime extends Data.TaggedError("WaitsForRealTime")<{
  /** How far virtual time had come. */
  readonly at: Duration.Duration
  /** How many fibers had not ended. */
  readonly fibers: number
}> {
  override get message(): string {
    const who = this.fibers === 1 ? "1 fiber waits" : `${this.fibers} fibers wait`
    return (
      `After ${Duration.format(this.at)} of virtual time nothing can run and no timer is armed, but ${who}: ` +
      "for something real (a promise, a socket, a timer from outside Effect), or for each other. " +
      "Put a scripted dependency in its place, or have it ready before the run"
    )
  }
}

/**
 * The program has not ended within `limit` of virtual time (`time`), or its fibers take turns without any time passing
 * (`turns`). Give it an end, or raise the option named like the reason.
 */
export class NeverEnds extends Data.TaggedError("NeverEnds")<{
  readonly reason: "time" | "turns"
  /** How far virtual time had come. */
  readonly at: Duration.Duration
  /** How much virtual time may pass. */
  readonly limit: Duration.Duration
  /** How many turns fibers may take without any time passing. */
  readonly turns: number
}> {
  override get message(): string {
    const at = Duration.format(this.at)
    return this.reason === "time"
      ? `After ${at} of virtual time the program has not ended, and its next timer is due beyond the limit of ` +
          `${Duration.format(this.limit)}. Give it an end, or raise limit`
      : `After ${at} of virtual time fibers take more than ${this.turns} turns without any time passing. ` +
          "Let them sleep, or raise turns"
  }
}
