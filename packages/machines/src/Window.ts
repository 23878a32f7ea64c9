/**
 * What a rule of a circuit breaker remembers of recent calls: how many there were, and how many failed. What a failure
 * is, the rule says: for a rule on slow calls it is a slow one.
 *
 * Two kinds. A count window holds the last `size` outcomes, 32 to a word; only the word being written lives in the
 * record, and once in 32 outcomes it is put among the others, by copying the block it stands in. A time window holds
 * totals for each of a few equal buckets; only the present bucket lives in the record. Both are immutable, and both cost
 * the same for an outcome, however large they are.
 *
 * Outcomes leave by themselves. Ages are kept in steps of a tenth of a count window's `maxAge` (of one bucket for a
 * time window), and an outcome leaves up to one step early, never late: at an age of `maxAgeMillis` (`spanMillis`)
 * none is left.
 *
 * Times are monotonic milliseconds. An outcome told with an earlier time than the one before counts as told with that.
 */

/** The last `size` outcomes, none of them as old as `maxAgeMillis`. */
export interface CountConfig {
  readonly _tag: "Count"
  /** How many outcomes are held, >= 1. */
  readonly size: number
  /** No outcome as old as this counts, in milliseconds, > 0. */
  readonly maxAgeMillis: number
}

/** The outcomes of the last `spanMillis`, in `buckets` equal steps. */
export interface TimeConfig {
  readonly _tag: "Time"
  /** How far back the window reaches, in milliseconds, > 0. */
  readonly spanMillis: number
  /** In how many steps outcomes leave, >= 1. */
  readonly buckets: number
}

/** Which outcomes a window remembers: the last so many, or those of the last so many milliseconds. */
export type Config = CountConfig | TimeConfig

/** Outcomes told in time step `step` are those from number `first` on, counted over the life of the window. */
interface Mark {
  readonly step: number
  readonly first: number
}

/** The state of a count window: totals of the outcomes that it holds, and one bit for each. */
export interface CountWindow {
  readonly _tag: "Count"
  readonly calls: number
  readonly failures: number
  /** Where the next outcome is written, 0 <= at < size. */
  readonly at: number
  /** The 32 outcomes around `at`: those below it are new, those above still the old ones. */
  readonly word: number
  readonly words: Words
  /** How many outcomes were ever told. */
  readonly told: number
  readonly marks: ReadonlyArray<Mark>
}

/** The state of a time window: totals of its span, and of each bucket. */
export interface TimeWindow {
  readonly _tag: "Time"
  readonly calls: number
  readonly failures: number
  /** The number of the present bucket since time 0. */
  readonly index: number
  readonly bucketCalls: number
  readonly bucketFailures: number
  /**
   * Calls and failures of each settled bucket, in turns; a bucket's place is its number modulo `buckets`. Without any
   * slots while nothing is held, so that an idle window is small.
   */
  readonly slots: ReadonlyArray<number>
}

/** What is remembered of recent outcomes; of use only with the config that it was made of. */
export type Window = CountWindow | TimeWindow

const ageSteps = 10

/** A count window's words stand in blocks of so many, so that writing one copies a block and the list of blocks. */
const blockSize = 64

type Words = ReadonlyArray<ReadonlyArray<number>>

const noWords = (count: number): Words =>
  Array.from({ length: Math.ceil(count / blockSize) }, (_, block) =>
    Array.from({ length: Math.min(blockSize, count - block * blockSize) }, () => 0)
  )

const wordIn = (words: Words, place: number): number => words[Math.floor(place / blockSize)]?.[place % blockSize] ?? 0

const withWord = (words: Words, place: number, word: number): Words => {
  const blocks = words.slice()
  const block = words[Math.floor(place / blockSize)]?.slice() ?? []
  block[place % blockSize] = word
  blocks[Math.floor(place / blockSize)] = block
  return blocks
}

// Multiplied before it is divided, here and for a bucket's index: the length of a step need not be a number that binary
// fractions can hold, and a rounded one would let an outcome stay a step too long.
const ageStep = (config: CountConfig, millis: number): number => Math.floor((millis * ageSteps) / config.maxAgeMillis)

const bitsOf = (word: number): number => {
  const pairs = word - ((word >>> 1) & 0x55555555)
  const nibbles = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333)
  return Math.imul((nibbles + (nibbles >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}

const noSlots: ReadonlyArray<number> = []

/** A window that was told nothing yet. */
export const empty = (config: Config): Window =>
  config._tag === "Count"
    ? {
        _tag: "Count",
        calls: 0,
        failures: 0,
        at: 0,
        word: 0,
        words: noWords(Math.ceil(config.size / 32)),
        told: 0,
        marks: []
      }
    : {
        _tag: "Time",
        calls: 0,
        failures: 0,
        index: 0,
        bucketCalls: 0,
        bucketFailures: 0,
        slots: noSlots
      }

/** The failures among the `count` oldest outcomes. */
const oldestFailures = (config: CountConfig, window: CountWindow, count: number): number => {
  let position = (window.at - window.calls + config.size) % config.size
  let left = count
  let failures = 0
  while (left > 0) {
    const index = position >>> 5
    const offset = position & 31
    const run = Math.min(left, 32 - offset, config.size - position)
    const word = index === window.at >>> 5 ? window.word : wordIn(window.words, index)
    const mask = run === 32 ? -1 : ((1 << run) - 1) << offset
    failures += bitsOf(word & mask)
    left -= run
    position = (position + run) % config.size
  }
  return failures
}

const advanceCount = (config: CountConfig, window: CountWindow, nowMillis: number): CountWindow => {
  const lastGone = ageStep(config, nowMillis - config.maxAgeMillis)
  const oldest = window.marks[0]
  if (oldest === undefined || oldest.step > lastGone) return window
  const marks = window.marks.filter((mark) => mark.step > lastGone)
  const kept = Math.min(window.calls, window.told - (marks[0]?.first ?? window.told))
  const failures = window.failures - oldestFailures(config, window, window.calls - kept)
  return { ...window, calls: kept, failures, marks }
}

const addCount = (config: CountConfig, before: CountWindow, failed: boolean, nowMillis: number): CountWindow => {
  const window = advanceCount(config, before, nowMillis)
  const bit = 1 << (window.at & 31)
  const full = window.calls === config.size
  const evicted = full && (window.word & bit) !== 0 ? 1 : 0
  const word = failed ? window.word | bit : window.word & ~bit
  const at = window.at + 1 === config.size ? 0 : window.at + 1
  const step = ageStep(config, nowMillis)
  const newest = window.marks[window.marks.length - 1]
  const marks =
    newest !== undefined && newest.step >= step ? window.marks : [...window.marks, { step, first: window.told }]
  const wordDone = (at & 31) === 0
  const words = wordDone ? withWord(window.words, window.at >>> 5, word) : window.words
  return {
    _tag: "Count",
    calls: full ? window.calls : window.calls + 1,
    failures: window.failures + (failed ? 1 : 0) - evicted,
    at,
    word: wordDone ? wordIn(words, at >>> 5) : word,
    words,
    told: window.told + 1,
    marks
  }
}

const advanceTime = (config: TimeConfig, window: TimeWindow, nowMillis: number): TimeWindow => {
  const index = Math.floor((nowMillis * config.buckets) / config.spanMillis)
  if (index <= window.index) return window
  const slots = window.slots.length === 0 ? Array.from({ length: config.buckets * 2 }, () => 0) : window.slots.slice()
  let { calls, failures } = window
  const place = (bucket: number, bucketCalls: number, bucketFailures: number) => {
    const slot = (bucket % config.buckets) * 2
    slots[slot] = bucketCalls
    slots[slot + 1] = bucketFailures
  }
  place(window.index, window.bucketCalls, window.bucketFailures)
  for (let bucket = Math.max(window.index + 1, index - config.buckets + 1); bucket <= index; bucket++) {
    const slot = (bucket % config.buckets) * 2
    calls -= slots[slot] ?? 0
    failures -= slots[slot + 1] ?? 0
    place(bucket, 0, 0)
  }
  const held = calls === 0 ? noSlots : slots
  return { _tag: "Time", calls, failures, index, bucketCalls: 0, bucketFailures: 0, slots: held }
}

const addTime = (config: TimeConfig, before: TimeWindow, failed: boolean, nowMillis: number): TimeWindow =>
  addAllTime(config, before, 1, failed ? 1 : 0, nowMillis)

const addAllTime = (
  config: TimeConfig,
  before: TimeWindow,
  calls: number,
  failures: number,
  nowMillis: number
): TimeWindow => {
  const window = advanceTime(config, before, nowMillis)
  return {
    _tag: "Time",
    calls: window.calls + calls,
    failures: window.failures + failures,
    index: window.index,
    bucketCalls: window.bucketCalls + calls,
    bucketFailures: window.bucketFailures + failures,
    slots: window.slots
  }
}

const mismatch = (config: Config, window: Window): never => {
  throw new TypeError(`a window of kind ${window._tag} was used with a config of kind ${config._tag}`)
}

/** The window as it is at `nowMillis`: what is too old by then has left. */
export const advance = (config: Config, window: Window, nowMillis: number): Window => {
  if (config._tag === "Count" && window._tag === "Count") return advanceCount(config, window, nowMillis)
  if (config._tag === "Time" && window._tag === "Time") return advanceTime(config, window, nowMillis)
  return mismatch(config, window)
}

/** The window after one more outcome at `nowMillis`. */
export const add = (config: Config, window: Window, failed: boolean, nowMillis: number): Window => {
  if (config._tag === "Count" && window._tag === "Count") return addCount(config, window, failed, nowMillis)
  if (config._tag === "Time" && window._tag === "Time") return addTime(config, window, failed, nowMillis)
  return mismatch(config, window)
}

/** A time window after so many more outcomes at `nowMillis`, none of which failed: as so many times `add`. */
export const addSuccesses = (config: TimeConfig, window: Window, calls: number, nowMillis: number): Window =>
  window._tag === "Time" ? addAllTime(config, window, calls, 0, nowMillis) : mismatch(config, window)
