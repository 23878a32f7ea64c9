/**
 * A rate limiter: so much in a span of time, for each key (a caller, a tenant, an API key). Towards a dependency it keeps a
 * quota; for a server it keeps one caller from taking what is there for all.
 *
 * A token bucket admits up to twice its limit in one window: `burst` at once, and what comes in meanwhile. Where the quota
 * is strict use `algorithm: "sliding-window"`, which counts the window before as if its calls had been spread evenly, and
 * can be fooled only by calls at the window's edges; or a bucket with a small `burst`: `limit: 60, window: "1 minute",
 * burst: 1` spaces calls by a second.
 *
 * A call that finds nothing left is refused, or waits in the line of its key, first come, first served: only the first in
 * line sleeps, nobody overtakes it, and whoever is interrupted gives the place back to those behind. A wait that would
 * be longer than `maxWait`, or than the caller's deadline, is refused at once, before it. Permits do not come back: what a
 * call has taken is used, whatever becomes of it.
 *
 * It holds for one process, unless a `RateLimiterStore` is provided that several share. Keys that are idle are forgotten
 * as soon as that makes no difference; beyond `maxKeys` those that are new share one more.
 */
import { type Duration, Effect, Predicate, type Scope } from "effect"
import { dual } from "effect/Function"
import * as InvalidOptions from "./InvalidOptions.js"
import { type Options, type Settings, settings } from "./limiter/Limit.js"
import { Limiter, type Snapshot, type Taken, type TakeOptions, type WaitOptions } from "./limiter/Limiter.js"
import type { RateLimited } from "./limiter/RateLimited.js"
import { Base, type Policy } from "./policy/Model.js"
import * as PolicyRegistry from "./PolicyRegistry.js"
import { inMemory, RateLimiterStore } from "./RateLimiterStore.js"

export { type Options, settings, type Settings } from "./limiter/Limit.js"
export type { Snapshot, Taken, TakeOptions, WaitOptions } from "./limiter/Limiter.js"
export { RateLimited } from "./limiter/RateLimited.js"

const RateLimiterTypeId: unique symbol = Symbol.for("@effect-resilience/core/RateLimiter")

/** A rate limiter; `forKey` makes a policy of it. */
export interface RateLimiter {
  readonly [RateLimiterTypeId]: typeof RateLimiterTypeId
  readonly name: string
  /** Takes permits, or fails with `RateLimited`. */
  readonly take: (options?: TakeOptions) => Effect.Effect<Taken, RateLimited>
  /** How long a call would wait that came now, nothing being taken for it: zero if it would not. */
  readonly wait: (options?: WaitOptions) => Effect.Effect<Duration.Duration>
  readonly snapshot: Effect.Effect<Snapshot>
}

/** Whether this is a rate limiter. */
export const isRateLimiter = (u: unknown): u is RateLimiter => Predicate.hasProperty(u, RateLimiterTypeId)

class OfLimiter implements RateLimiter {
  readonly [RateLimiterTypeId]: typeof RateLimiterTypeId = RateLimiterTypeId
  constructor(
    readonly name: string,
    private readonly limiter: Limiter
  ) {}
  readonly take = (options?: TakeOptions): Effect.Effect<Taken, RateLimited> => this.limiter.take(options)
  readonly wait = (options?: WaitOptions): Effect.Effect<Duration.Duration> => this.limiter.wait(options)
  get snapshot(): Effect.Effect<Snapshot> {
    return this.limiter.snapshot
  }
}

/** Makes a limiter of settings that were checked, and registers it while the scope lives. */
export const fromSettings = (name: string, of: Settings): Effect.Effect<RateLimiter, never, Scope.Scope> =>
  Effect.gen(function* () {
    const keyed = yield* PolicyRegistry.keyed
    const store = yield* Effect.serviceOption(RateLimiterStore)
    // What was used under another algorithm or window says nothing under this one.
    const ledger =
      store._tag === "None"
        ? inMemory(of.maxKeys)
        : yield* store.value.open(`${name}/${of.algorithm}/${of.windowMillis}`, of.maxKeys)
    return yield* PolicyRegistry.register(new OfLimiter(name, new Limiter(name, of, ledger, keyed)))
  })

/**
 * Makes a rate limiter, in the `RateLimiterStore` that is provided, else in memory. Dies with `InvalidOptions` if an option is
 * out of range.
 *
 * @example
 * ```ts
 * import { RateLimiter } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const limit = (key: string) => (key.startsWith("gold-") ? 1000 : 60)
 *   const limiter = yield* RateLimiter.make("api", { limit, window: "1 minute" })
 *   const { remaining } = yield* limiter.take({ key: "gold-7", cost: 5 })
 *   return remaining
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * ```
 */
export const make = (name: string, options: Options): Effect.Effect<RateLimiter, never, Scope.Scope> =>
  Effect.flatMap(InvalidOptions.orDie(name, settings(options, "")), (of) => fromSettings(name, of))

class OfKey extends Base implements Policy<RateLimited> {
  constructor(
    private readonly limiter: RateLimiter,
    private readonly options: TakeOptions
  ) {
    super(limiter.name)
  }
  readonly protect = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | RateLimited, R> =>
    Effect.zipRight(this.limiter.take(this.options), self)
}

/**
 * A limiter as a policy, for calls of one key.
 *
 * @example
 * ```ts
 * import { Policy, RateLimiter, Timeout } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const limiter = yield* RateLimiter.make("geocoder", { limit: 50, window: "1 second" })
 *   const timeout = yield* Timeout.make("geocoder", { duration: "2 seconds" })
 *   const inTurn = RateLimiter.forKey(limiter, { onExceeded: "wait", maxWait: "3 seconds" })
 *   return yield* Effect.succeed("51.5 N").pipe(Policy.all(inTurn, timeout).protect)
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * ```
 */
export const forKey = (limiter: RateLimiter, options: TakeOptions = {}): Policy<RateLimited> =>
  new OfKey(limiter, options)

/**
 * Runs the effect once it has permits.
 *
 * @example
 * ```ts
 * import { RateLimiter } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const limiter = yield* RateLimiter.make("login", { limit: 5, window: "1 minute" })
 *   const attempt = Effect.succeed("welcome").pipe(RateLimiter.protect(limiter, { key: "203.0.113.7" }))
 *   yield* Effect.replicateEffect(attempt, 5)
 *   return (yield* Effect.flip(attempt)).message
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * ```
 */
export const protect: {
  (
    limiter: RateLimiter,
    options?: TakeOptions
  ): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | RateLimited, R>
  <A, E, R>(
    self: Effect.Effect<A, E, R>,
    limiter: RateLimiter,
    options?: TakeOptions
  ): Effect.Effect<A, E | RateLimited, R>
} = dual(
  (args) => Effect.isEffect(args[0]),
  <A, E, R>(self: Effect.Effect<A, E, R>, limiter: RateLimiter, options: TakeOptions = {}) =>
    forKey(limiter, options).protect(self)
)
