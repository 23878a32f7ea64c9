/** What the server's `/metrics` said of one service, and what follows from two scrapes. Pure. */

/** One scrape. Counts of a bucket are of all calls that took no longer than its bound, in seconds. */
export interface Scrape {
  /** Milliseconds from the timeline's zero. */
  readonly at: number
  /** 0 closed, 1 open, 2 half-open. */
  readonly state: number
  readonly buckets: ReadonlyArray<readonly [bound: number, count: number]>
}

const sample = /^(\w+)\{([^}]*)\} (\S+)$/

const label = (labels: string, name: string): string | undefined =>
  new RegExp(`(?:^|,)${name}="([^"]*)"`).exec(labels)?.[1]

/** What is said of a service; nothing where it has no circuit. */
export const read = (text: string, service: string, at: number): Scrape | undefined => {
  const buckets = new Map<number, number>()
  let state: number | undefined
  for (const line of text.split("\n")) {
    const [, name, labels = "", value] = sample.exec(line) ?? []
    if (label(labels, "service") !== service) continue
    if (name === "circuit_breaker_state") state = Number(value)
    if (name !== "http_client_request_duration_seconds_bucket") continue
    const le = label(labels, "le")
    const bound = le === "+Inf" ? Infinity : Number(le)
    buckets.set(bound, (buckets.get(bound) ?? 0) + Number(value))
  }
  return state === undefined ? undefined : { at, state, buckets: [...buckets].toSorted(([a], [b]) => a - b) }
}

/**
 * How long the share `q` (0..1) of the calls between two scrapes took at most, in seconds, as Prometheus tells it from
 * buckets: in proportion inside one, and no more than the last bound. Nothing where there were no calls.
 */
export const quantile = (before: Scrape, after: Scrape, q: number): number | undefined => {
  const earlier = new Map(before.buckets)
  const counts = after.buckets.map(([bound, count]) => [bound, count - (earlier.get(bound) ?? 0)] as const)
  const wanted = q * (counts.at(-1)?.[1] ?? 0)
  if (wanted <= 0) return undefined
  const index = counts.findIndex(([, count]) => count >= wanted)
  const [from, below] = counts[index - 1] ?? [0, 0]
  const [to, upTo] = counts[index] ?? [from, below]
  return to === Infinity ? from : from + ((to - from) * (wanted - below)) / (upTo - below)
}

/** What there is to draw of the time between two scrapes: its end, the latencies in seconds, the state at its end. */
export interface Point {
  readonly at: number
  readonly state: number
  readonly p50: number | undefined
  readonly p99: number | undefined
}

/** The points of scrapes that follow each other. */
export const points = (scrapes: ReadonlyArray<Scrape>): ReadonlyArray<Point> =>
  scrapes.slice(1).flatMap((after, index) => {
    const before = scrapes[index]
    return before === undefined
      ? []
      : [{ at: after.at, state: after.state, p50: quantile(before, after, 0.5), p99: quantile(before, after, 0.99) }]
  })
