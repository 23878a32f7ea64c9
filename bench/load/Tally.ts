/** One line of the results: per second and in milliseconds, `refused` as a share of what was offered. */
export interface Row {
  readonly scenario: string
  readonly policy: string
  /** Answers in time, a second. */
  readonly goodput: number
  readonly p50: number
  readonly p99: number
  readonly refused: number
  /** The median of the limit; `null` where there is none. */
  readonly limit: number | null
  /** What else is worth a glance, in the table. */
  readonly note?: string
}

/** The value below which a share `q` lies; 0 of nothing. */
export const quantile = (values: ReadonlyArray<number>, q: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(q * (sorted.length - 1))] ?? 0
}

/** What became of the requests of one stretch of time, by when they arrived. */
export class Tally {
  private readonly latencies: Array<number> = []
  private readonly limits: Array<number> = []
  offered = 0
  refused = 0
  late = 0

  get served(): number {
    return this.latencies.length
  }

  readonly answered = (latencyMillis: number): void => {
    this.latencies.push(latencyMillis)
  }

  readonly limitWas = (limit: number): void => {
    this.limits.push(limit)
  }

  readonly row = (scenario: string, policy: string, seconds: number): Row => ({
    scenario,
    policy,
    goodput: this.served / seconds,
    p50: quantile(this.latencies, 0.5),
    p99: quantile(this.latencies, 0.99),
    refused: this.offered === 0 ? 0 : this.refused / this.offered,
    limit: this.limits.length === 0 ? null : quantile(this.limits, 0.5)
  })
}
