/** Everything one run was seen to do, and the numbers that the demo publishes of it. */
import type { CircuitState, Mode, Outcome } from "./Messages.js"
import type { Scrape } from "./Scrape.js"
import * as Statistics from "./Statistics.js"
import type { Timeline } from "./Timeline.js"

export interface CircuitChange {
  readonly policy: string
  readonly to: CircuitState
  /** Milliseconds from the timeline's zero, as everywhere here. */
  readonly at: number
}

export interface SocketSample {
  readonly at: number
  readonly inUse: number
  readonly waiting: number
  /** What the server has computed for until then. */
  readonly cpuMillis: number
}

export interface Recording {
  readonly mode: Mode
  readonly timeline: Timeline
  readonly outcomes: ReadonlyArray<Outcome>
  readonly circuits: ReadonlyArray<CircuitChange>
  readonly sockets: ReadonlyArray<SocketSample>
  /** What the server's metrics said of payment, about once a second; nothing where it had no policies. */
  readonly scrapes: ReadonlyArray<Scrape>
  readonly payment: { readonly callsDuringOutage: number; readonly maxChargesPerOrder: number }
  /** What became of the orders that were pending when the load ended. */
  readonly drained: { readonly confirmed: number; readonly rejected: number; readonly unsettled: number }
}

/** The published numbers of a run. The latencies are milliseconds. */
export interface Run {
  readonly products: Statistics.Route
  readonly orders: Statistics.Route
  readonly healthy: Statistics.Route
  /** What the server computed for each arrival before the outage. */
  readonly healthyCpuMillis: number
  readonly paymentCallsDuringOutage: number
  readonly ordersOffered: number
  readonly ordersAccepted: number
  readonly ordersConfirmed: number
  readonly maxChargesPerOrder: number
  readonly wrongAnswers: number
  readonly falseOpens: number
  readonly secondsToRecover: number | null
}

/** What is written by `--json`. */
export interface Report {
  readonly seed: number
  readonly pool: number | "unlimited"
  readonly loadSlipP99: number
  readonly runs: Readonly<Record<Mode, Run>>
}

/** The arrivals that count: the ones after the warm-up. */
const counted = (recording: Recording): ReadonlyArray<Outcome> =>
  Statistics.between(recording.outcomes, 0, recording.timeline.endAt)

/** How late the generator sent its 99th percentile, milliseconds. */
export const slipP99 = (recording: Recording): number =>
  Statistics.quantile(
    counted(recording).map(({ slipMillis }) => slipMillis),
    0.99
  )

/** What the server computed between two moments, for each arrival in between. */
const cpuForEach = ({ outcomes, sockets }: Recording, from: number, to: number): number => {
  const samples = sockets.filter(({ at }) => at >= from && at < to)
  const [first, last] = [samples[0], samples.at(-1)]
  if (first === undefined || last === undefined) return 0
  const arrivals = Statistics.between(outcomes, first.at, last.at).length
  return arrivals === 0 ? 0 : (last.cpuMillis - first.cpuMillis) / arrivals
}

export const summarize = (recording: Recording): Run => {
  const { backAt, endAt, slowAt } = recording.timeline
  const all = counted(recording)
  const pages = all.filter(({ kind }) => kind === "page")
  const orders = all.filter(({ kind }) => kind === "order")
  const outage = (outcomes: ReadonlyArray<Outcome>) => Statistics.between(outcomes, slowAt, backAt)
  const confirmedAtOnce = orders.filter(({ confirmed }) => confirmed).length
  const pendingAtFirst = orders.filter(({ pending }) => pending).length
  return {
    products: Statistics.route(outage(pages)),
    orders: Statistics.route(outage(orders)),
    healthy: Statistics.route(Statistics.between(pages, 0, slowAt)),
    healthyCpuMillis: cpuForEach(recording, 0, slowAt),
    paymentCallsDuringOutage: recording.payment.callsDuringOutage,
    ordersOffered: orders.length,
    ordersAccepted: confirmedAtOnce + pendingAtFirst,
    ordersConfirmed: confirmedAtOnce + recording.drained.confirmed,
    maxChargesPerOrder: recording.payment.maxChargesPerOrder,
    wrongAnswers: all.filter(({ wrong }) => wrong).length,
    falseOpens: recording.circuits.filter(({ policy, to }) => policy !== "payment" && to === "Open").length,
    secondsToRecover: Statistics.secondsToRecover(all, backAt, endAt)
  }
}
