/** Every scenario of load control, in a clock that jumps: the same numbers for the same seed, on any machine. */
import { table } from "../harness/Report.js"
import * as Hedging from "./hedging.js"
import * as Outage from "./outage.js"
import * as Overload from "./overload.js"
import * as Shedding from "./shedding.js"
import type { Row } from "./Tally.js"
import * as Throttling from "./throttling.js"

/** The scenarios by name. */
export const scenarios: ReadonlyMap<string, (seed: number) => ReadonlyArray<Row>> = new Map([
  ["overload", (seed: number) => Overload.policies.flatMap((policy) => Overload.overload(policy, seed))],
  [
    "outage",
    (seed: number) => Outage.loads.flatMap((load) => Outage.policies.flatMap((of) => Outage.outage(of, load, seed)))
  ],
  [
    "throttling",
    (seed: number) =>
      [10 * Throttling.capacity, Throttling.capacity / 2].map((perSecond) => Throttling.throttling(perSecond, seed))
  ],
  [
    "hedging",
    (seed: number) =>
      [false, true].flatMap((isIncident) =>
        Hedging.policies.map((policy) => Hedging.hedging(policy, isIncident, 50, seed))
      )
  ],
  ["shedding", (seed: number) => Shedding.policies.flatMap((policy) => Shedding.shedding(policy, seed))]
])

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

/** The results of these scenarios: a table, or for machines the numbers alone. */
export const loadSuite = (names: ReadonlyArray<string>, seed: number, isJson: boolean): string => {
  const all = names.flatMap((name) => scenarios.get(name)?.(seed) ?? [])
  if (!isJson) return table([heads, ...all.map(cells)], "")
  const numbers = all.map(({ goodput, limit, p50, p99, policy, refused, scenario }): Row => {
    return { scenario, policy, goodput, p50, p99, refused, limit }
  })
  return JSON.stringify(numbers, null, 2)
}
