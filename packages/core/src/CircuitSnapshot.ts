/**
 * What there is to be seen of a circuit breaker.
 */
import { CircuitBreaker as Machine } from "@effect-resilience/machines"
import { Duration, Option } from "effect"
import type { Observation, Observed } from "./Observation.js"

/** What a circuit breaker is doing, as of now. */
export interface Snapshot {
  /** Of a circuit that only observes: what it would be. */
  readonly state: Machine.StateName
  /** Calls in the window of the first rule; this and the counts below are 0 unless closed or disabled. */
  readonly calls: number
  /** Failures, and their share of the calls, 0..1, in the window of the first rule that counts them. */
  readonly failures: number
  readonly failureRate: number
  /** Slow calls, and their share of the calls, 0..1, in the window of the first rule that counts them. */
  readonly slow: number
  readonly slowRate: number
  /** How many openings in a row there were. */
  readonly openings: number
  /** Probes under way. */
  readonly probing: number
  /** When open: how long until a probe is let through; none while it only observes, since everything is. */
  readonly retryAfter: Option.Option<Duration.Duration>
  /** Whether the circuit only observes, and what it would have refused since it began to. */
  readonly observed: Option.Option<Observed>
}

/** A circuit as it is at `nowMillis`. */
export const snapshot = (
  config: Machine.Config,
  state: Machine.State,
  observation: Observation | undefined,
  nowMillis: number
): Snapshot => {
  const { retryAfterMillis, ...seen } = Machine.snapshot(config, state, nowMillis)
  const waits = seen.state === "Open" && observation === undefined
  return {
    ...seen,
    retryAfter: waits ? Option.some(Duration.millis(retryAfterMillis)) : Option.none(),
    observed: Option.map(Option.fromNullable(observation), ({ counts }) => counts)
  }
}
