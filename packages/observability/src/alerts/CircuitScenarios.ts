/**
 * What the alerts about circuits make of openings that are short, long, many, over, or of one instance among others.
 */
import { metrics } from "../MetricNames.js"
import { series, span } from "../PromQl.js"
import type { alerts } from "./Alerts.js"
import { type Counted, scrapesForEachTrip, type Settings, tripSeenMillis } from "./Options.js"
import {
  constant,
  fires,
  type Given,
  labelsOf,
  missedBefore,
  otherInstance,
  type Scenario,
  silentAt,
  turning,
  type Values
} from "./Scenarios.js"

type Alerts = ReturnType<typeof alerts>

const closed = 0
const open = 1
const halfOpen = 2

/** The scenarios of the alert that fires at once. */
export const openings = (settings: Settings, { open: alert }: Alerts): ReadonlyArray<Scenario> => {
  const step = settings.scrapeMillis
  const labels = labelsOf(settings)
  const seen = tripSeenMillis(settings) / step
  const state = (values: Values, of: typeof labels = labels): Given => ({
    series: series(metrics.circuitState, of),
    values
  })
  const trips = (values: Values, of: typeof labels = labels): Given => ({
    series: series(metrics.circuitTrips, of),
    values
  })
  const other = { ...labels, instance: otherInstance }
  return [
    {
      name: "a circuit that opens and closes",
      given: [state(turning([closed, 2], [open, 20], [closed, 1])), trips(turning([0, 2], [1, 1]))],
      checks: [...silentAt(step), fires(2 * step, 1), fires(21 * step, 1), ...silentAt(22 * step)]
    },
    {
      name: "a circuit that stays closed, and tripped before",
      given: [state(constant(closed)), trips(constant(7))],
      checks: silentAt(0, step, 40 * step)
    },
    {
      name: "half-open in one instance does not mask open in another",
      given: [state(constant(open)), trips(constant(1)), state(constant(halfOpen), other), trips(constant(1), other)],
      checks: [fires(0, 1), fires(40 * step, 1)]
    },
    {
      name: "an opening between two scrapes, which no gauge shows",
      given: [state(constant(closed)), trips(turning([0, 2], [1, 1]))],
      checks: [...silentAt(step), fires(2 * step, 1), ...silentAt((2 + seen) * step)]
    },
    {
      name: "an idle service whose opening is over",
      given: [state(turning([closed, 2], [open, 2], [halfOpen, 1])), trips(turning([0, 2], [1, 1]))],
      checks: [fires(3 * step, 1), ...silentAt((2 + seen) * step, 240 * step)]
    },
    {
      name: "a restart, which sets the counter of trips back",
      given: [state(constant(closed)), trips(turning([3, 2], [0, 1]))],
      checks: silentAt(step, 2 * step, 3 * step, 40 * step)
    }
  ].map((scenario) => ({ ...scenario, alert, stepMillis: step }))
}

/** The values of a counter that grows by one at each of these scrapes; set back to where it began at another. */
const counting = (at: ReadonlyArray<number>, restart: number = Infinity, before: number = 0): Values => {
  const total = (scrape: number): number =>
    before + at.filter((each) => each <= scrape && (scrape < restart || each > restart)).length
  const turns = [0, ...at, ...(restart === Infinity ? [] : [restart])].toSorted((a, b) => a - b)
  return turning(
    ...turns.flatMap((turn, i): ReadonlyArray<readonly [number, number]> => {
      const scrapes = (turns[i + 1] ?? turn + 1) - turn
      return scrapes === 0 ? [] : [[total(turn), scrapes]]
    })
  )
}

/** Scrapes in which the trips happen: not as many as a day has, because `promtool` evaluates every rule at each of them. */
const scrapesIn = ({ limit, withinMillis }: Counted, scrapeMillis: number): number =>
  Math.min(Math.floor(withinMillis / scrapeMillis), Math.max(240, (limit + 1) * scrapesForEachTrip))

/** The scenarios of an alert that counts trips. */
export const manyTrips = (
  settings: Settings,
  alert: Alerts["trips"] | Alerts["slowBurn"],
  counted: Counted
): ReadonlyArray<Scenario> => {
  const { limit } = counted
  const stepMillis = settings.scrapeMillis
  const scrapes = scrapesIn(counted, stepMillis)
  // Where these scrapes are all that the range has, trips can be seen to leave it.
  const whole = (scrapes + 1) * stepMillis > counted.withinMillis
  const labels = labelsOf(settings)
  const trips = (values: Values, of: typeof labels = labels): Given => ({
    series: series(metrics.circuitTrips, of),
    values
  })
  const evenly = (count: number) =>
    Array.from({ length: count }, (_, i) => Math.floor(((i + 1) * scrapes) / (count + 1)))
  const end = (scrapes - 1) * stepMillis
  const within = span(counted.withinMillis)
  const apart = Math.floor(scrapes / Math.max(1, limit)) + 2
  const rarely = Array.from({ length: limit + 1 }, (_, i) => 1 + i * apart)
  const before = 7
  const enough = evenly(limit + 1)
  const half = enough.filter((_, i) => i % 2 === 0)
  const rest = enough.filter((_, i) => i % 2 === 1)
  const scenarios = [
    {
      name: `${limit + 1} trips within ${within}`,
      given: [trips(counting(enough))],
      checks: [fires(end, limit + 1), ...(whole ? silentAt((2 * scrapes + 2) * stepMillis) : [])]
    },
    {
      name: `${limit} trips within ${within}`,
      given: [trips(counting(evenly(limit)))],
      checks: silentAt(end)
    },
    {
      // Here Prometheus extrapolates.
      name: `${limit} trips within ${within}, after others, and a scrape that was missed`,
      given: [trips(missedBefore(before, counting(evenly(limit), Infinity, before)))],
      checks: silentAt((scrapes + 1) * stepMillis)
    }
  ]
  const slowly = {
    name: `${limit + 1} trips in more than ${within}`,
    given: [trips(counting(rarely))],
    checks: silentAt((limit * apart + 1) * stepMillis, (limit * apart + 2) * stepMillis)
  }
  const ofSeveral = [
    ...(whole ? [slowly] : []),
    {
      name: `${limit + 1} trips within ${within}, of two circuits`,
      given: [trips(counting(half)), trips(counting(rest), { ...labels, instance: otherInstance })],
      checks: silentAt(end)
    },
    {
      name: `${limit + 1} trips within ${within}, and a restart between them`,
      given: [trips(counting(enough, (enough[0] ?? 0) + 1))],
      checks: [fires(end, limit + 1)]
    }
  ]
  return [...scenarios, ...(limit === 0 ? [] : ofSeveral)].map((scenario) => ({ ...scenario, alert, stepMillis }))
}
