/**
 * Quantiles of what was seen, each within 1 % of the true one, however many values there were and in whatever order: a
 * DDSketch. A value is counted in the bin of its logarithm, so that a bin is 2 % wide wherever it lies; two sketches are
 * merged by adding their bins.
 *
 * `Recent` keeps a ring of sketches, one for each slice of a trailing span, so that what is too old is forgotten.
 *
 * Values are numbers from 0 to 2^53; those below a thousandth count as 0. Times are monotonic milliseconds. Source:
 * "DDSketch: A Fast and Fully-Mergeable Quantile Sketch with Relative-Error Guarantees", Masson, Rim and Lee, PVLDB, 2019.
 */

/** How far a quantile may be from the true value, as a share of it. */
export const relativeError = 0.01

const gamma = (1 + relativeError) / (1 - relativeError)
const logGamma = Math.log(gamma)
const smallest = 1e-3
const largest = Number.MAX_SAFE_INTEGER

/** The bin of the smallest value that is not 0, so that bins count from 0. */
const firstBin = Math.ceil(Math.log(smallest) / logGamma)

/** Bins stand in blocks of so many: counting a value copies one block and the list of blocks. */
const blockSize = 32

type Block = ReadonlyArray<number>

/** What was seen: how many values, how many of them 0, and how many in each bin. */
export interface Sketch {
  readonly count: number
  readonly zeros: number
  readonly blocks: ReadonlyArray<Block | undefined>
}

/** Nothing seen. */
export const empty: Sketch = { count: 0, zeros: 0, blocks: [] }

const binOf = (value: number): number => Math.ceil(Math.log(Math.min(value, largest)) / logGamma) - firstBin

/** The value in the middle of a bin, at most `relativeError` from any in it. */
const valueOf = (bin: number): number => (2 * Math.pow(gamma, bin + firstBin)) / (gamma + 1)

const noCounts: Block = Array.from({ length: blockSize }, () => 0)

/** The sketch after one more value. */
export const add = (sketch: Sketch, value: number): Sketch => {
  const { blocks, count, zeros } = sketch
  if (!(value >= smallest)) return { count: count + 1, zeros: zeros + 1, blocks }
  const bin = binOf(value)
  const place = Math.floor(bin / blockSize)
  const block = (blocks[place] ?? noCounts).slice()
  block[bin % blockSize] = (block[bin % blockSize] ?? 0) + 1
  const next = blocks.length > place ? blocks.slice() : Array.from({ length: place }, (_, at) => blocks[at])
  next[place] = block
  return { count: count + 1, zeros, blocks: next }
}

const mergedBlocks = (one: Block | undefined, other: Block | undefined): Block | undefined =>
  one === undefined || other === undefined ? (one ?? other) : one.map((count, at) => count + (other[at] ?? 0))

/** All that two sketches saw. */
export const merge = (one: Sketch, other: Sketch): Sketch => ({
  count: one.count + other.count,
  zeros: one.zeros + other.zeros,
  blocks: Array.from({ length: Math.max(one.blocks.length, other.blocks.length) }, (_, at) =>
    mergedBlocks(one.blocks[at], other.blocks[at])
  )
})

/** The value below which a share `q` (0 to 1) of all lies; undefined where nothing was seen. */
export const quantile = (sketch: Sketch, q: number): number | undefined => {
  if (sketch.count === 0) return undefined
  const rank = Math.floor(Math.min(1, Math.max(0, q)) * (sketch.count - 1))
  let below = sketch.zeros
  if (rank < below) return 0
  for (const [place, block] of sketch.blocks.entries()) {
    for (const [at, count] of (block ?? []).entries()) {
      below += count
      if (rank < below) return valueOf(place * blockSize + at)
    }
  }
  return undefined
}

/** The values of the last `windowMillis`, forgotten a slice at a time. */
export interface RecentConfig {
  /** How far back values count, in milliseconds, > 0. */
  readonly windowMillis: number
  /** In how many slices they are forgotten, >= 1. */
  readonly slices: number
}

/** The slices of a trailing span; of use only with the config that it was made of. */
export interface Recent {
  /** The number of the present slice since time 0. */
  readonly index: number
  /** What the present slice saw. */
  readonly present: Sketch
  /** What the slices before it saw, the youngest first. */
  readonly older: ReadonlyArray<Sketch>
  /** All of `older` in one. */
  readonly merged: Sketch
}

/** A span in which nothing was seen. */
export const emptyRecent: Recent = { index: 0, present: empty, older: [], merged: empty }

/** The span as it is at `nowMillis`: slices that are too old by then have left. */
export const advance = ({ slices, windowMillis }: RecentConfig, recent: Recent, nowMillis: number): Recent => {
  const index = Math.floor((nowMillis * slices) / windowMillis)
  const passed = index - recent.index
  if (passed <= 0) return recent
  const skipped = Array.from({ length: Math.min(passed - 1, slices) }, () => empty)
  const older = [...skipped, recent.present, ...recent.older].slice(0, slices - 1)
  return { index, present: empty, older, merged: older.reduce(merge, empty) }
}

/** The span after one more value at `nowMillis`. */
export const addRecent = (config: RecentConfig, recent: Recent, value: number, nowMillis: number): Recent => {
  const now = advance(config, recent, nowMillis)
  return { ...now, present: add(now.present, value) }
}

/** All that the span holds, as one sketch. */
export const inRecent = (recent: Recent): Sketch => merge(recent.merged, recent.present)
