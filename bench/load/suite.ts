/** Every scenario of load control, in a clock that jumps: the same numbers for the same seed, on any machine. */
import { table } from "../harness/Report.js"
import * as Hedging from "./hedging.js"
import * as Outage from "./outage.js"
import * as Overload from "./overload.js"
import * as Shedding from "./shedding.js"
import type { Row } from "./Tally.js"
import * as Throttling from "./throttling.js"

const rows = (seed: number): ReadonlyArray<Row> => [
  ...Overload.policies.flatMap((policy) => Overload.overload(policy, seed)),
  ...Outage.loads.flatMap((load) => Outage.policies.flatMap((policy) => Outage.outage(policy, load, seed))),
  ...[10 * Throttling.capacity, Throttling.capacity / 2].map((perSecond) => Throttling.throttling(perSecond, seed)),
  ...[false, true].flatMap((isIncident) =>
    Hedging.policies.map((policy) => Hedging.hedging(policy, isIncident, 50, seed))
  ),
  ...Shedding.policies.flatMap((policy) => Shedding.shedding(policy, seed))
]

const cells = ({ goodput, limit, note, p50, p99, policy, refused, scenario }: Row): ReadonlyArray<string> => [
  scenario,
  policy,
  goodput.toFixed(0),
  p50.toFixed(0),
  p99.toFixed(0),
  `${(100 * refused).toFixed(2)} %`,
  limit === null ? "" : limit.toFixed(0),
  note ?? ""
]

const heads = ["scenario", "policy", "goodput/s", "p50 ms", "p99 ms", "refused", "limit", ""]

/** All results: a table, or for machines the numbers alone. */
export const loadSuite = (seed: number, isJson: boolean): string => {
  const all = rows(seed)
  if (!isJson) return table([heads, ...all.map(cells)], "")
  const numbers = all.map(({ goodput, limit, p50, p99, policy, refused, scenario }): Row => {
    return { scenario, policy, goodput, p50, p99, refused, limit }
  })
  return JSON.stringify(numbers, null, 2)
}
