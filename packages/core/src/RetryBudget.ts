/**
 * A budget for retries: they may only be a share of the calls, or they keep a dependency down that could stand up again.
 *
 * While few calls fail it is never noticed. Once most do, `maxRetries: 2` alone would send three times the calls to a
 * dependency that cannot serve one; with a budget the excess is `ratio` of the calls. Where it is empty, the caller gets
 * the last error at once, without a wait.
 *
 * Give one to a `Retry`, or the same to several that ask the same dependency; `Policy.standard` has one by default. It
 * refuses no call. A retry counts when it is granted, before its wait; one that is then not made has still been counted.
 * It is of one process: each of n instances has its own.
 *
 * Whoever has it tells it of each call that he is asked for. Of one that passes two who share it, a retry around a hedge or
 * around another retry, both do, and what is repeated outside is a call inside: it pays for two or three times as much. Give it
 * to one of them, or use `Policy.standard`, whose retry and hedge tell it once.
 *
 * Sources: Finagle's `RetryBudget`; the standard retry mode of the AWS SDKs.
 */
import { RetryBudget as Machine } from "@effect-resilience/machines"
import { type Duration, Effect, Predicate, type Scope } from "effect"
import { nowMillis } from "./FiberTime.js"
import * as InvalidOptions from "./InvalidOptions.js"
import * as PolicyRegistry from "./PolicyRegistry.js"

/** Retries as a share of the calls: in any `ttl` at most `ratio` of its calls, and `minPerSecond` for each second. */
export interface RatioOptions {
  /** How many retries each call pays for. From 0; default 0.2. */
  readonly ratio?: number | undefined
  /** How many retries there may be without any calls, a second. From 0; default 1. */
  readonly minPerSecond?: number | undefined
  /** How long a call pays for retries. From 1 ms; default 10 seconds. */
  readonly ttl?: Duration.DurationInput | undefined
}

/** The options of `tokens`. */
export interface TokenOptions {
  /** How many tokens there are, at most and at first. From 0; default 500. */
  readonly capacity?: number | undefined
  /** How many a retry takes. From 1; default 5. */
  readonly cost?: number | undefined
}

/** Retries out of a bucket that successes fill; made by `tokens`. */
export interface Tokens extends TokenOptions {
  readonly _tag: "Tokens"
}

/** Which rule a budget follows. */
export type Options = RatioOptions | Tokens

/**
 * A bucket of tokens: a retry takes `cost`, a success gives back what its last retry took, and 1 if it needed none. It does
 * without the time: what was spent comes back with successes only.
 *
 * @example
 * ```ts
 * import { RetryBudget } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const budget = yield* RetryBudget.make("search", RetryBudget.tokens({ capacity: 50, cost: 5 }))
 *   return (yield* budget.snapshot).available
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * ```
 */
export const tokens = (options: TokenOptions = {}): Tokens => ({ ...options, _tag: "Tokens" })

const isTokens = (options: Options): options is Tokens => "_tag" in options

/** Checks the options; `path` names them in what is said of them. */
export const settings = (options: Options, path: string): InvalidOptions.Checked<Machine.Config> =>
  isTokens(options)
    ? InvalidOptions.every<Machine.TokensConfig>({
        _tag: InvalidOptions.valid("Tokens"),
        capacity: InvalidOptions.integer(`${path}capacity`, options.capacity ?? 500, 0),
        cost: InvalidOptions.integer(`${path}cost`, options.cost ?? 5, 1)
      })
    : InvalidOptions.every<Machine.RatioConfig>({
        _tag: InvalidOptions.valid("Ratio"),
        ratio: InvalidOptions.atLeast(`${path}ratio`, options.ratio ?? 0.2, 0),
        minPerSecond: InvalidOptions.atLeast(`${path}minPerSecond`, options.minPerSecond ?? 1, 0),
        ttlMillis: InvalidOptions.span(`${path}ttl`, options.ttl ?? "10 seconds")
      })

/** What is left of a budget, as of now. */
export interface Snapshot {
  /** How many retries there may still be, without another call. */
  readonly available: number
  /** The same as a share of what there could be, 0 to 1; 0 where there could be none. */
  readonly remaining: number
}

const RetryBudgetTypeId: unique symbol = Symbol.for("@effect-resilience/core/RetryBudget")

/** A budget for retries; `snapshot` is as of the moment it is run. */
export interface RetryBudget {
  readonly [RetryBudgetTypeId]: Account
  readonly name: string
  readonly snapshot: Effect.Effect<Snapshot>
}

/** Whether this is a budget for retries. */
export const isRetryBudget = (u: unknown): u is RetryBudget => Predicate.hasProperty(u, RetryBudgetTypeId)

/**
 * What calls tell a budget. Calls are only counted, and put into the budget when it would make a difference whether that
 * were later: a call that is not repeated pays for a comparison and an addition.
 */
export class Account {
  private state: Machine.State
  private untold = 0
  private sinceMillis = 0
  private untilMillis = -Infinity

  constructor(readonly config: Machine.Config) {
    this.state = Machine.initial(config)
  }

  /** A call begins; its retries are not calls. */
  called(now: number): void {
    if (now >= this.untilMillis) this.tell(now)
    this.untold++
  }

  /** A call has succeeded, at the first attempt or after it was repeated. */
  succeeded(repeated: boolean): void {
    this.state = Machine.succeeded(this.config, this.state, repeated)
  }

  /** May a call be made again? If so, the budget has less. */
  withdraw(now: number): boolean {
    this.tell(now)
    const [granted, next] = Machine.withdraw(this.config, this.state, now)
    this.state = next
    return granted
  }

  /** What is left now. */
  snapshot(now: number): Snapshot {
    this.tell(now)
    return {
      available: Machine.available(this.config, this.state, now),
      remaining: Machine.remainingRatio(this.config, this.state, now)
    }
  }

  /** Puts the calls that were only counted into the budget. */
  private tell(now: number): void {
    if (this.untold > 0) this.state = Machine.called(this.config, this.state, this.sinceMillis, this.untold)
    this.untold = 0
    this.sinceMillis = now
    this.untilMillis = Machine.sameUntilMillis(this.config, now)
  }
}

class Budget implements RetryBudget {
  readonly [RetryBudgetTypeId]: Account
  constructor(
    readonly name: string,
    config: Machine.Config
  ) {
    this[RetryBudgetTypeId] = new Account(config)
  }
  get snapshot(): Effect.Effect<Snapshot> {
    return Effect.withFiberRuntime<Snapshot>((fiber) =>
      Effect.succeed(this[RetryBudgetTypeId].snapshot(nowMillis(fiber)))
    )
  }
}

/** The account of a budget, for what makes retries. */
export const accountOf = (budget: RetryBudget): Account => budget[RetryBudgetTypeId]

/** Makes a budget of settings that were checked, and registers it while the scope lives. */
export const fromSettings = (name: string, config: Machine.Config): Effect.Effect<RetryBudget, never, Scope.Scope> =>
  PolicyRegistry.register(new Budget(name, config))

/**
 * Makes a budget. Dies with `InvalidOptions` if an option is out of range.
 *
 * @example
 * ```ts
 * import { Retry, RetryBudget } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const budget = yield* RetryBudget.make("search", { ratio: 0.1 })
 *   const read = yield* Retry.make("search.read", { maxRetries: 3, budget })
 *   const list = yield* Retry.make("search.list", { maxRetries: 1, budget })
 *   return yield* Effect.zip(read.protect(Effect.succeed("one")), list.protect(Effect.succeed("all")))
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * ```
 */
export const make = (name: string, options: Options = {}): Effect.Effect<RetryBudget, never, Scope.Scope> =>
  Effect.flatMap(InvalidOptions.orDie(name, settings(options, "")), (config) => fromSettings(name, config))
