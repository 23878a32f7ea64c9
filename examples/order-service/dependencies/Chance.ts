/**
 * Chance that can be repeated: every number is a pure function of the seed, of who asks, and of how often that one has
 * asked before. So the faults of a run do not depend on how its requests happened to interleave.
 *
 * The mixing step is the 32-bit finalizer of MurmurHash3 (Austin Appleby). Good enough to draw latencies and faults
 * with, and nothing else: it is not a source of secrets.
 */
import { Hash } from "effect"

const mix = (bits: number): number => {
  const a = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b)
  const b = Math.imul(a ^ (a >>> 13), 0xc2b2ae35)
  return (b ^ (b >>> 16)) >>> 0
}

/** One draw: `seed` is the run, `stream` who draws, `index` the how-manieth time. */
export interface Draw {
  readonly seed: number
  readonly stream: string
  readonly index: number
}

/** A number between 0 and 1, both excluded, so that its logarithm is always finite. */
export const uniform = (draw: Draw): number => {
  const stream = mix(mix(draw.seed + 0x9e3779b9) ^ Hash.string(draw.stream))
  return (mix(mix(stream + Math.imul(draw.index, 0x9e3779b1)) ^ stream) + 0.5) / 0x1_0000_0000
}

/** A lognormal latency in milliseconds; `sigma` is the spread of its logarithm (0.45: p99 is 2.8 times the median). */
export const lognormalMillis = (draw: Draw, median: number, sigma: number): number => {
  const radius = Math.sqrt(-2 * Math.log(uniform({ ...draw, stream: `${draw.stream}/radius` })))
  const angle = 2 * Math.PI * uniform({ ...draw, stream: `${draw.stream}/angle` })
  return median * Math.exp(sigma * radius * Math.cos(angle))
}

/** A whole number from `from` to `to`, both included. */
export const integer = (draw: Draw, from: number, to: number): number =>
  from + Math.floor(uniform(draw) * (to - from + 1))
