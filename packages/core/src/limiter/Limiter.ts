/**
 * How a call gets permits of a rate limiter: at once, in the line of its key, or not at all.
 */
import { Deadline as Budget, RateLimiter as Machine } from "@effect-resilience/machines"
import { Duration, Effect, Either, Exit } from "effect"
import { inForce } from "../Deadline.js"
import { type AnyFiber, nowMillis } from "../FiberTime.js"
import * as InvalidOptions from "../InvalidOptions.js"
import type { Ledger } from "../RateLimiterStore.js"
import type { Restore } from "../Region.js"
import * as Telemetry from "../Telemetry.js"
import { limited } from "../Timer.js"
import { Limits, type Settings } from "./Limit.js"
import { Line } from "./Line.js"
import { type RateLimited, rateLimited } from "./RateLimited.js"

/** What a call wants, and what becomes of it where that is not there. */
export interface TakeOptions {
  /** Whose limit it is. Default `""`: a limiter that is asked without keys has one limit for all. */
  readonly key?: string | undefined
  /** How many permits. From 1 to the burst, or to the limit of a sliding window; default 1. Dies with `InvalidOptions` otherwise. */
  readonly cost?: number | undefined
  /** Default `"reject"`. */
  readonly onExceeded?: "reject" | "wait" | undefined
  /** How long a call may wait. From 0 ms; default as long as its deadline allows. */
  readonly maxWait?: Duration.DurationInput | undefined
}

/** What a call would want. */
export type WaitOptions = Pick<TakeOptions, "key" | "cost">

/** Permits that were taken, and what is left after them. */
export interface Taken {
  readonly limit: number
  readonly remaining: number
  /** After so long nothing that was taken counts any more, if nothing else is. */
  readonly resetAfter: Duration.Duration
  /** How long the call has waited for them. */
  readonly delay: Duration.Duration
}

/** What a limiter is doing, as of now. */
export interface Snapshot {
  /** How many keys it holds. */
  readonly keys: number
  /** How many calls there were for keys that had no room, and shared one. */
  readonly overflowed: number
  /** How many keys have a line. */
  readonly lines: number
  /** What a call without a key could take now; undefined where there was none. */
  readonly available: number | undefined
}

/** What one call wants. */
interface Wish {
  readonly key: string
  readonly limit: Machine.Config
  readonly cost: number
}

const isPayable = (limit: Machine.Config, cost: number): boolean =>
  Number.isInteger(cost) && cost >= 1 && cost <= Machine.largestCost(limit)

/** A limiter at work: takes permits, and lets calls wait for them. */
export class Limiter {
  /** Of the keys for which somebody waits. */
  private readonly lines = new Map<string, Line>()
  private readonly limits: Limits
  /** A call that says nothing of itself. */
  private readonly plain: Effect.Effect<Taken, RateLimited>
  private isAskedWithoutKey = false

  constructor(
    readonly name: string,
    of: Settings,
    private readonly ledger: Ledger,
    private readonly keyed: string | undefined
  ) {
    this.limits = new Limits(of)
    this.plain = this.taking({})
  }

  /** Takes permits, waits for them, or fails. */
  readonly take = (options?: TakeOptions): Effect.Effect<Taken, RateLimited> =>
    options === undefined ? this.plain : this.taking(options)

  /** Takes permits as these options ask. */
  private taking(options: TakeOptions): Effect.Effect<Taken, RateLimited> {
    return Effect.withFiberRuntime((fiber) => {
      const { cost = 1, key = "", onExceeded } = options
      if (key === "") this.isAskedWithoutKey = true
      const limit = this.limits.ofKey(key)
      if (Either.isLeft(limit)) return this.invalid(limit.left)
      if (!isPayable(limit.right, cost)) return this.invalidCost(limit.right, cost)
      if (onExceeded === "wait") return this.waiting(fiber, { key, limit: limit.right, cost }, options.maxWait)
      const line = this.lines.size === 0 ? undefined : this.lines.get(key)
      return line === undefined
        ? this.atOnce(fiber, key, limit.right, cost)
        : this.behind(fiber, { key, limit: limit.right, cost }, line)
    })
  }

  /** How long a call would wait that came now; 0 if it would not. */
  readonly wait = ({ cost = 1, key = "" }: WaitOptions = {}): Effect.Effect<Duration.Duration> => {
    const limit = this.limits.ofKey(key)
    if (Either.isLeft(limit)) return this.invalid(limit.left)
    if (!isPayable(limit.right, cost)) return this.invalidCost(limit.right, cost)
    const ahead = this.lines.get(key)?.cost ?? 0
    return Effect.map(this.ledger.waitMillis(key, limit.right, cost, ahead), Duration.millis)
  }

  get snapshot(): Effect.Effect<Snapshot> {
    const limit = Either.getOrUndefined(this.limits.ofKey(""))
    const available =
      limit === undefined || !this.isAskedWithoutKey
        ? Effect.succeed(undefined)
        : Effect.map(this.ledger.standing("", limit), ({ remaining }) => remaining)
    return Effect.zipWith(this.ledger.size, available, (size, free) => ({
      ...size,
      lines: this.lines.size,
      available: free
    }))
  }

  /** Dies of a cost that no call can ever pay. */
  private invalidCost(limit: Machine.Config, cost: number): Effect.Effect<never> {
    const allowed = `a whole number from 1 to ${Machine.largestCost(limit)}`
    return this.invalid([{ option: "cost", value: `${cost}`, allowed }])
  }

  /** Dies of what the caller asked for. */
  private invalid(problems: ReadonlyArray<InvalidOptions.Problem>): Effect.Effect<never> {
    return Exit.die(new InvalidOptions.InvalidOptions({ policy: this.name, problems }))
  }

  /** Takes permits, where nobody is in line for them. */
  private atOnce(fiber: AnyFiber, key: string, limit: Machine.Config, cost: number): Effect.Effect<Taken, RateLimited> {
    const decision = this.ledger.takeNow?.(key, limit, cost, nowMillis(fiber))
    return decision === undefined
      ? this.elsewhere(fiber, { key, limit, cost })
      : this.decided(fiber, key, limit.limit, cost, decision)
  }

  /** Where the ledger is not in memory. */
  private elsewhere(fiber: AnyFiber, { cost, key, limit }: Wish): Effect.Effect<Taken, RateLimited> {
    return Effect.flatMap(this.ledger.take(key, limit, cost), (decision) =>
      this.decided(fiber, key, limit.limit, cost, decision)
    )
  }

  /** What becomes of a call that does not wait. */
  private decided(
    fiber: AnyFiber,
    key: string,
    limit: number,
    cost: number,
    decision: Machine.Decision
  ): Effect.Effect<Taken, RateLimited> {
    return decision.admitted
      ? this.granted(fiber, limit, cost, decision, 0)
      : this.refused(fiber, key, limit, decision.remaining, decision.retryAfterMillis)
  }

  /** Nobody overtakes those in line: what is left for them is not there. */
  private behind(fiber: AnyFiber, wish: Wish, { cost: ahead }: Line): Effect.Effect<Taken, RateLimited> {
    return Effect.flatMap(this.ledger.waitMillis(wish.key, wish.limit, wish.cost, ahead), (millis) =>
      millis === 0
        ? this.atOnce(fiber, wish.key, wish.limit, wish.cost)
        : this.refused(fiber, wish.key, wish.limit.limit, 0, millis)
    )
  }

  /** A call that waits, if that is not too long. */
  private waiting(
    fiber: AnyFiber,
    wish: Wish,
    maxWait: Duration.DurationInput | undefined
  ): Effect.Effect<Taken, RateLimited> {
    const checked = maxWait === undefined ? InvalidOptions.valid(Infinity) : InvalidOptions.span("maxWait", maxWait, 0)
    if (Either.isLeft(checked)) return this.invalid(checked.left)
    const since = nowMillis(fiber)
    // What is there at the moment in which the budget ends comes too late.
    const most = Math.min(checked.right, Budget.remainingMillis(inForce(fiber), since) - 1)
    return Effect.uninterruptibleMask((restore) => {
      const line = this.lines.get(wish.key)
      const { cost, key, limit } = wish
      if (line === undefined) {
        return Effect.flatMap(this.ledger.take(key, limit, cost), (decision) =>
          decision.admitted
            ? this.granted(fiber, wish.limit.limit, wish.cost, decision, 0)
            : decision.retryAfterMillis > most
              ? this.refused(fiber, wish.key, wish.limit.limit, decision.remaining, decision.retryAfterMillis)
              : this.inLine(fiber, restore, wish, since, most)
        )
      }
      return Effect.flatMap(this.ledger.waitMillis(key, limit, cost, line.cost), (millis) =>
        millis > most
          ? this.refused(fiber, wish.key, wish.limit.limit, 0, millis)
          : this.inLine(fiber, restore, wish, since, most)
      )
    })
  }

  /** Waits in the line of its key until it is the first there. */
  private inLine(
    fiber: AnyFiber,
    restore: Restore,
    wish: Wish,
    since: number,
    most: number
  ): Effect.Effect<Taken, RateLimited> {
    const line = this.lines.get(wish.key) ?? new Line()
    this.lines.set(wish.key, line)
    const place = line.join(wish.cost)
    const leave = Effect.sync(() => {
      line.leave(place)
      if (line.isEmpty && this.lines.get(wish.key) === line) this.lines.delete(wish.key)
    })
    // Who is served in the moment in which those behind have waited long enough lets them go on.
    const patience = most - (nowMillis(fiber) - since) + 1
    const turn = Effect.catchAll(restore(limited(line.turnOf(place), patience, () => "late")), () =>
      Effect.flatMap(this.ledger.waitMillis(wish.key, wish.limit, wish.cost, line.cost - wish.cost), (millis) =>
        this.refused(fiber, wish.key, wish.limit.limit, 0, millis)
      )
    )
    const waited = line.isFirst(place) ? Effect.void : turn
    return Effect.ensuring(
      Effect.zipRight(
        waited,
        Effect.suspend(() => this.first(fiber, restore, wish, since, most))
      ),
      leave
    )
  }

  /** The first in line: takes permits as soon as they are there. */
  private first(
    fiber: AnyFiber,
    restore: Restore,
    wish: Wish,
    since: number,
    most: number
  ): Effect.Effect<Taken, RateLimited> {
    return Effect.flatMap(this.ledger.take(wish.key, wish.limit, wish.cost), (decision) => {
      const waited = nowMillis(fiber) - since
      if (decision.admitted) return this.granted(fiber, wish.limit.limit, wish.cost, decision, waited)
      const { remaining, retryAfterMillis } = decision
      if (waited + retryAfterMillis > most)
        return this.refused(fiber, wish.key, wish.limit.limit, remaining, retryAfterMillis)
      return Effect.zipRight(
        restore(Effect.sleep(retryAfterMillis)),
        Effect.suspend(() => this.first(fiber, restore, wish, since, most))
      )
    })
  }

  /** What a call is told that got permits, and reports it. */
  private granted(
    fiber: AnyFiber,
    limit: number,
    cost: number,
    { remaining, resetAfterMillis }: Machine.Standing,
    delay: number
  ): Effect.Effect<Taken> {
    const { keyed, name: policy } = this
    Telemetry.hubOfCalls(fiber)?.tellOfCall(
      { _tag: "PermitsTaken", policy, keyed, at: nowMillis(fiber), cost, delay },
      fiber
    )
    return Effect.succeed({
      limit,
      remaining,
      resetAfter: Duration.millis(resetAfterMillis),
      delay: delay === 0 ? Duration.zero : Duration.millis(delay)
    })
  }

  /** Makes the error of a call that gets no permits, and reports it. */
  private refused(
    fiber: AnyFiber,
    key: string,
    limit: number,
    remaining: number,
    retryAfter: number
  ): Exit.Exit<never, RateLimited> {
    const { keyed, name: policy } = this
    const at = nowMillis(fiber)
    Telemetry.publish(fiber, () => ({ _tag: "CallRejected", policy, keyed, at, by: "rateLimit", retryAfter }))
    return Exit.fail(rateLimited(policy, key, limit, remaining, retryAfter))
  }
}
