/**
 * A server of 1,000 a second (50 workers, 50 ms each on average, exponentially spread) behind a load shedder, whose limit is
 * fixed at 60 or learned. 20 seconds of 700 a second, then a minute of 2,000: 10 % critical, 30 % sheddable plus, 60 %
 * sheddable. Everybody waits for a second, and needs 100 ms of it.
 */
import { AdaptiveLimit, LoadShedder } from "@effect-resilience/machines"
import { arrivals } from "./Arrivals.js"
import { Chance } from "./Chance.js"
import { Server } from "./Server.js"
import { Simulation } from "./Simulation.js"
import { type Row, Tally } from "./Tally.js"

export type Policy = "shedder, fixed" | "shedder, adaptive"
export const policies: ReadonlyArray<Policy> = ["shedder, fixed", "shedder, adaptive"]

const fixed = 60
const limitConfig: AdaptiveLimit.Config = { algorithm: "knee", min: 1, max: 1000, initial: 20 }
const config: LoadShedder.Config = {
  maxWaiting: 64,
  newestFirstAbove: 16,
  targetMillis: 20,
  intervalMillis: 200,
  maxDelayMillis: 100,
  minRetryAfterMillis: 1000,
  maxRetryAfterMillis: 5000
}
const patienceMillis = 1000
const neededMillis = 100

const classOf = (chance: Chance): LoadShedder.Class => {
  const drawn = chance.next()
  if (drawn < 0.1) return "CRITICAL"
  return drawn < 0.4 ? "SHEDDABLE_PLUS" : "SHEDDABLE"
}

class Entrance {
  private learned = AdaptiveLimit.initial(limitConfig)
  private state: LoadShedder.State
  private readonly open = new Map<number, { readonly serve: () => void; readonly refuse: () => void }>()
  private arrived = 0

  constructor(
    private readonly simulation: Simulation,
    private readonly server: Server,
    private readonly policy: Policy
  ) {
    this.state = LoadShedder.initial(policy === "shedder, fixed" ? fixed : AdaptiveLimit.limit(this.learned))
  }

  get limit(): number {
    return this.state.limit
  }

  readonly arrive = (of: LoadShedder.Class, served: () => void, refuse: () => void): void => {
    const id = this.arrived++
    this.open.set(id, { serve: () => this.serve(served), refuse })
    const nowMillis = this.simulation.wholeMillis
    const latestMillis = nowMillis + patienceMillis - neededMillis
    this.follow(LoadShedder.arrive(config, this.state, { id, class: of, latestMillis }, nowMillis))
  }

  private serve(served: () => void): void {
    const startedMillis = this.simulation.wholeMillis
    const inFlight = this.state.running
    this.server.request(() => {
      served()
      const nowMillis = this.simulation.wholeMillis
      this.follow(LoadShedder.release(config, this.state, nowMillis))
      if (this.policy === "shedder, fixed") return
      const sample: AdaptiveLimit.Sample = { outcome: "Success", startedMillis, inFlight }
      this.learned = AdaptiveLimit.learn(limitConfig, this.learned, sample, nowMillis)
      const limit = AdaptiveLimit.limit(this.learned)
      if (limit !== this.state.limit) this.follow(LoadShedder.resize(config, this.state, limit, nowMillis))
    })
  }

  private follow([{ admitted, refused }, state]: readonly [LoadShedder.Outcome, LoadShedder.State]): void {
    this.state = state
    const taken = (id: number) => {
      const request = this.open.get(id)
      this.open.delete(id)
      return request
    }
    refused.forEach(({ id }) => taken(id)?.refuse())
    admitted.forEach((id) => taken(id)?.serve())
  }
}

/** In all, and for each class, under twice the capacity. */
export const shedding = (policy: Policy, seed: number): ReadonlyArray<Row> => {
  const simulation = new Simulation()
  const chance = new Chance(seed)
  const server = new Server(simulation, 50, () => chance.exponential(50))
  const entrance = new Entrance(simulation, server, policy)
  const tallies = new Map<string, Tally>()
  const tallyOf = (name: string): Tally => {
    const tally = tallies.get(name) ?? new Tally()
    tallies.set(name, tally)
    return tally
  }
  const arrive = (isCounted: boolean) => () => {
    const of = classOf(chance)
    const beganMillis = simulation.nowMillis
    const counted = isCounted ? [tallyOf("all"), tallyOf(of)] : []
    counted.forEach((tally) => tally.offered++)
    entrance.arrive(
      of,
      () => counted.forEach((tally) => tally.answered(simulation.nowMillis - beganMillis)),
      () => counted.forEach((tally) => tally.refused++)
    )
  }
  arrivals(simulation, chance, 700, 20_000, arrive(false))
  simulation.run(20_000)
  arrivals(simulation, chance, 2000, 60_000, arrive(true))
  for (let at = 30_000; at < 60_000; at += 500) simulation.after(at, () => tallyOf("all").limitWas(entrance.limit))
  simulation.run(80_000)
  return ["all", ...LoadShedder.classes].flatMap((name) => {
    const row = tallies.get(name)?.row(`shedding: 2000/s, ${name}`, policy, 60)
    return row === undefined ? [] : [row]
  })
}
