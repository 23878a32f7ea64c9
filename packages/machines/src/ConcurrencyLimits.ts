/**
 * The rules of Netflix's concurrency-limits with its constants, for comparison and for those who know them.
 *
 * `aimd`: one more for each success while at least half of the limit is used, a tenth less for a drop. `vegas`: as many
 * more or less as keeps the estimated line, limit * (1 - baseline / latency), between two sizes; the baseline is the least
 * latency seen, taken anew once in so many samples. `gradient2`: the ratio of a long average of latencies to the last one.
 *
 * A call that was dropped is no sample of latency here, as it is there: a refusal is as fast as an idle server, and would
 * raise a limit. It lowers the limit of `vegas` by a step, and that of `gradient2` as the longest latency would.
 *
 * Source: github.com/Netflix/concurrency-limits, AIMDLimit, VegasLimit and Gradient2Limit.
 */
import { type Config, type Learned, type Sample, lasted, within } from "./AdaptiveLimitState.js"

/** What these rules hold. */
export interface State extends Learned {
  readonly _tag: "ConcurrencyLimits"
  /** How many samples there were: since the baseline was taken (`vegas`), or in all (`gradient2`). */
  readonly samples: number
}

/** Nothing learned yet. */
export const initial = (config: Config): State => ({
  _tag: "ConcurrencyLimits",
  limit: config.initial,
  baselineMillis: 0,
  samples: 0
})

const backoffRatio = 0.9

/** Additive increase, multiplicative decrease. */
export const aimd = (config: Config, state: State, { inFlight, outcome }: Sample): State => {
  if (outcome === "Dropped") return { ...state, limit: within(config, Math.floor(state.limit * backoffRatio)) }
  return inFlight * 2 >= state.limit ? { ...state, limit: within(config, state.limit + 1) } : state
}

/** The baseline is taken anew once in so many samples for each call that may run. */
const probeMultiplier = 30

/** By the length of the line that the latency tells of. */
export const vegas = (config: Config, state: State, sample: Sample, nowMillis: number): State => {
  const { baselineMillis, limit } = state
  const samples = state.samples + 1
  const step = Math.max(1, Math.log10(limit))
  const next = (by: number): State => ({ ...state, limit: within(config, limit + by), samples })
  if (sample.outcome === "Dropped") return next(-step)
  const latency = lasted(sample, nowMillis)
  if (samples >= probeMultiplier * limit) return { ...state, baselineMillis: latency, samples: 0 }
  if (baselineMillis === 0 || latency < baselineMillis) return { ...state, baselineMillis: latency, samples }
  if (sample.inFlight * 2 < limit) return next(0)
  const line = Math.ceil(limit * (1 - baselineMillis / latency))
  if (line <= step) return next(6 * step)
  if (line < 3 * step) return next(step)
  return next(line > 6 * step ? -step : 0)
}

const longWindow = 600
const warmUp = 10
const tolerance = 1.5
const smoothing = 0.2
const allowedLine = 4
const leastGradient = 0.5

/** A fifth of the way to the aim. */
const moved = (config: Config, limit: number, gradient: number): number =>
  within(config, limit * (1 - smoothing) + (limit * gradient + allowedLine) * smoothing)

/** By how much longer calls take than they did of late. */
export const gradient2 = (config: Config, state: State, sample: Sample, nowMillis: number): State => {
  if (sample.outcome === "Dropped") return { ...state, limit: moved(config, state.limit, leastGradient) }
  const latency = lasted(sample, nowMillis)
  const samples = state.samples + 1
  const weight = samples <= warmUp ? 1 / samples : 2 / (longWindow + 1)
  const long = state.baselineMillis + (latency - state.baselineMillis) * weight
  const baselineMillis = long > 2 * latency ? long * 0.95 : long
  if (sample.inFlight < state.limit / 2) return { ...state, baselineMillis, samples }
  const gradient = Math.max(leastGradient, Math.min(1, (tolerance * baselineMillis) / latency))
  return { ...state, limit: moved(config, state.limit, gradient), baselineMillis, samples }
}
