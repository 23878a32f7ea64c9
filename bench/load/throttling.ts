/**
 * A dependency that accepts 100 calls a second and refuses the others after 5 ms, called by one process with an adaptive
 * throttle (k = 2, over two minutes). Ten minutes; the last four are counted. At its ease it is called 50 times a second.
 */
import { AdaptiveThrottle, RateLimiter } from "@effect-resilience/machines"
import { arrivals } from "./Arrivals.js"
import { Chance } from "./Chance.js"
import { Simulation } from "./Simulation.js"
import { type Row, Tally } from "./Tally.js"

export const capacity = 100
export const k = 2

const config: AdaptiveThrottle.Config = { k, maxRejection: 0.9, windowMillis: 120_000, buckets: 12 }
const accepting: RateLimiter.Config = { _tag: "TokenBucket", limit: capacity, windowMillis: 1000, burst: capacity }
const answerMillis = 5
const settlingMillis = 360_000
const countedMillis = 240_000

export interface Throttled extends Row {
  /** How many went out, a second. */
  readonly sent: number
}

export const throttling = (perSecond: number, seed: number): Throttled => {
  const simulation = new Simulation()
  const chance = new Chance(seed)
  let dependency = RateLimiter.initial(accepting)
  let throttle = AdaptiveThrottle.initial(config)
  let sent = 0
  const callIn = (tally: Tally) => () => {
    tally.offered++
    const [admitted, next] = AdaptiveThrottle.acquire(config, throttle, chance.next(), simulation.wholeMillis)
    throttle = next
    if (!admitted) {
      tally.refused++
      return
    }
    sent++
    const [{ admitted: accepted }, left] = RateLimiter.take(accepting, dependency, 1, simulation.wholeMillis)
    dependency = left
    simulation.after(answerMillis, () => {
      throttle = AdaptiveThrottle.told(config, throttle, accepted, simulation.wholeMillis)
      if (accepted) tally.answered(answerMillis)
    })
  }
  arrivals(simulation, chance, perSecond, settlingMillis, callIn(new Tally()))
  simulation.run(settlingMillis)
  sent = 0
  const tally = new Tally()
  arrivals(simulation, chance, perSecond, countedMillis, callIn(tally))
  simulation.run(settlingMillis + countedMillis)
  const seconds = countedMillis / 1000
  const name = `throttle: ${perSecond}/s to a dependency of ${capacity}/s`
  return {
    ...tally.row(name, "adaptive throttle", seconds),
    sent: sent / seconds,
    note: `${(sent / seconds).toFixed(1)}/s sent`
  }
}
