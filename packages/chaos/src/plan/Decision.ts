/**
 * What a plan does to a call: a pure decision.
 */
import type { Call, Fault } from "./Model.js"
import type { Setting, Settings } from "./Settings.js"

/** A fault that a call is hit by. */
export interface Hit {
  readonly fault: Fault
  /** How long the call is delayed, in milliseconds; undefined for what is no latency. */
  readonly delayMillis: number | undefined
}

/** How far a plan has got: where its chance stands, and how often each fault has hit. */
export interface State {
  readonly chance: number
  readonly hits: ReadonlyArray<number>
}

/** Numbers in [0, 1) that look random, the same for the same seed: mulberry32 as a step. */
const step = (chance: number): readonly [number, number] => {
  const next = (chance + 0x6d2b79f5) | 0
  let t = Math.imul(next ^ (next >>> 15), 1 | next)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return [((t ^ (t >>> 14)) >>> 0) / 4_294_967_296, next]
}

/** A plan that nobody has called yet. */
export const initial = (settings: Settings, seed: number): State => ({
  chance: seed | 0,
  hits: settings.parts.flatMap(({ settings: faults }) => faults.map(() => 0))
})

interface Draws {
  readonly rate: number
  readonly first: number
  readonly second: number
}

/** Three numbers for each fault, needed or not: what one fault draws does not depend on the others. */
const drawsFor = (faults: number, from: number): readonly [ReadonlyArray<Draws>, number] => {
  const draws: Array<Draws> = []
  let chance = from
  for (let i = 0; i < faults; i++) {
    const [rate, afterRate] = step(chance)
    const [first, afterFirst] = step(afterRate)
    const [second, afterSecond] = step(afterFirst)
    draws.push({ rate, first, second })
    chance = afterSecond
  }
  return [draws, chance]
}

/** Whether a fault is for a call, chance left aside. */
const isFor = (setting: Setting, { hits }: State, call: Call, holds: (predicate: string) => boolean): boolean =>
  call.now >= setting.fromMillis &&
  call.now < setting.untilMillis &&
  (hits[setting.index] ?? 0) < setting.times &&
  (setting.methods?.has(call.method) ?? true) &&
  (setting.fault.when === undefined || holds(setting.fault.when))

const isLast = ({ fault }: Hit): boolean => fault.kind !== "latency"

/**
 * What a call is hit by when it arrives, in the order of the plan: latencies, then at most one fault of another kind. `holds`
 * tells whether a predicate holds of the call.
 */
export const decide = (
  settings: Settings,
  state: State,
  call: Call,
  holds: (predicate: string) => boolean
): readonly [ReadonlyArray<Hit>, State] => {
  const part = settings.parts.find(({ endMillis, startMillis }) => call.now >= startMillis && call.now < endMillis)
  if (part === undefined || part.settings.length === 0) return [[], state]
  const [draws, chance] = drawsFor(part.settings.length, state.chance)
  const found: Array<Hit> = []
  const counted: Array<number> = []
  for (const [i, setting] of part.settings.entries()) {
    const drawn = draws[i]
    if (drawn === undefined || drawn.rate >= setting.rate || !isFor(setting, state, call, holds)) continue
    const hit = { fault: setting.fault, delayMillis: setting.latency?.(drawn.first, drawn.second) }
    found.push(hit)
    counted.push(setting.index)
    if (isLast(hit)) break
  }
  const hits = counted.length === 0 ? state.hits : state.hits.map((n, i) => (counted.includes(i) ? n + 1 : n))
  return [found, { chance, hits }]
}
