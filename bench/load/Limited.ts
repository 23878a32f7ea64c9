/**
 * One caller, or one server's own entrance, that lets so many requests run at a time and refuses the others at once,
 * before a queueing server. In phases of steady rates, each with a tally of its own.
 */
import { AdaptiveLimit } from "@effect-resilience/machines"
import { arrivals } from "./Arrivals.js"
import { Chance } from "./Chance.js"
import { Server } from "./Server.js"
import { Simulation } from "./Simulation.js"
import { Tally } from "./Tally.js"

/** No limit, one that never changes, or one that is learned. */
export type Policy = "none" | "fixed" | AdaptiveLimit.Algorithm

export interface Phase {
  readonly perSecond: number
  readonly seconds: number
  /** How much longer every call takes; default 1. */
  readonly slower?: number
  /** How many workers there are; default as in the setting. */
  readonly workers?: number
}

export interface Setting {
  readonly workers: number
  readonly serviceMillis: number
  /** How service times are spread: not at all, with a spread of 0.5, or over the whole range. */
  readonly spread: "constant" | "lognormal" | "exponential"
  readonly phases: ReadonlyArray<Phase>
  /** A caller gives up then. */
  readonly timeoutMillis: number
  /** The limit that `fixed` has, and the first of the others. */
  readonly fixed: number
  readonly initial: number
  readonly max: number
}

const sampler = (chance: Chance, { serviceMillis, spread }: Setting): (() => number) => {
  if (spread === "constant") return () => serviceMillis
  return spread === "exponential" ? () => chance.exponential(serviceMillis) : () => chance.lognormal(serviceMillis, 0.5)
}

/** What limits the calls: how many may run, and what is learned when one has ended. */
interface Limiter {
  readonly limit: () => number
  readonly ended: (outcome: AdaptiveLimit.Sample["outcome"], startedMillis: number, inFlight: number) => void
}

const limiter = (simulation: Simulation, policy: Policy, setting: Setting): Limiter => {
  if (policy === "none") return { limit: () => Infinity, ended: () => undefined }
  if (policy === "fixed") return { limit: () => setting.fixed, ended: () => undefined }
  const config: AdaptiveLimit.Config = { algorithm: policy, min: 1, max: setting.max, initial: setting.initial }
  let state = AdaptiveLimit.initial(config)
  return {
    limit: () => AdaptiveLimit.limit(state),
    ended: (outcome, startedMillis, inFlight) => {
      state = AdaptiveLimit.learn(config, state, { outcome, startedMillis, inFlight }, simulation.wholeMillis)
    }
  }
}

/** The tally of each phase. */
export const limited = (policy: Policy, setting: Setting, seed: number): ReadonlyArray<Tally> => {
  const simulation = new Simulation()
  const chance = new Chance(seed)
  let slower = 1
  const sample = sampler(chance, setting)
  const server = new Server(simulation, setting.workers, () => slower * sample())
  const { ended, limit } = limiter(simulation, policy, setting)
  let inFlight = 0

  const arrive = (tally: Tally) => () => {
    tally.offered++
    if (inFlight >= limit()) {
      tally.refused++
      return
    }
    inFlight++
    const [startedMillis, running] = [simulation.nowMillis, inFlight]
    let isOpen = true
    const end = (outcome: AdaptiveLimit.Sample["outcome"]) => {
      if (!isOpen) return
      isOpen = false
      inFlight--
      ended(outcome, Math.floor(startedMillis), running)
      if (outcome === "Success") tally.answered(simulation.nowMillis - startedMillis)
      else tally.late++
    }
    simulation.after(setting.timeoutMillis, () => end("Dropped"))
    server.request(() => end("Success"))
  }

  let phaseBegins = 0
  return setting.phases.map((phase) => {
    const tally = new Tally()
    const millis = phase.seconds * 1000
    slower = phase.slower ?? 1
    server.resize(phase.workers ?? setting.workers)
    arrivals(simulation, chance, phase.perSecond, millis, arrive(tally))
    // The first half is for settling.
    const watchedFrom = policy === "none" ? Infinity : millis / 2
    for (let at = watchedFrom; at < millis; at += 500) simulation.after(at, () => tally.limitWas(limit()))
    phaseBegins += millis
    simulation.run(phaseBegins)
    return tally
  })
}
