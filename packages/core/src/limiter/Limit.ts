/**
 * The options of a rate limiter, their checks, and the limit of each key.
 */
import type { RateLimiter as Machine } from "@effect-resilience/machines"
import { type Duration, Either } from "effect"
import * as InvalidOptions from "../InvalidOptions.js"

/** How much may happen. */
export interface Options {
  /** How many permits each key has in a window: a number from 1, or what is that for a key, which is asked at each call. */
  readonly limit: number | ((key: string) => number)
  /** From 1 ms. */
  readonly window: Duration.DurationInput
  /** How many permits a key that was idle has at once, with a token bucket. From 1; default its limit. */
  readonly burst?: number | undefined
  /** Default `"token-bucket"`. */
  readonly algorithm?: "token-bucket" | "sliding-window" | undefined
  /** How many keys are told apart in memory; those beyond share one. From 1; default 100,000. */
  readonly maxKeys?: number | undefined
}

/** Options that were checked. */
export interface Settings {
  readonly algorithm: NonNullable<Options["algorithm"]>
  readonly windowMillis: number
  readonly burst: number | undefined
  readonly maxKeys: number
  /** Asked for each call, where not all keys have the same limit. */
  readonly tiers: ((key: string) => number) | undefined
  /** The limit of all keys, where there are no tiers. */
  readonly fixed: Machine.Config | undefined
}

/** A product of a window and a limit above this is no longer exact. */
const most = Number.MAX_SAFE_INTEGER

const configOf = (
  { algorithm, burst, windowMillis }: Pick<Settings, "algorithm" | "burst" | "windowMillis">,
  limit: number
): Machine.Config =>
  algorithm === "sliding-window"
    ? { _tag: "SlidingWindow", limit, windowMillis }
    : { _tag: "TokenBucket", limit, windowMillis, burst: burst ?? limit }

const checkedLimit = (path: string, limit: number, windowMillis: number): InvalidOptions.Checked<number> =>
  InvalidOptions.integer(
    `${path}limit`,
    limit,
    1,
    Math.max(1, Math.min(1_000_000_000, Math.floor(most / windowMillis)))
  )

/** Checks the options; `path` names them in what is said of them. */
export const settings = (options: Options, path: string): InvalidOptions.Checked<Settings> => {
  const { limit, maxKeys = 100_000 } = options
  const algorithm = options.algorithm ?? "token-bucket"
  const window = InvalidOptions.span(`${path}window`, options.window)
  const windowMillis = Either.getOrElse(window, () => 1)
  const burst: InvalidOptions.Checked<number | undefined> =
    options.burst === undefined
      ? InvalidOptions.valid(undefined)
      : InvalidOptions.also(
          InvalidOptions.integer(`${path}burst`, options.burst, 1, Math.floor(most / windowMillis)),
          () => algorithm === "token-bucket",
          (value) => ({ option: `${path}burst`, value: `${value}`, allowed: "left out with a sliding window" })
        )
  return InvalidOptions.map(
    InvalidOptions.every<{ window: number; burst: number | undefined; limit: number; maxKeys: number }>({
      window,
      burst,
      limit: typeof limit === "function" ? InvalidOptions.valid(0) : checkedLimit(path, limit, windowMillis),
      maxKeys: InvalidOptions.integer(`${path}maxKeys`, maxKeys, 1)
    }),
    (checked): Settings => {
      const of = { algorithm, windowMillis, burst: checked.burst }
      return typeof limit === "function"
        ? { ...of, maxKeys, tiers: limit, fixed: undefined }
        : { ...of, maxKeys, tiers: undefined, fixed: configOf(of, limit) }
    }
  )
}

/** No more tiers than this are remembered; those of a program are few. */
const mostTiers = 1_000

/** The limit of each key, those of a tier made once. */
export class Limits {
  private readonly byTier = new Map<number, InvalidOptions.Checked<Machine.Config>>()
  private readonly fixed: InvalidOptions.Checked<Machine.Config> | undefined

  constructor(private readonly of: Settings) {
    this.fixed = of.fixed && InvalidOptions.valid(of.fixed)
  }

  /** The limit of a key, checked. */
  readonly ofKey = (key: string): InvalidOptions.Checked<Machine.Config> =>
    this.fixed ?? this.ofTier(this.of.tiers?.(key) ?? NaN)

  /** The limit that a tier has, made when it is first asked for. */
  private ofTier(tier: number): InvalidOptions.Checked<Machine.Config> {
    const known = this.byTier.get(tier)
    if (known !== undefined) return known
    const made = InvalidOptions.map(checkedLimit("", tier, this.of.windowMillis), (limit) => configOf(this.of, limit))
    if (this.byTier.size < mostTiers) this.byTier.set(tier, made)
    return made
  }
}
