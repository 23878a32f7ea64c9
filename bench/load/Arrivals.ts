import type { Chance } from "./Chance.js"
import type { Simulation } from "./Simulation.js"

/** Requests that come by themselves, whatever became of those before: `perSecond` of them on average, for so long. */
export const arrivals = (
  simulation: Simulation,
  chance: Chance,
  perSecond: number,
  millis: number,
  arrive: () => void
): void => {
  const endMillis = simulation.nowMillis + millis
  const next = () =>
    simulation.after(chance.exponential(1000 / perSecond), () => {
      if (simulation.nowMillis >= endMillis) return
      next()
      arrive()
    })
  next()
}
