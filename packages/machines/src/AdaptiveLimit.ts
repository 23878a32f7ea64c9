/**
 * How many calls may run at a time, learned from how long they take.
 *
 * `knee`, the default and our own: finds where more calls at once no longer mean more calls done. Latencies are averaged in
 * rounds of calls that all began under the present limit. As long as a round's mean stays near that of calls that nobody
 * had to wait for, the limit grows; when it is longer, calls queue, and the limit shrinks in proportion. It comes to rest
 * where a call takes `headroom` times as long as it would alone. What a call takes alone is learned only from rounds that
 * the limit did not hold back, from faster ones, and from a limit that was lowered without calls becoming faster: so a long
 * overload does not become the measure of what is normal, and a dependency that has become slower for good does not
 * starve.
 *
 * `aimd`, `vegas`, `gradient2`: the rules of Netflix's concurrency-limits with its constants, for comparison and for who
 * knows them.
 *
 * The limit changes only while the traffic fills it. Only successes are samples of latency; a call that was dropped (timed
 * out, refused for overload) shrinks the limit; all others are neither.
 *
 * Times are monotonic milliseconds. Sources: Netflix concurrency-limits (Vegas, Gradient2, AIMD); "Congestion Avoidance and
 * Control", Jacobson, 1988; Little's law.
 */

/** Which rule learns the limit. */
export type Algorithm = "knee" | "aimd" | "vegas" | "gradient2"

/** The numbers of an adaptive limit. */
export interface Config {
  readonly algorithm: Algorithm
  /** The limit never falls below this, >= 1. */
  readonly min: number
  /** The limit never exceeds this, >= `min`. */
  readonly max: number
  /** The first limit, `min` to `max`. */
  readonly initial: number
}

/** A call that has ended. */
export interface Sample {
  /** How it counts; `Dropped` is one that timed out or that was refused for overload. */
  readonly outcome: "Success" | "Dropped"
  readonly startedMillis: number
  /** How many ran when it began, itself included. */
  readonly inFlight: number
}

/** Sums over the calls of one round. */
interface Round {
  /** Calls that began earlier were let in under another limit. */
  readonly beganMillis: number
  /** Calls that ended before the round's sums began: those that were under way, and about as many again. */
  readonly skipped: number
  readonly successes: number
  readonly totalMillis: number
  readonly drops: number
  readonly mostInFlight: number
}

/** What a round had been before the limit was lowered: does lowering it help? */
interface Before {
  readonly limit: number
  readonly meanMillis: number
  readonly dropShare: number
}

/** What has been learned. */
export interface State {
  /** The limit, with a fraction. */
  readonly limit: number
  /** What a call takes when none waits, in milliseconds; 0 as long as nothing is known. */
  readonly baselineMillis: number
  /** `knee`: whether that is known of calls of which none can have waited. */
  readonly confirmed: boolean
  /** `knee`: the share of calls that is dropped whatever the limit. */
  readonly dropBaseline: number
  readonly before: Before | undefined
  readonly round: Round
  /** `gradient2` and `vegas`: how many samples there were since the last probe. */
  readonly samples: number
}

const emptyRound = (nowMillis: number): Round => ({
  beganMillis: nowMillis,
  skipped: 0,
  successes: 0,
  totalMillis: 0,
  drops: 0,
  mostInFlight: 0
})

/** Nothing learned yet. */
export const initial = (config: Config): State => ({
  limit: config.initial,
  baselineMillis: 0,
  confirmed: false,
  dropBaseline: 0,
  before: undefined,
  round: emptyRound(0),
  samples: 0
})

/** How many calls may run at a time. */
export const limit = (state: State): number => Math.floor(state.limit)

const within = (config: Config, limit: number): number => Math.min(config.max, Math.max(config.min, limit))

export const knobs = { headroom: 1.2, roundMost: 100, roundLeast: 25, smoothing: 0.5, growth: 1.5, sat: 0.8, queue: 2, probe: 0.75, tolerated: 0.05 }

/** Where more than half of what lowering the limit should have brought did not come, it was not the limit. */
const without = (fell: number, before: number, limit: number, limitBefore: number): boolean =>
  limit <= limitBefore * 0.6 && fell > before * 0.8

const settleRound = (config: Config, state: State, nowMillis: number): State => {
  const { baselineMillis: base, before, round } = state
  const saturated = round.mostInFlight >= Math.floor(state.limit) * knobs.sat
  const light = round.mostInFlight <= state.limit / 2
  const mean = round.successes === 0 ? base : round.totalMillis / round.successes
  const dropShare = round.drops / (round.drops + round.successes)
  const slowAnyway = before !== undefined && without(mean, before.meanMillis, state.limit, before.limit)
  const droppedAnyway = before !== undefined && dropShare > 0 && without(dropShare, before.dropShare, state.limit, before.limit)
  const confirmedBefore = state.confirmed
  const baselineMillis =
    base === 0 || (slowAnyway && mean > base) ? mean : light ? base + 0.1 * (mean - base) : !confirmedBefore && mean < base ? mean : mean < base * 0.75 ? base + 0.5 * (mean - base) : base
  const dropBaseline = droppedAnyway ? dropShare : Math.min(state.dropBaseline, dropShare)
  const confirmed = state.confirmed || light || slowAnyway
  const learned = { ...state, baselineMillis, dropBaseline, confirmed, round: emptyRound(nowMillis) }
  if (!saturated) return { ...learned, before: undefined }
  const dropping = dropShare > dropBaseline * 1.2 + knobs.tolerated
  const gradient = (knobs.headroom * baselineMillis) / mean
  const probing = !confirmed && gradient > 0.9 && gradient < 1.1 && state.limit > config.min
  const aim = dropping
    ? state.limit * Math.max(0.5, 1 - dropShare)
    : probing ? state.limit / 2 : gradient > 1 ? state.limit * Math.min(knobs.growth, gradient) + knobs.queue : (state.limit * (1 + Math.max(0.5, gradient)) + knobs.queue) / 2
  const next = within(config, aim)
  return { ...learned, limit: next, before: next >= state.limit ? undefined : (before ?? { limit: state.limit, meanMillis: mean, dropShare }) }
}

const knee = (config: Config, state: State, sample: Sample, nowMillis: number): State => {
  const { round } = state
  const success = sample.outcome === "Success"
  if (round.skipped < Math.min(100, state.limit)) {
    return sample.startedMillis < round.beganMillis ? state : { ...state, round: { ...round, skipped: round.skipped + 1 } }
  }
  const next: Round = {
    beganMillis: round.beganMillis,
    skipped: round.skipped,
    successes: round.successes + (success ? 1 : 0),
    totalMillis: round.totalMillis + (success ? nowMillis - sample.startedMillis : 0),
    drops: round.drops + (success ? 0 : 1),
    mostInFlight: Math.max(round.mostInFlight, sample.inFlight)
  }
  const whole = Math.min(knobs.roundMost, Math.max(knobs.roundLeast, 5 * state.limit))
  const counted = { ...state, round: next }
  return next.successes + next.drops >= whole ? settleRound(config, counted, nowMillis) : counted
}

const aimd = (config: Config, state: State, sample: Sample): State => {
  if (sample.outcome === "Dropped") return { ...state, limit: within(config, Math.floor(state.limit * 0.9)) }
  return sample.inFlight * 2 >= state.limit ? { ...state, limit: within(config, state.limit + 1) } : state
}

const vegas = (config: Config, state: State, sample: Sample, nowMillis: number): State => {
  const rtt = Math.max(1e-3, nowMillis - sample.startedMillis)
  const samples = state.samples + 1
  if (30 * state.limit <= samples) return { ...state, samples: 0, baselineMillis: rtt }
  const counted = { ...state, samples }
  if (state.baselineMillis === 0 || rtt < state.baselineMillis) return { ...counted, baselineMillis: rtt }
  const log = Math.max(1, Math.log10(state.limit))
  const queue = Math.ceil(state.limit * (1 - state.baselineMillis / rtt))
  if (sample.outcome === "Dropped") return { ...counted, limit: within(config, state.limit - log) }
  if (sample.inFlight * 2 < state.limit) return counted
  const step = queue <= log ? 6 * log : queue < 3 * log ? log : queue > 6 * log ? -log : 0
  return { ...counted, limit: within(config, state.limit + step) }
}

const gradient2 = (config: Config, state: State, sample: Sample, nowMillis: number): State => {
  const rtt = Math.max(1e-3, nowMillis - sample.startedMillis)
  const samples = state.samples + 1
  const long = samples <= 10 ? (state.baselineMillis * (samples - 1) + rtt) / samples : state.baselineMillis + (rtt - state.baselineMillis) * (2 / 601)
  const baselineMillis = long / rtt > 2 ? long * 0.95 : long
  const learned = { ...state, samples, baselineMillis }
  if (sample.inFlight < state.limit / 2) return learned
  const gradient = Math.max(0.5, Math.min(1, (1.5 * baselineMillis) / rtt))
  return { ...learned, limit: within(config, state.limit * 0.8 + (state.limit * gradient + 4) * 0.2) }
}

/** What is learned from a call that ended at `nowMillis`. */
export const learn = (config: Config, state: State, sample: Sample, nowMillis: number): State => {
  if (config.algorithm === "knee") return knee(config, state, sample, nowMillis)
  if (config.algorithm === "aimd") return aimd(config, state, sample)
  return config.algorithm === "vegas"
    ? vegas(config, state, sample, nowMillis)
    : gradient2(config, state, sample, nowMillis)
}
