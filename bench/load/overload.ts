/**
 * A server of 1,000 a second (50 workers, 50 ms each on average, exponentially spread) that is asked 700 times a second,
 * then 2,000 times for two minutes, then 700 times again; a caller waits for a second. `fixed` is set by somebody who knew
 * the server: 60.
 */
import { limited, type Policy, type Setting } from "./Limited.js"
import type { Row } from "./Tally.js"

export const policies: ReadonlyArray<Policy> = ["none", "fixed", "aimd", "vegas", "gradient2", "knee"]

export const setting: Setting = {
  workers: 50,
  serviceMillis: 50,
  spread: "exponential",
  timeoutMillis: 1000,
  fixed: 60,
  initial: 20,
  max: 1000,
  phases: [
    { perSecond: 700, seconds: 20 },
    { perSecond: 700, seconds: 30 },
    { perSecond: 2000, seconds: 120 },
    { perSecond: 700, seconds: 30 },
    { perSecond: 700, seconds: 30 }
  ]
}

const names = ["700/s, settling", "700/s", "2000/s", "700/s, the 30 s after", "700/s, later"]

/** A row for each phase. */
export const overload = (policy: Policy, seed: number): ReadonlyArray<Row> =>
  limited(policy, setting, seed).map((tally, place) =>
    tally.row(`overload: ${names[place] ?? ""}`, policy, setting.phases[place]?.seconds ?? 1)
  )
