/**
 * How long calls took of late, for what learns from that: quantiles over a trailing window, as a `Hedge` and an adaptive
 * timeout have them.
 */
import { Quantiles as Machine } from "@effect-resilience/machines"
import { Duration } from "effect"
import * as InvalidOptions from "./InvalidOptions.js"

/** What is learned, and of which calls. */
export interface Options {
  /** The share of the calls that takes no longer than what is learned. From 0 to 1. */
  readonly quantile: number
  /** How far back calls count, in 10 steps. From 10 ms; default 1 minute. */
  readonly window?: Duration.DurationInput | undefined
  /** With fewer calls in the window nothing is learned. From 1; default 100. */
  readonly minimumCalls?: number | undefined
}

/** Options that were checked. */
export interface Settings extends Machine.RecentConfig {
  readonly quantile: number
  readonly minimumCalls: number
}

/** Checks the options; `path` names them in what is said of them. */
export const settings = (options: Options, path: string): InvalidOptions.Checked<Settings> =>
  InvalidOptions.every<Settings>({
    quantile: InvalidOptions.fraction(`${path}quantile`, options.quantile, "0 included"),
    windowMillis: InvalidOptions.span(`${path}window`, options.window ?? "1 minute", 10),
    slices: InvalidOptions.valid(10),
    minimumCalls: InvalidOptions.integer(`${path}minimumCalls`, options.minimumCalls ?? 100, 1)
  })

/** A share of the calls, and how long they took at most, within 1 %. */
export interface Quantile {
  readonly quantile: number
  readonly latency: Duration.Duration
}

/** How long the calls in the window took. */
export interface Snapshot {
  /** How many were counted. */
  readonly calls: number
  /** Of the half, of 0.9, of 0.99, and what is learned; none before there was a call. */
  readonly quantiles: ReadonlyArray<Quantile>
}

const shown = [0.5, 0.9, 0.99]

/** It is reckoned anew when so many parts of a hundred have come since: a window full of calls takes a while to look at. */
const partsOfHundred = 2

export class Latencies {
  private recent = Machine.emptyRecent
  private reckonedIndex = -1
  private reckonedCalls = 0
  private added = 0
  private millis: number | undefined = undefined

  constructor(private readonly of: Settings) {}

  /** A call took so long. */
  add(millis: number, now: number): void {
    this.recent = Machine.addRecent(this.of, this.recent, millis, now)
    this.added++
  }

  /** What is learned, in milliseconds; undefined before there were calls enough. */
  learned(now: number): number | undefined {
    this.recent = Machine.advance(this.of, this.recent, now)
    const isNew = this.added > 0 && this.added * 100 >= this.reckonedCalls * partsOfHundred
    if (isNew || this.recent.index !== this.reckonedIndex) this.reckon()
    return this.millis
  }

  snapshot(now: number): Snapshot {
    this.recent = Machine.advance(this.of, this.recent, now)
    const sketch = Machine.inRecent(this.recent)
    const quantiles = [...new Set([...shown, this.of.quantile])].toSorted((one, other) => one - other)
    return {
      calls: sketch.count,
      quantiles: quantiles.flatMap((quantile) => {
        const millis = Machine.quantile(sketch, quantile)
        return millis === undefined ? [] : [{ quantile, latency: Duration.millis(millis) }]
      })
    }
  }

  private reckon(): void {
    const sketch = Machine.inRecent(this.recent)
    this.reckonedIndex = this.recent.index
    this.reckonedCalls = sketch.count
    this.added = 0
    this.millis = sketch.count < this.of.minimumCalls ? undefined : Machine.quantile(sketch, this.of.quantile)
  }
}
