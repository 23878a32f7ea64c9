/**
 * Finds the limit from which on more calls at once no longer mean more calls done.
 *
 * Latencies are averaged in rounds of calls that all began under the present limit. As long as a round's mean is less than
 * `headroom` times what a call takes alone, the baseline, the limit grows; where it is more, calls wait for each other, and
 * the limit shrinks in proportion. It comes to rest where a call takes `headroom` times as long as it would alone.
 *
 * The baseline is the mean of the first round; a faster round lowers it. It rises only by a test: where the limit was
 * lowered to `testedAt` of what it was and calls became hardly faster, they do not wait for each other, they are slow. So a
 * long overload does not become the measure of what is normal, and a dependency that has become slow for good does not
 * starve. Until there was such a test, a limit that comes to rest is halved for a round, since the first round may have
 * been one of overload already; calls that are then hardly faster than the baseline confirm it. The same test tells calls
 * that are dropped whatever the limit from those that are dropped because of it. A baseline that has risen falls again
 * when fewer calls come: as long as all the room that there is gets filled, nothing tells how fast a call alone would be.
 *
 * A round that did not fill the limit changes no limit. Sources: "Congestion Avoidance and Control", Jacobson, 1988, for
 * the knee; Little's law.
 */
import { type Config, type Learned, type Sample, lasted, within } from "./AdaptiveLimitState.js"

/** How much longer than alone a call takes where the limit comes to rest: less starves what works in parallel, more queues. */
const headroom = 1.2
/** Room for so many more at each step, so that small limits can grow, too. */
const extra = 2
/** A round multiplies the limit by no more than this, and by no less than three quarters; drops may halve it. */
const fastest = 1.5
const slowest = 0.5
/** A limit is filled when so much of it was in use at once. */
const filledAt = 0.8
/** A round has five calls for each that may run, but no fewer and no more than these: many for a mean, few for speed. */
const callsEach = 5
const leastCalls = 25
const mostCalls = 100
/** A limit lowered to this share has been tested: calls that waited for each other would be as much faster ... */
const testedAt = 0.6
/** ... and as much less often dropped, not a mere fifth. */
const unchanged = 0.8
/**
 * A baseline that a test has found is lowered by rounds faster than this share of it alone, half the way. One at rest is
 * confirmed by a round at half the limit that was no faster.
 */
const faster = 0.75
const halfway = 0.5
/** So much of a round may be dropped beside what is dropped whatever the limit, by a fifth more or less. */
const droppedBeside = 0.05
const droppedMore = 1.2
/** How fast it is forgotten that calls were dropped whatever the limit. */
const forgetting = 0.1
/** Who has come to rest is as near as this to the mean aimed at. */
const restingFrom = 0.9
const restingTo = 1.1

/** Sums over the calls of one round. */
interface Round {
  /** Calls that began earlier were let in under another limit. */
  readonly beganMillis: number
  /** Calls of this round that were left out of the sums, since those of the round before ran beside them. */
  readonly skipped: number
  readonly successes: number
  readonly totalMillis: number
  readonly drops: number
  readonly mostInFlight: number
}

/** A round before the limit was lowered, to compare with. */
interface Reference {
  readonly limit: number
  readonly meanMillis: number
  readonly dropShare: number
}

/** What has been learned. */
export interface State extends Learned {
  readonly _tag: "Knee"
  /** Whether a test has found the baseline. */
  readonly isTested: boolean
  /** The share of calls that is dropped whatever the limit. */
  readonly dropBaseline: number
  /** As long as the limit falls. */
  readonly reference: Reference | undefined
  readonly round: Round
}

const emptyRound = (beganMillis: number): Round => ({
  beganMillis,
  skipped: 0,
  successes: 0,
  totalMillis: 0,
  drops: 0,
  mostInFlight: 0
})

/** Nothing learned yet. */
export const initial = (config: Config): State => ({
  _tag: "Knee",
  limit: config.initial,
  baselineMillis: 0,
  isTested: false,
  dropBaseline: 0,
  reference: undefined,
  round: emptyRound(0)
})

const loweredBaseline = ({ baselineMillis, isTested }: State, meanMillis: number): number => {
  if (!isTested) return Math.min(baselineMillis, meanMillis)
  return meanMillis < baselineMillis * faster
    ? baselineMillis + halfway * (meanMillis - baselineMillis)
    : baselineMillis
}

/** The limit after a round that filled it. */
const nextLimit = (config: Config, state: State, meanMillis: number, dropShare: number): number => {
  const { baselineMillis, dropBaseline, isTested, limit } = state
  if (dropShare > dropBaseline * droppedMore + droppedBeside) {
    return within(config, limit * Math.max(slowest, 1 - dropShare))
  }
  // All are dropped, whatever the limit: nothing says that more would not be.
  if (dropShare === 1) return limit
  const gradient = (headroom * baselineMillis) / meanMillis
  if (!isTested && gradient > restingFrom && gradient < restingTo) return within(config, limit / 2)
  const aim =
    gradient > 1 ? limit * Math.min(fastest, gradient) + extra : (limit * (1 + Math.max(slowest, gradient)) + extra) / 2
  return within(config, aim)
}

const settled = (config: Config, state: State, nowMillis: number): State => {
  const { limit, reference, round } = state
  const meanMillis = round.successes === 0 ? state.baselineMillis : round.totalMillis / round.successes
  const dropShare = round.drops / (round.drops + round.successes)
  const tested = reference !== undefined && limit <= reference.limit * testedAt ? reference : undefined
  const isSlowAnyway = tested !== undefined && meanMillis > tested.meanMillis * unchanged
  const isDroppedAnyway = tested !== undefined && dropShare > tested.dropShare * unchanged
  const wasResting = tested !== undefined && tested.meanMillis * restingFrom < state.baselineMillis * headroom
  const isConfirmed = wasResting && meanMillis >= state.baselineMillis * faster
  const isHigher = state.baselineMillis === 0 || (isSlowAnyway && meanMillis > state.baselineMillis)
  const learned: State = {
    _tag: "Knee",
    limit,
    baselineMillis: isHigher ? meanMillis : loweredBaseline(state, meanMillis),
    isTested: state.isTested || isSlowAnyway || isConfirmed,
    dropBaseline: isDroppedAnyway
      ? Math.max(state.dropBaseline, dropShare)
      : state.dropBaseline - forgetting * Math.max(0, state.dropBaseline - dropShare),
    reference: undefined,
    round: emptyRound(nowMillis)
  }
  if (round.mostInFlight < Math.floor(limit) * filledAt) return learned
  const next = nextLimit(config, learned, meanMillis, dropShare)
  if (next >= limit) return { ...learned, limit: next }
  const isKept = reference !== undefined && tested === undefined
  return { ...learned, limit: next, reference: isKept ? reference : { limit, meanMillis, dropShare } }
}

/** What is learned from a call that ended at `nowMillis`. */
export const learn = (config: Config, state: State, sample: Sample, nowMillis: number): State => {
  const { limit, round } = state
  if (sample.startedMillis < round.beganMillis) return state
  if (round.skipped < Math.min(mostCalls, limit)) {
    return { ...state, round: { ...round, skipped: round.skipped + 1 } }
  }
  const isSuccess = sample.outcome === "Success"
  const next: Round = {
    beganMillis: round.beganMillis,
    skipped: round.skipped,
    successes: round.successes + (isSuccess ? 1 : 0),
    totalMillis: round.totalMillis + (isSuccess ? lasted(sample, nowMillis) : 0),
    drops: round.drops + (isSuccess ? 0 : 1),
    mostInFlight: Math.max(round.mostInFlight, sample.inFlight)
  }
  const counted: State = { ...state, round: next }
  const whole = Math.min(mostCalls, Math.max(leastCalls, callsEach * limit))
  return next.successes + next.drops >= whole ? settled(config, counted, nowMillis) : counted
}
