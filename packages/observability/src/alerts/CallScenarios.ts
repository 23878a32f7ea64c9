/**
 * What the alerts about shares of calls, permits and answers make of those just beyond their limits and just short of them.
 */
import { metrics } from "../MetricNames.js"
import { countOf, series } from "../PromQl.js"
import type { alerts } from "./Alerts.js"
import type { Settings } from "./Options.js"
import {
  aBitLess,
  aBitMore,
  constant,
  firesWhenDue,
  type Given,
  growing,
  instance,
  labelsOf,
  neverFires,
  otherInstance,
  type Scenario,
  silentAt,
  turning,
  type Values
} from "./Scenarios.js"

type Alerts = ReturnType<typeof alerts>

/** Calls from one scrape to the next. */
const calls = 1_000

/** The scenarios of timeouts. */
export const timeouts = (settings: Settings, { timeouts: alert }: Alerts): ReadonlyArray<Scenario> => {
  const step = settings.scrapeMillis
  const { limit } = settings.timeouts
  const labels = { ...labelsOf(settings), endpoint: "charge" }
  const attempts = (status: string, values: Values): Given => ({
    series: countOf(metrics.attemptDuration, { ...labels, status }),
    values
  })
  const given = (share: number): ReadonlyArray<Given> => [
    { series: series(metrics.timeouts, labels), values: growing(calls * share) },
    attempts("timeout", growing(calls * share)),
    attempts("200", growing(calls * (1 - share)))
  ]
  // A rate needs two scrapes.
  const over = limit * aBitMore
  return [
    {
      name: "timeouts just above the limit",
      given: given(over),
      checks: firesWhenDue(settings.timeouts, step, step, over)
    },
    {
      name: "timeouts just below the limit",
      given: given(limit * aBitLess),
      checks: neverFires(settings.timeouts, step, step)
    },
    {
      name: "no calls, so no timeouts",
      given: [
        { series: series(metrics.timeouts, labels), values: constant(5) },
        attempts("timeout", constant(5)),
        attempts("200", constant(5))
      ],
      checks: neverFires(settings.timeouts, step, step)
    }
  ].map((scenario) => ({ ...scenario, alert, stepMillis: step }))
}

const retried = (settings: Settings, result: string, values: Values): Given => ({
  series: series(metrics.retries, { ...labelsOf(settings), attempt: "2", result }),
  values
})

/** The scenarios of how much is repeated. */
export const retries = (settings: Settings, { retries: alert }: Alerts): ReadonlyArray<Scenario> => {
  const step = settings.scrapeMillis
  const { limit } = settings.retries
  const requests = (status: string, values: Values): Given => ({
    series: countOf(metrics.requestDuration, { ...labelsOf(settings), endpoint: "charge", status }),
    values
  })
  const given = (share: number): ReadonlyArray<Given> => [
    requests("200", growing(calls)),
    retried(settings, "success", growing((calls * share) / 2)),
    retried(settings, "failure", growing((calls * share) / 2))
  ]
  const over = limit * aBitMore
  return [
    {
      name: "retries just above the limit",
      given: given(over),
      checks: firesWhenDue(settings.retries, step, step, over)
    },
    {
      name: "retries just above the limit, and many calls that were refused",
      given: [...given(over), requests("open", growing(100 * calls)), requests("rejected", growing(100 * calls))],
      checks: firesWhenDue(settings.retries, step, step, over)
    },
    {
      name: "retries just below the limit",
      given: given(limit * aBitLess),
      checks: neverFires(settings.retries, step, step)
    }
  ].map((scenario) => ({ ...scenario, alert, stepMillis: step }))
}

/** The scenarios of whether repeating helps. */
export const retrySuccess = (settings: Settings, { retrySuccess: alert }: Alerts): ReadonlyArray<Scenario> => {
  const step = settings.scrapeMillis
  const { limit } = settings.retrySuccess
  const given = (share: number): ReadonlyArray<Given> => [
    retried(settings, "success", growing(calls * share)),
    retried(settings, "failure", growing(calls * (1 - share)))
  ]
  const under = limit * aBitLess
  return [
    {
      name: "retries that succeed just too rarely",
      given: given(under),
      checks: firesWhenDue(settings.retrySuccess, step, step, under)
    },
    {
      name: "retries that succeed just often enough",
      given: given(Math.min(1, limit * aBitMore)),
      checks: neverFires(settings.retrySuccess, step, step)
    },
    {
      name: "not one retry succeeds",
      given: given(0),
      checks: firesWhenDue(settings.retrySuccess, step, step, 0)
    },
    {
      name: "not one retry succeeds, and no series says so",
      given: [retried(settings, "failure", growing(calls))],
      checks: firesWhenDue(settings.retrySuccess, step, step, 0)
    },
    {
      name: "no retries at all",
      given: [retried(settings, "success", constant(3)), retried(settings, "failure", constant(9))],
      checks: neverFires(settings.retrySuccess, step, step)
    }
  ].map((scenario) => ({ ...scenario, alert, stepMillis: step }))
}

/** The scenarios of permits. */
export const bulkhead = (settings: Settings, { bulkhead: alert }: Alerts): ReadonlyArray<Scenario> => {
  const step = settings.scrapeMillis
  const { forMillis, limit } = settings.bulkhead
  const permits = 1_000
  const most = Math.floor(permits * limit)
  const given = (active: Values, who: string = instance): ReadonlyArray<Given> => [
    { series: series(metrics.bulkheadActive, { ...labelsOf(settings), instance: who }), values: active },
    { series: series(metrics.bulkheadLimit, { ...labelsOf(settings), instance: who }), values: constant(permits) }
  ]
  const short = Math.ceil(forMillis / step)
  const scenarios = [
    {
      name: "more permits in use than the limit says, in one of two instances",
      given: [...given(constant(most + 1)), ...given(constant(0), otherInstance)],
      checks: firesWhenDue(settings.bulkhead, step, 0, (most + 1) / permits)
    },
    {
      name: "as many permits in use as the limit says",
      given: given(constant(most)),
      checks: neverFires(settings.bulkhead, step, 0)
    }
  ]
  const briefly = {
    name: "all permits in use, for just too short a time",
    given: given(turning([permits, short], [0, 1])),
    checks: silentAt((short - 1) * step, short * step)
  }
  return [...scenarios, ...(forMillis === 0 ? [] : [briefly])].map((each) => ({ ...each, alert, stepMillis: step }))
}

/** The scenarios of degraded answers. */
export const fallback = (settings: Settings, { fallback: alert }: Alerts): ReadonlyArray<Scenario> => {
  const step = settings.scrapeMillis
  const { forMillis } = settings.fallback
  const short = Math.ceil(forMillis / step)
  const given = (values: Values): ReadonlyArray<Given> => [
    { series: series(metrics.fallbackActive, labelsOf(settings)), values }
  ]
  const scenarios = [
    {
      name: "a fallback that goes on",
      given: given(constant(1)),
      checks: firesWhenDue(settings.fallback, step, 0, 1)
    },
    {
      name: "no fallback",
      given: given(constant(0)),
      checks: neverFires(settings.fallback, step, 0)
    }
  ]
  const briefly = {
    name: "a fallback for just too short a time",
    given: given(turning([1, short], [0, 1])),
    checks: silentAt((short - 1) * step, short * step)
  }
  return [...scenarios, ...(forMillis === 0 ? [] : [briefly])].map((each) => ({ ...each, alert, stepMillis: step }))
}
