/**
 * What the answers of servers say of their quotas, for the calls that come after them: where nothing is left, those wait
 * until there is, or are refused if they cannot wait so long.
 *
 * Kept for a policy and an origin, and only while there is anything to wait for. Mutated in place by the calls of a client.
 */
import { Deadline, RateLimiter, Telemetry } from "@effect-resilience/core"
import type { Headers } from "@effect/platform"
import { Clock, Context, Duration, Effect, Option, Random } from "effect"
import * as RateLimitHeaders from "../RateLimitHeaders.js"
import { type AnyFiber, nowMillis } from "./OpenBodies.js"

/** No answer keeps calls from an origin for longer than this: whoever says more is asked again. */
const mostMillis = 300_000

/** So many origins are kept at most; what others say is heard once one of these has quota again. */
const mostPauses = 1_000

/** How far a wait is stretched at most, as a part of itself, so that not all who wait come at once. */
const stretch = 0.1

/** What an answer says of quotas of which nothing is left. */
interface Exhausted {
  readonly waitMillis: number
  /** How much there is in a window; 0 where the server does not say. */
  readonly limit: number
}

const limitOf = (headers: Headers.Headers, policy: string): number => {
  const told = RateLimitHeaders.parsePolicies(headers["ratelimit-policy"] ?? "").find((each) => each.policy === policy)
  return told?.quota ?? 0
}

const older = (headers: Headers.Headers): number => {
  const limit = headers["x-ratelimit-limit"] ?? ""
  return /^\d{1,15}$/.test(limit) ? Number(limit) : 0
}

/** What these headers say; undefined unless something is used up, and it is known until when. `wallMillis`: the wall clock. */
export const exhausted = (headers: Headers.Headers, wallMillis: () => number): Exhausted | undefined => {
  const draft = headers["ratelimit"]
  const quotas =
    draft === undefined
      ? Option.toArray(RateLimitHeaders.parseOlder(headers, wallMillis()))
      : RateLimitHeaders.parse(draft)
  return RateLimitHeaders.exhausted(quotas).reduce<Exhausted | undefined>((longest, { policy, reset }) => {
    const waitMillis = Option.match(reset, { onNone: () => 0, onSome: (after) => Math.ceil(Duration.toMillis(after)) })
    if (waitMillis <= (longest?.waitMillis ?? 0)) return longest
    return { waitMillis, limit: draft === undefined ? older(headers) : limitOf(headers, policy) }
  }, undefined)
}

/** An origin of which nothing is left. */
interface Pause {
  readonly untilMillis: number
  readonly limit: number
}

/** Whose quota it is, as errors and events name it. */
export interface Subject {
  readonly policy: string
  readonly keyed: string
  readonly origin: string
}

/** The quotas of a client's origins. */
export class Quotas {
  private readonly pauses = new Map<string, Pause>()

  constructor(private readonly maxWaitMillis: number) {}

  /** Hears what an answer says. What is known already is never made shorter: answers do not come in order. */
  heard(fiber: AnyFiber, of: () => Subject, headers: Headers.Headers): void {
    if (headers["ratelimit"] === undefined && headers["x-ratelimit-remaining"] === undefined) return
    const clock = Context.get(fiber.currentDefaultServices, Clock.Clock)
    const told = exhausted(headers, () => clock.unsafeCurrentTimeMillis())
    if (told === undefined) return
    const key = keyOf(of())
    const now = nowMillis(fiber)
    const untilMillis = now + Math.min(told.waitMillis, mostMillis)
    if (untilMillis <= (this.pauses.get(key)?.untilMillis ?? 0)) return
    if (this.pauses.size >= mostPauses && !this.pauses.has(key)) this.forget(now)
    if (this.pauses.size < mostPauses || this.pauses.has(key)) this.pauses.set(key, { untilMillis, limit: told.limit })
  }

  /** What lets attempts through once there is quota for them again; undefined if nobody knows that there is none. */
  turnOf(subject: () => Subject): Effect.Effect<void, RateLimiter.RateLimited> | undefined {
    if (this.pauses.size === 0) return undefined
    const of = subject()
    if (!this.pauses.has(keyOf(of))) return undefined
    return Effect.withFiberRuntime((fiber) => this.turn(of, nowMillis(fiber)))
  }

  /** Waits until there is quota again, also if an answer says meanwhile that this takes longer. */
  private turn(of: Subject, sinceMillis: number): Effect.Effect<void, RateLimiter.RateLimited> {
    return Effect.flatMap(Effect.zip(Deadline.remaining, Random.next), ([remaining, random]) =>
      Effect.withFiberRuntime<void, RateLimiter.RateLimited>((fiber) => {
        const now = nowMillis(fiber)
        const pause = this.pauseOf(of, now)
        if (pause === undefined) return waited(fiber, of, now - sinceMillis)
        const wait = pause.untilMillis - now
        // What is there at the moment in which the budget ends comes too late.
        const budget = Option.match(remaining, { onNone: () => Infinity, onSome: Duration.toMillis }) - 1
        const most = Math.min(this.maxWaitMillis - (now - sinceMillis), budget)
        if (wait > most) return refused(fiber, of, pause.limit, wait)
        const stretched = wait + Math.floor(random * (Math.ceil(wait * stretch) + 1))
        return Effect.zipRight(
          Effect.sleep(Math.min(stretched, most)),
          Effect.suspend(() => this.turn(of, sinceMillis))
        )
      })
    )
  }

  private pauseOf(of: Subject, now: number): Pause | undefined {
    const key = keyOf(of)
    const pause = this.pauses.get(key)
    if (pause === undefined || pause.untilMillis > now) return pause
    this.pauses.delete(key)
    return undefined
  }

  private forget(now: number): void {
    for (const [key, { untilMillis }] of this.pauses) if (untilMillis <= now) this.pauses.delete(key)
  }
}

const keyOf = ({ origin, policy }: Subject): string => `${policy} ${origin}`

const waited = (fiber: AnyFiber, { keyed, policy }: Subject, delay: number): Effect.Effect<void> => {
  const at = nowMillis(fiber)
  Telemetry.hubOfCalls(fiber)?.tellOfCall({ _tag: "PermitsTaken", policy, keyed, at, cost: 1, delay }, fiber)
  return Effect.void
}

const refused = (
  fiber: AnyFiber,
  { keyed, origin, policy }: Subject,
  limit: number,
  retryAfter: number
): Effect.Effect<never, RateLimiter.RateLimited> => {
  const at = nowMillis(fiber)
  Telemetry.publish(fiber, () => ({ _tag: "CallRejected", policy, keyed, at, by: "rateLimit", retryAfter }))
  const wait = Option.some(Duration.millis(retryAfter))
  return Effect.fail(new RateLimiter.RateLimited({ policy, key: origin, limit, remaining: 0, retryAfter: wait }))
}
