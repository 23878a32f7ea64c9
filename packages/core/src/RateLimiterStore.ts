/**
 * Where rate limiters keep what each key has used. By default each limiter has it in memory, for its process alone: n
 * instances of a service admit n times the limit. A store that several processes share is provided as a Layer to
 * `RateLimiter.make`; `layerMemory` lets the limiters of one process that have the same name share theirs.
 *
 * A ledger decides and takes in one step that nothing comes between; with the time of its own, where there is one clock for
 * all who share it. It must not fail: one that is out of reach says itself whether it admits or refuses.
 */
import type { RateLimiter as Machine } from "@effect-resilience/machines"
import { Context, Effect, Layer } from "effect"
import { memory, type Size } from "./limiter/Memory.js"

export type { Size } from "./limiter/Memory.js"

/** What the keys of one limiter have used. */
export interface Ledger {
  /** Takes `cost` permits of a key if they are there now, and says what is left. */
  readonly take: (key: string, limit: Machine.Config, cost: number) => Effect.Effect<Machine.Decision>
  /** As `take`, for a ledger in memory: in the caller's synchronous step, at `nowMillis` of the monotonic clock. */
  readonly takeNow?: (key: string, limit: Machine.Config, cost: number, nowMillis: number) => Machine.Decision
  /** In how many milliseconds `cost` permits will be there once `ahead` others have been taken first; 0 is now. */
  readonly waitMillis: (key: string, limit: Machine.Config, cost: number, ahead: number) => Effect.Effect<number>
  /** What is left of a key. */
  readonly standing: (key: string, limit: Machine.Config) => Effect.Effect<Machine.Standing>
  /** How many keys it holds, and how often it held too many. */
  readonly size: Effect.Effect<Size>
}

/** Gives each limiter its ledger, the same to those of the same name; of at most `maxKeys` keys, if that is for it to say. */
export interface Store {
  readonly open: (limiter: string, maxKeys: number) => Effect.Effect<Ledger>
}

/** The store that limiters are made with, where one is provided. */
export class RateLimiterStore extends Context.Tag("@effect-resilience/core/RateLimiterStore")<
  RateLimiterStore,
  Store
>() {}

/** A ledger in memory. */
export const inMemory = (maxKeys: number): Ledger => memory(maxKeys)

const makeMemory: Effect.Effect<Store> = Effect.sync(() => {
  const ledgers = new Map<string, Ledger>()
  const open = (limiter: string, maxKeys: number) =>
    Effect.sync(() => {
      const ledger = ledgers.get(limiter) ?? inMemory(maxKeys)
      ledgers.set(limiter, ledger)
      return ledger
    })
  return { open }
})

/** Keeps all in memory; limiters of one name share what their keys have used. */
export const layerMemory: Layer.Layer<RateLimiterStore> = Layer.effect(RateLimiterStore, makeMemory)
