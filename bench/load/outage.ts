/**
 * A server of 1,000 a second (50 workers, 50 ms each on average, exponentially spread) stops for five seconds. It takes what
 * comes meanwhile, and works it off afterwards, in order, whether anybody waits for it still or not. It is called by 20
 * processes, each with policies of its own, after a minute at the same load.
 *
 * `four attempts`: a time limit of 2 seconds each, a second's wait between them on average, nothing else. `defaults`: what
 * `Policy.standard` does by itself: three attempts of 2 seconds in 10 seconds at most, retries within their budget (a fifth
 * of the calls and one a second), 50 calls at a time, a circuit that opens when half of the calls of 30 seconds failed.
 */
import { arrivals } from "./Arrivals.js"
import { Chance } from "./Chance.js"
import { Client, type Options } from "./Client.js"
import { Server } from "./Server.js"
import { Simulation } from "./Simulation.js"
import { type Row, Tally } from "./Tally.js"

export type Policy = "four attempts" | "defaults"
export const policies: ReadonlyArray<Policy> = ["four attempts", "defaults"]
export const loads: ReadonlyArray<number> = [0.7, 0.9]

const capacity = 1000
const clients = 20
const warmUpMillis = 60_000
const stopMillis = 5_000
const backWithinMillis = 10_000
const restMillis = 90_000

const backoff = { baseMillis: 100, capMillis: 2_000, factor: 2 }
const options: { readonly [K in Policy]: Options } = {
  "four attempts": {
    maxRetries: 3,
    timeoutMillis: 2_000,
    deadlineMillis: Infinity,
    backoff,
    budget: undefined,
    circuit: undefined,
    maxConcurrent: Infinity
  },
  defaults: {
    maxRetries: 2,
    timeoutMillis: 2_000,
    deadlineMillis: 10_000,
    backoff,
    budget: { _tag: "Ratio", ratio: 0.2, minPerSecond: 1, ttlMillis: 10_000 },
    circuit: {
      tripPolicy: {
        _tag: "Rate",
        threshold: 0.5,
        minimumCalls: 20,
        window: { _tag: "Time", spanMillis: 30_000, buckets: 10 }
      },
      openMillis: () => 30_000,
      openJitter: 0.1,
      maxOpenMillis: 300_000,
      probes: 1,
      successThreshold: 1,
      probeTimeoutMillis: 10_000
    },
    maxConcurrent: 50
  }
}

export interface Stretch extends Row {
  /** The share of the calls that were answered in the end. */
  readonly served: number
}

/** Before the stop, while it lasts, the ten seconds after it, and the eighty after those. */
export const outage = (policy: Policy, load: number, seed: number): ReadonlyArray<Stretch> => {
  const simulation = new Simulation()
  const chance = new Chance(seed)
  const server = new Server(simulation, 50, () => chance.exponential(50))
  const fleet = Array.from({ length: clients }, () => new Client(simulation, chance, server, options[policy]))
  const callIn = (tally: Tally) => () => {
    const beganMillis = simulation.nowMillis
    tally.offered++
    fleet[Math.floor(chance.next() * clients)]?.call((end) => {
      if (end === "served") tally.answered(simulation.nowMillis - beganMillis)
      if (end === "refused") tally.refused++
    })
  }
  const stretches: ReadonlyArray<readonly [name: string, millis: number, begins: () => void]> = [
    ["before", warmUpMillis, () => undefined],
    ["stopped", stopMillis, server.stop],
    ["10 s after", backWithinMillis, server.resume],
    ["later", restMillis - backWithinMillis, () => undefined]
  ]
  let endMillis = 0
  const tallies = stretches.map(([name, millis, begins]) => {
    begins()
    const tally = new Tally()
    arrivals(simulation, chance, load * capacity, millis, callIn(tally))
    endMillis += millis
    simulation.run(endMillis)
    return { name, millis, tally }
  })
  // Calls that came last may still be answered; none comes any more.
  simulation.run(endMillis + 10_000)
  return tallies.map(({ millis, name, tally }) => ({
    ...tally.row(`outage at ${load * 100} %: ${name}`, policy, millis / 1000),
    note: `${((100 * tally.served) / tally.offered).toFixed(2)} % served`,
    served: tally.served / tally.offered
  }))
}
