/**
 * Which requests a server that is short of capacity serves: those that matter most. How many may run at a time is told from
 * outside, as a fixed number or as one that is learned.
 *
 * A request runs at once while there is room. Otherwise it waits in a short line, of which there is one for each class.
 * Whatever comes free goes to the highest class that waits. A class is refused when as many as the lines hold wait in it
 * and above; one that is higher takes the place of the longest waiting of the lowest class. So as capacity runs short the
 * lowest class goes first, as much of it as must, and whenever a class is refused every lower one is, too. What runs is
 * never ended.
 *
 * In a class the oldest is served first as long as few wait, and the newest once many do: then the oldest will hardly be
 * served in time, and all would be late for the sake of order. Who has waited `intervalMillis` is refused; where
 * the class's line was not empty for as long as that, who has waited `targetMillis`. From the wait is taken the event
 * loop's own delay, since nobody could be served while it stood still. Refused as well is who could no longer end in time.
 *
 * The event loop's delay is a second sign of overload, for work that does not show in what runs: from `maxDelayMillis` on
 * the lowest class is refused, the next from twice as much, `CRITICAL` from four times as much, `CRITICAL_PLUS` never.
 *
 * Times are monotonic milliseconds. Sources: "Site Reliability Engineering", 2016, chapter 21 (criticality); "Fail at
 * Scale", Ben Maurer, ACM Queue, 2015 (adaptive LIFO and the rule of controlled delay for requests); "Controlling Queue
 * Delay", Nichols and Jacobson, 2012.
 */

import {
  type Class,
  classes,
  type Config,
  type Outcome,
  type Reason,
  type Refusal,
  type Request
} from "./LoadShedderState.js"

export * from "./LoadShedderState.js"

interface Waiter extends Request {
  readonly sinceMillis: number
}

/** Those of one class who wait, the oldest first. */
interface Line {
  readonly waiters: ReadonlyArray<Waiter>
  /** Since when somebody waits. */
  readonly sinceMillis: number
  /** Nobody's deadline comes before this. */
  readonly earliestMillis: number
}

/** A stretch of time in which requests were refused. */
interface Overload {
  readonly sinceMillis: number
  readonly lastMillis: number
}

/** What a load shedder holds. */
export interface State {
  /** How many may run at a time. */
  readonly limit: number
  readonly running: number
  /** One for each class. */
  readonly lines: ReadonlyArray<Line>
  /** The event loop's delay, as it was last told. */
  readonly delayMillis: number
  readonly overload: Overload | undefined
}

const noLine: Line = { waiters: [], sinceMillis: 0, earliestMillis: Infinity }
const nobody: ReadonlyArray<never> = []

/** Nobody runs and nobody waits; `limit` (>= 1) may run at a time. */
export const initial = (limit: number): State => ({
  limit,
  running: 0,
  lines: classes.map(() => noLine),
  delayMillis: 0,
  overload: undefined
})

const rankOf = (of: Class): number => classes.indexOf(of)

const waitingFrom = (lines: ReadonlyArray<Line>, lowest: number): number => {
  let count = 0
  lines.forEach(({ waiters }, rank) => {
    if (rank <= lowest) count += waiters.length
  })
  return count
}

/** How many wait. */
export const waiting = ({ lines }: State): number => waitingFrom(lines, Infinity)

/** An overload is over when nobody was refused for so many intervals. */
const calmIntervals = 10

const overloadAt = (config: Config, { overload }: State, nowMillis: number): Overload =>
  overload !== undefined && nowMillis - overload.lastMillis <= calmIntervals * config.intervalMillis
    ? { sinceMillis: overload.sinceMillis, lastMillis: Math.max(overload.lastMillis, nowMillis) }
    : { sinceMillis: nowMillis, lastMillis: nowMillis }

/** As long as the overload has lasted, which is what to expect that is still to come, between the least and the most. */
const retryAfter = (config: Config, { sinceMillis }: Overload, nowMillis: number): number =>
  Math.min(config.maxRetryAfterMillis, Math.max(config.minRetryAfterMillis, nowMillis - sinceMillis))

/** From which delay of the event loop on a class is refused. */
const delayFor = (config: Config, rank: number): number =>
  rank === 0 ? Infinity : config.maxDelayMillis * Math.pow(2, classes.length - 1 - rank)

const refuse = (config: Config, overload: Overload, request: Request, reason: Reason, nowMillis: number): Refusal => ({
  id: request.id,
  class: request.class,
  reason,
  retryAfterMillis: retryAfter(config, overload, nowMillis)
})

/** The same state with other lines, and with those who are sent away. */
const changed = (
  config: Config,
  state: State,
  next: Pick<State, "lines" | "running">,
  leaving: ReadonlyArray<readonly [Request, Reason]>,
  nowMillis: number
): readonly [refused: ReadonlyArray<Refusal>, State] => {
  if (leaving.length === 0) return [nobody, { ...state, ...next }]
  const overload = overloadAt(config, state, nowMillis)
  const refused = leaving.map(([request, reason]) => refuse(config, overload, request, reason, nowMillis))
  return [refused, { ...state, ...next, overload }]
}

const replaced = (line: Line, waiters: ReadonlyArray<Waiter>): Line =>
  waiters.length === 0 ? noLine : { waiters, sinceMillis: line.sinceMillis, earliestMillis: line.earliestMillis }

/** Why one who waits must go by now; undefined if it may wait on. */
const overdue = (config: Config, state: State, line: Line, waiter: Waiter, nowMillis: number): Reason | undefined => {
  if (nowMillis > waiter.latestMillis) return "Deadline"
  const doesNotEmpty = nowMillis - line.sinceMillis >= config.intervalMillis
  const mostMillis = doesNotEmpty ? Math.min(config.targetMillis, config.intervalMillis) : config.intervalMillis
  return nowMillis - waiter.sinceMillis - state.delayMillis >= mostMillis ? "Waited" : undefined
}

/** Whether somebody may have to go. The oldest is the first who has waited too long. */
const isDue = (config: Config, state: State, line: Line, nowMillis: number): boolean => {
  const oldest = line.waiters[0]
  if (oldest === undefined) return false
  return nowMillis > line.earliestMillis || overdue(config, state, line, oldest, nowMillis) !== undefined
}

/** Sends away who has waited too long or could not end in time. To be asked from time to time while anybody waits. */
export const sweep = (
  config: Config,
  state: State,
  nowMillis: number
): readonly [refused: ReadonlyArray<Refusal>, State] => {
  if (!state.lines.some((line) => isDue(config, state, line, nowMillis))) return [nobody, state]
  const leaving: Array<readonly [Request, Reason]> = []
  const lines = state.lines.map((line) => {
    const waiters = line.waiters.filter((waiter) => {
      const reason = overdue(config, state, line, waiter, nowMillis)
      if (reason !== undefined) leaving.push([waiter, reason])
      return reason === undefined
    })
    const earliestMillis = waiters.reduce((earliest, { latestMillis }) => Math.min(earliest, latestMillis), Infinity)
    return waiters.length === 0 ? noLine : { waiters, sinceMillis: line.sinceMillis, earliestMillis }
  })
  return changed(config, state, { lines, running: state.running }, leaving, nowMillis)
}

/** When one who waits has to go, if it is not let in before and nothing else changes; undefined if it does not wait. */
export const leavesMillis = (config: Config, state: State, { class: of, id }: Request): number | undefined => {
  const line = state.lines[rankOf(of)]
  const waiter = line?.waiters.find((each) => each.id === id)
  if (line === undefined || waiter === undefined) return undefined
  const { intervalMillis, targetMillis } = config
  const fromMillis = waiter.sinceMillis + state.delayMillis
  return Math.min(
    waiter.latestMillis + 1,
    fromMillis + intervalMillis,
    Math.max(fromMillis + targetMillis, line.sinceMillis + intervalMillis)
  )
}

/** Lets in as many of those who wait as there is room for, after those who must have gone. */
const fill = (config: Config, before: State, nowMillis: number): readonly [Outcome, State] => {
  const [refused, state] = sweep(config, before, nowMillis)
  const admitted: Array<number> = []
  let { lines, running } = state
  while (running < state.limit) {
    const rank = lines.findIndex(({ waiters }) => waiters.length > 0)
    const line = lines[rank]
    if (line === undefined) break
    const isNewestFirst = line.waiters.length > config.newestFirstAbove
    const chosen = isNewestFirst ? line.waiters.at(-1) : line.waiters[0]
    if (chosen !== undefined) admitted.push(chosen.id)
    lines = lines.with(rank, replaced(line, isNewestFirst ? line.waiters.slice(0, -1) : line.waiters.slice(1)))
    running++
  }
  return [
    { admitted, refused },
    { ...state, lines, running }
  ]
}

/** Why a request cannot be served nor wait; undefined if it can. */
const refusalOf = (config: Config, state: State, request: Request, nowMillis: number): Reason | undefined => {
  const rank = rankOf(request.class)
  if (nowMillis > request.latestMillis) return "Deadline"
  if (state.delayMillis >= delayFor(config, rank)) return "EventLoop"
  return state.running >= state.limit && waitingFrom(state.lines, rank) >= config.maxWaiting ? "Full" : undefined
}

/** The longest waiting of the lowest class makes way for one of a higher. */
const displace = (lines: ReadonlyArray<Line>): readonly [Waiter | undefined, ReadonlyArray<Line>] => {
  const rank = lines.findLastIndex(({ waiters }) => waiters.length > 0)
  const line = lines[rank]
  return line === undefined
    ? [undefined, lines]
    : [line.waiters[0], lines.with(rank, replaced(line, line.waiters.slice(1)))]
}

/** A request arrives. If it is in neither part of the outcome, it waits. */
export const arrive = (
  config: Config,
  before: State,
  request: Request,
  nowMillis: number
): readonly [Outcome, State] => {
  const [swept, state] = sweep(config, before, nowMillis)
  const reason = refusalOf(config, state, request, nowMillis)
  if (reason !== undefined) {
    const [refused, next] = changed(config, state, state, [[request, reason]], nowMillis)
    return [{ admitted: nobody, refused: [...swept, ...refused] }, next]
  }
  if (state.running < state.limit) {
    return [
      { admitted: [request.id], refused: swept },
      { ...state, running: state.running + 1 }
    ]
  }
  const isFull = waiting(state) >= config.maxWaiting
  const [displaced, lines] = isFull ? displace(state.lines) : [undefined, state.lines]
  const rank = rankOf(request.class)
  const line = lines[rank] ?? noLine
  const longer: Line = {
    waiters: [...line.waiters, { ...request, sinceMillis: nowMillis }],
    sinceMillis: line.waiters.length === 0 ? nowMillis : line.sinceMillis,
    earliestMillis: Math.min(line.earliestMillis, request.latestMillis)
  }
  const [refused, next] = changed(
    config,
    state,
    { lines: lines.with(rank, longer), running: state.running },
    displaced === undefined ? [] : [[displaced, "Displaced"]],
    nowMillis
  )
  return [{ admitted: nobody, refused: [...swept, ...refused] }, next]
}

/** A request that ran has ended. */
export const release = (config: Config, state: State, nowMillis: number): readonly [Outcome, State] =>
  fill(config, { ...state, running: state.running - 1 }, nowMillis)

/** One that waited has gone by itself. */
export const leave = (state: State, id: number): State => ({
  ...state,
  lines: state.lines.map((line) =>
    replaced(
      line,
      line.waiters.filter((waiter) => waiter.id !== id)
    )
  )
})

/** From now on `limit` (>= 1) may run at a time. What runs goes on, if it is more than that. */
export const resize = (config: Config, state: State, limit: number, nowMillis: number): readonly [Outcome, State] =>
  fill(config, { ...state, limit }, nowMillis)

/** How late the event loop was of late, in milliseconds, >= 0. */
export const delayed = (state: State, delayMillis: number): State => ({ ...state, delayMillis })

/** Whether a request of this class would be refused if it arrived now, its deadline aside. */
export const wouldRefuse = (config: Config, state: State, of: Class, nowMillis: number): Reason | undefined =>
  refusalOf(config, sweep(config, state, nowMillis)[1], { id: 0, class: of, latestMillis: Infinity }, nowMillis)
