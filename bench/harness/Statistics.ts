/** The middle of a sample and of its halves. */
export interface Quartiles {
  readonly q1: number
  readonly median: number
  readonly q3: number
}

const quantile = (ascending: ReadonlyArray<number>, share: number): number => {
  const place = (ascending.length - 1) * share
  const low = ascending[Math.floor(place)] ?? Number.NaN
  const high = ascending[Math.ceil(place)] ?? Number.NaN
  return low + (high - low) * (place - Math.floor(place))
}

export const quartiles = (sample: ReadonlyArray<number>): Quartiles => {
  const ascending = sample.toSorted((a, b) => a - b)
  return { q1: quantile(ascending, 0.25), median: quantile(ascending, 0.5), q3: quantile(ascending, 0.75) }
}

export type Verdict = "met" | "missed" | "within noise"

/** A goal inside the quartiles is neither met nor missed: the measurement cannot tell. */
export const verdict = ({ q1, q3 }: Quartiles, goal: number): Verdict =>
  q3 <= goal ? "met" : q1 > goal ? "missed" : "within noise"

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
export const random = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

export const shuffled = <A>(items: ReadonlyArray<A>, next: () => number): ReadonlyArray<A> =>
  items
    .map((item) => [next(), item] as const)
    .toSorted(([a], [b]) => a - b)
    .map(([, item]) => item)
