/**
 * 10,000 requests, 200 a second, each of which makes 100 calls at once and needs all of them. A call takes about 10 ms
 * (lognormal, spread 0.3), but one in 500 takes 1 to 3 seconds, as after a lost packet or in a long pause of one of many
 * replicas; a second copy knows nothing of the first. It begins after the 0.98 quantile of the last 30 seconds, and not
 * at all in the first. What comes in the first two is not counted. Where there is a budget, copies are at most 5 % of the calls.
 *
 * In the incident all calls take ten times as long for the second half of the time: then a copy for every call would double
 * the load just when it hurts.
 */
import { Hedge, Quantiles, RetryBudget } from "@effect-resilience/machines"
import { arrivals } from "./Arrivals.js"
import { Chance } from "./Chance.js"
import { Simulation } from "./Simulation.js"
import { quantile, type Row } from "./Tally.js"

export type Policy = "none" | "hedge" | "hedge under a budget"
export const policies: ReadonlyArray<Policy> = ["none", "hedge", "hedge under a budget"]

export const budgetRatio = 0.05
const budgetConfig: RetryBudget.Config = { _tag: "Ratio", ratio: budgetRatio, minPerSecond: 0, ttlMillis: 10_000 }
const recentConfig: Quantiles.RecentConfig = { windowMillis: 30_000, slices: 6 }
const fanOut = 100
const perSecond = 200
const maxHedges = 1

export interface Hedged extends Row {
  readonly p999: number
  /** Copies by calls. */
  readonly more: number
}

export const hedging = (policy: Policy, isIncident: boolean, seconds: number, seed: number): Hedged => {
  const simulation = new Simulation()
  const chance = new Chance(seed)
  let budget = RetryBudget.initial(budgetConfig)
  let recent = Quantiles.emptyRecent
  let delayMillis: number | undefined
  let copies = 0
  let calls = 0
  const settlingMillis = 2000
  const latency = (): number => {
    const usual = chance.happens(1 / 500) ? 1000 + 2000 * chance.next() : chance.lognormal(10, 0.3)
    return isIncident && simulation.nowMillis > seconds * 500 ? 10 * usual : usual
  }
  const mayHedge = (): boolean => {
    if (policy === "none") return false
    if (policy === "hedge") return true
    const [granted, next] = RetryBudget.withdraw(budgetConfig, budget, simulation.wholeMillis)
    budget = next
    return granted
  }
  const call = (ended: () => void): void => {
    const beganMillis = simulation.nowMillis
    let state = Hedge.initial
    let isOpen = true
    const copy = () =>
      simulation.after(latency(), () => {
        if (!isOpen) return
        isOpen = false
        recent = Quantiles.addRecent(recentConfig, recent, simulation.nowMillis - beganMillis, simulation.wholeMillis)
        ended()
      })
    calls++
    budget = RetryBudget.called(budgetConfig, budget, simulation.wholeMillis)
    copy()
    if (delayMillis === undefined) return
    simulation.after(delayMillis, () => {
      if (!isOpen || !Hedge.hasMore(maxHedges, state)) return
      const [decision, next] = Hedge.elapsed(maxHedges, state, mayHedge())
      state = next
      if (decision !== "Start") return
      copies++
      copy()
    })
  }
  const latencies: Array<number> = []
  arrivals(simulation, chance, perSecond, seconds * 1000, () => {
    const beganMillis = simulation.nowMillis
    let left = fanOut
    for (let n = 0; n < fanOut; n++) {
      call(() => {
        left--
        if (left === 0 && beganMillis >= settlingMillis) latencies.push(simulation.nowMillis - beganMillis)
      })
    }
  })
  for (let second = 1; second <= seconds; second++) {
    simulation.run(second * 1000)
    delayMillis = Quantiles.quantile(Quantiles.inRecent(recent), 0.98)
  }
  simulation.run(seconds * 1000 + 60_000)
  const p999 = quantile(latencies, 0.999)
  const more = copies / calls
  return {
    scenario: `fan-out of ${fanOut}${isIncident ? ", incident" : ""}`,
    policy,
    goodput: latencies.length / (seconds - settlingMillis / 1000),
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    refused: 0,
    limit: null,
    p999,
    more,
    note: `p99.9 ${p999.toFixed(0)} ms, ${(100 * more).toFixed(2)} % more calls`
  }
}
