/**
 * How many calls may run at a time, learned from how long they take.
 *
 * `knee` is the default and our own; `Knee.ts` says how it learns. `aimd`, `vegas` and `gradient2` are the rules of
 * Netflix's concurrency-limits, in `ConcurrencyLimits.ts`, for comparison and for those who know them.
 *
 * With each of them the limit grows only while calls fill it, so that it does not drift while they do not; only successes
 * are samples of latency; a call that was dropped (it timed out, or it was refused for overload) is a reason for a lower
 * limit. Calls that ended in another way are not told.
 *
 * Times are monotonic milliseconds.
 */
import type { Config, Sample } from "./AdaptiveLimitState.js"
import * as ConcurrencyLimits from "./ConcurrencyLimits.js"
import * as Knee from "./Knee.js"

export type { Algorithm, Config, Learned, Sample } from "./AdaptiveLimitState.js"

/** What has been learned; of use only with the config that it was made of. */
export type State = Knee.State | ConcurrencyLimits.State

/** Nothing learned yet. */
export const initial = (config: Config): State =>
  config.algorithm === "knee" ? Knee.initial(config) : ConcurrencyLimits.initial(config)

/** How many calls may run at a time. */
export const limit = (state: State): number => Math.floor(state.limit)

/** What is learned from a call that ended at `nowMillis`. */
export const learn = (config: Config, state: State, sample: Sample, nowMillis: number): State => {
  if (state._tag === "Knee") return Knee.learn(config, state, sample, nowMillis)
  if (config.algorithm === "aimd") return ConcurrencyLimits.aimd(config, state, sample)
  return config.algorithm === "vegas"
    ? ConcurrencyLimits.vegas(config, state, sample, nowMillis)
    : ConcurrencyLimits.gradient2(config, state, sample, nowMillis)
}
