/**
 * The decisions of a circuit breaker: may this call go through, and what does its outcome change?
 *
 * Closed lets every call through and counts; when the trip policy is breached it opens. Open lets nothing through until
 * `openMillis` have passed; the next call from exactly that moment on is a probe. Half-open lets at most `probes` calls
 * through at a time; `successThreshold` successes close it, one failure opens it again.
 *
 * Every transition starts a new generation and every permit carries the one it was granted in; the outcome of a call
 * from an older generation changes nothing. A probe that has not settled `probeTimeoutMillis` after it began loses its
 * place and the circuit opens again: a dependency that hangs cannot block its own recovery.
 *
 * There is no timer. `acquire` and `settle` first take the one step that the clock alone has made due (Open to HalfOpen,
 * or HalfOpen back to Open) and report it with `atMillis` the moment it became due; `snapshot` reads as if all such
 * steps had been taken. Two steps can be due at once, a probe's end and the end of the opening that follows: `acquire`
 * takes only the first and refuses with `retryAfterMillis: 0`, and its caller asks again.
 *
 * By hand a circuit is isolated (it refuses every call), disabled (it lets every call through, counts, and never opens) or
 * reset to what it was at first; neither the clock nor an outcome changes an isolated or a disabled one.
 *
 * Times are monotonic milliseconds. Source: Michael Nygard, "Release It!", 2nd edition, 2018, chapter 5; half-open
 * probing and generations as in Sony's gobreaker and Resilience4j.
 */
import type {
  Admitted,
  Cause,
  Closed,
  Config,
  Decision,
  Disabled,
  HalfOpen,
  Open,
  Outcome,
  Permit,
  Rejected,
  Snapshot,
  State,
  Transition
} from "./CircuitState.js"
import * as TripPolicy from "./TripPolicy.js"

export type * from "./CircuitState.js"

const due: Cause = { _tag: "Due" }
const probeFailed: Cause = { _tag: "ProbeFailed" }
const isolatedByHand: Cause = { _tag: "Isolated" }

const fresh = (config: Config, generation: number, jitter: number): Closed => ({
  _tag: "Closed",
  generation,
  openings: 0,
  jitter,
  memory: TripPolicy.empty(config.tripPolicy),
  sinceMillis: 0,
  lastOpenMillis: 0
})

/** A closed circuit that was told nothing. */
export const initial = (config: Config): State => fresh(config, 0, 0.5)

/** The same state, with another random number in [0, 1) for its next opening. */
export const withJitter = (state: State, random: number): State => ({ ...state, jitter: random })

const jittered = (config: Config, opening: number, random: number): number =>
  Math.max(1, Math.round(config.openMillis(opening) * (1 + config.openJitter * (2 * random - 1))))

const hinted = (config: Config, retryAfterMillis: number): number =>
  Math.min(config.maxOpenMillis, Math.ceil(retryAfterMillis))

const noTotals: TripPolicy.Totals = { calls: 0, failures: 0, failureRate: 0, slow: 0, slowRate: 0 }

type Step<S extends State> = readonly [transition: Transition, state: S]

const open = (state: Closed | HalfOpen, openings: number, openMillis: number, cause: Cause, at: number): Step<Open> => [
  { from: state._tag, to: "Open", cause, atMillis: at },
  {
    _tag: "Open",
    generation: state.generation + 1,
    openings,
    jitter: state.jitter,
    sinceMillis: at,
    openMillis,
    cause
  }
]

const reopen = (config: Config, state: HalfOpen, cause: Cause, retryAfterMillis: number, at: number): Step<Open> => {
  const openings = state.openings + 1
  const own = jittered(config, openings, state.jitter)
  return open(state, openings, Math.max(own, hinted(config, retryAfterMillis)), cause, at)
}

/** How many openings in a row a closed circuit remembers: none once it stayed closed as long as it was last open. */
const openingsRemembered = (state: Closed, nowMillis: number): number =>
  nowMillis - state.sinceMillis >= state.lastOpenMillis ? 0 : state.openings

const trip = (config: Config, state: Closed, cause: Cause, retryAfterMillis: number, at: number): Step<Open> => {
  const openings = openingsRemembered(state, at) + 1
  const own = jittered(config, openings, state.jitter)
  return open(state, openings, Math.max(own, hinted(config, retryAfterMillis)), cause, at)
}

const close = (config: Config, state: HalfOpen, successes: number, at: number): Step<Closed> => [
  { from: "HalfOpen", to: "Closed", cause: { _tag: "ProbesSucceeded", successes }, atMillis: at },
  {
    _tag: "Closed",
    generation: state.generation + 1,
    openings: state.openings,
    jitter: state.jitter,
    memory: TripPolicy.empty(config.tripPolicy),
    sinceMillis: at,
    lastOpenMillis: state.openMillis
  }
]

/** The one step that the clock alone has made due, if any; the one after it may be due as well. */
export const elapse = (
  config: Config,
  state: State,
  nowMillis: number
): readonly [Transition, Open | HalfOpen] | undefined => {
  if (state._tag === "Open") {
    const at = state.sinceMillis + state.openMillis
    if (nowMillis < at) return undefined
    return [
      { from: "Open", to: "HalfOpen", cause: due, atMillis: at },
      {
        _tag: "HalfOpen",
        generation: state.generation + 1,
        openings: state.openings,
        jitter: state.jitter,
        openMillis: state.openMillis,
        successes: 0,
        probing: []
      }
    ]
  }
  if (state._tag !== "HalfOpen") return undefined
  const oldest = state.probing[0]
  if (oldest === undefined || nowMillis < oldest + config.probeTimeoutMillis) return undefined
  const cause: Cause = { _tag: "ProbeTimedOut", probeTimeoutMillis: config.probeTimeoutMillis }
  return reopen(config, state, cause, 0, oldest + config.probeTimeoutMillis)
}

/** What `acquire` grants at `nowMillis` while the circuit is closed, when that changes nothing. */
export const granted = ({ generation }: State, nowMillis: number): Permit => ({ generation, startedMillis: nowMillis })

const admit = (state: State, nowMillis: number): readonly [Admitted, State] => [
  { _tag: "Admitted", permit: granted(state, nowMillis) },
  state._tag === "HalfOpen" ? { ...state, probing: [...state.probing, nowMillis] } : state
]

/** Why this state lets nothing through at `nowMillis`; undefined if it lets a call through. */
const refusal = (config: Config, state: State, nowMillis: number): Rejected | undefined => {
  if (state._tag === "Isolated") {
    return { _tag: "Rejected", state: "Isolated", retryAfterMillis: Infinity, reason: isolatedByHand }
  }
  if (state._tag === "Open") {
    const left = Math.max(0, state.sinceMillis + state.openMillis - nowMillis)
    return { _tag: "Rejected", state: "Open", retryAfterMillis: left, reason: state.cause }
  }
  const oldest = state._tag === "HalfOpen" && state.probing.length >= config.probes ? state.probing[0] : undefined
  return oldest === undefined
    ? undefined
    : {
        _tag: "Rejected",
        state: "HalfOpen",
        retryAfterMillis: oldest + config.probeTimeoutMillis - nowMillis,
        reason: { _tag: "Probing", probes: config.probes }
      }
}

/** May a call go through at `nowMillis`? */
export const acquire = (config: Config, state: State, nowMillis: number): readonly [Decision, State] => {
  const step = elapse(config, state, nowMillis)
  if (step === undefined) {
    const refused = refusal(config, state, nowMillis)
    return refused === undefined ? admit(state, nowMillis) : [refused, state]
  }
  const [transition, next] = step
  const refused = refusal(config, next, nowMillis)
  if (refused !== undefined) return [{ ...refused, transition }, next]
  const [admitted, after] = admit(next, nowMillis)
  return [{ ...admitted, transition }, after]
}

/** The state as it is at `nowMillis`, with every step taken that the clock alone has made due. */
export const at = (config: Config, state: State, nowMillis: number): State => {
  const step = elapse(config, state, nowMillis)
  return step === undefined ? state : at(config, step[1], nowMillis)
}

/** What `acquire` would refuse with at `nowMillis`, without asking for a permit; undefined if it would admit. */
export const peek = (config: Config, state: State, nowMillis: number): Rejected | undefined =>
  state._tag === "Closed" ? undefined : refusal(config, at(config, state, nowMillis), nowMillis)

const remembering = (config: Config, state: Closed | Disabled, outcome: Outcome, nowMillis: number) =>
  TripPolicy.add(config.tripPolicy, state.memory, outcome._tag === "Failure", outcome.lastedMillis, nowMillis)

const settleClosed = (
  config: Config,
  state: Closed,
  outcome: Outcome,
  nowMillis: number
): readonly [Transition | undefined, State] => {
  const memory = remembering(config, state, outcome, nowMillis)
  const breach = TripPolicy.breach(config.tripPolicy, memory)
  if (breach === undefined) {
    // Every call comes by here, and a spread costs several times what naming the fields does.
    const { generation, jitter, lastOpenMillis, openings, sinceMillis } = state
    return [undefined, { _tag: "Closed", generation, openings, jitter, memory, sinceMillis, lastOpenMillis }]
  }
  return trip(config, state, breach, outcome._tag === "Failure" ? outcome.retryAfterMillis : 0, nowMillis)
}

const settleProbe = (
  config: Config,
  state: HalfOpen,
  permit: Permit,
  outcome: Outcome,
  nowMillis: number
): readonly [Transition | undefined, State] => {
  const place = state.probing.indexOf(permit.startedMillis)
  const probing = state.probing.filter((_, index) => index !== place)
  if (outcome._tag === "Failure") return reopen(config, state, probeFailed, outcome.retryAfterMillis, nowMillis)
  if (outcome._tag === "Ignored") {
    if (outcome.retryAfterMillis <= 0) return [undefined, { ...state, probing }]
    const openMillis = Math.max(1, hinted(config, outcome.retryAfterMillis))
    const cause: Cause = { _tag: "ProbeDeferred", retryAfterMillis: outcome.retryAfterMillis }
    return open(state, state.openings, openMillis, cause, nowMillis)
  }
  const { lastedMillis } = outcome
  const slowerThanMillis = TripPolicy.slowerThanMillis(config.tripPolicy)
  if (lastedMillis >= slowerThanMillis) {
    return reopen(config, state, { _tag: "ProbeSlow", lastedMillis, slowerThanMillis }, 0, nowMillis)
  }
  const successes = state.successes + 1
  return successes >= config.successThreshold
    ? close(config, state, successes, nowMillis)
    : [undefined, { ...state, successes, probing }]
}

/** What the outcome of an admitted call changes. */
export const settle = (
  config: Config,
  state: State,
  permit: Permit,
  outcome: Outcome,
  nowMillis: number
): readonly [Transition | undefined, State] => {
  if (permit.generation !== state.generation || state._tag === "Open" || state._tag === "Isolated") {
    return [undefined, state]
  }
  if (state._tag === "HalfOpen") {
    return elapse(config, state, nowMillis) ?? settleProbe(config, state, permit, outcome, nowMillis)
  }
  if (outcome._tag === "Ignored") return [undefined, state]
  return state._tag === "Closed"
    ? settleClosed(config, state, outcome, nowMillis)
    : [undefined, { ...state, memory: remembering(config, state, outcome, nowMillis) }]
}

/** By hand: every call is refused, until the circuit is reset or disabled. */
export const isolate = (state: State, nowMillis: number): readonly [Transition | undefined, State] =>
  state._tag === "Isolated"
    ? [undefined, state]
    : [
        { from: state._tag, to: "Isolated", cause: isolatedByHand, atMillis: nowMillis },
        { _tag: "Isolated", generation: state.generation + 1, openings: 0, jitter: state.jitter }
      ]

/** By hand: every call is let through and counted, until the circuit is reset or isolated. */
export const disable = (config: Config, state: State, nowMillis: number): readonly [Transition | undefined, State] => {
  if (state._tag === "Disabled") return [undefined, state]
  const memory = state._tag === "Closed" ? state.memory : TripPolicy.empty(config.tripPolicy)
  return [
    { from: state._tag, to: "Disabled", cause: { _tag: "Disabled" }, atMillis: nowMillis },
    { _tag: "Disabled", generation: state.generation + 1, openings: 0, jitter: state.jitter, memory }
  ]
}

/** By hand: the circuit is as it was at first. What calls under way end with changes nothing, also where it was closed. */
export const reset = (config: Config, state: State, nowMillis: number): readonly [Transition | undefined, State] => {
  const next = fresh(config, state.generation + 1, state.jitter)
  if (state._tag === "Closed") return [undefined, next]
  return [{ from: state._tag, to: "Closed", cause: { _tag: "Reset" }, atMillis: nowMillis }, next]
}

/** What there is to be seen at `nowMillis`; changes nothing. */
export const snapshot = (config: Config, state: State, nowMillis: number): Snapshot => {
  const present = at(config, state, nowMillis)
  return {
    state: present._tag,
    ...("memory" in present ? TripPolicy.totals(config.tripPolicy, present.memory, nowMillis) : noTotals),
    openings: present._tag === "Closed" ? openingsRemembered(present, nowMillis) : present.openings,
    retryAfterMillis: present._tag === "Open" ? present.sinceMillis + present.openMillis - nowMillis : 0,
    probing: present._tag === "HalfOpen" ? present.probing.length : 0
  }
}
