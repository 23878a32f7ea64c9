/**
 * The refusal of a rate limiter.
 */
import { Data, Duration, Option, type Types } from "effect"
import * as Outcome from "../Outcome.js"

/** The key has used up its limit: nobody was asked. Come back after `retryAfter`, or slow down. */
export class RateLimited extends Data.TaggedError("RateLimited")<{
  readonly policy: string
  /** Whose limit it was; it may name a caller, and is not in the message. */
  readonly key: string
  /** 0 where it is a server's own, which has not said how much that is. */
  readonly limit: number
  /** How many permits there are; fewer than the call wanted, or others are in line for them. */
  readonly remaining: number
  /** When the same call would be admitted, if nobody else takes anything. */
  readonly retryAfter: Option.Option<Duration.Duration>
}> {
  get [Outcome.RejectionTypeId](): true {
    return true
  }
  get [Outcome.OutcomeTypeId](): Outcome.Outcome {
    return Outcome.ignored()
  }
  override get message(): string {
    const wait = Option.match(this.retryAfter, { onNone: () => "later", onSome: (d) => `after ${Duration.format(d)}` })
    const much = this.limit === 0 ? "" : ` of ${this.limit}`
    return `The limit${much} of "${this.policy}" is used up, ${this.remaining} are left: come back ${wait}`
  }
}

/** Makes the error without running `Error`'s constructor, as that of a circuit is made, and for the same reason. */
export const rateLimited = (
  policy: string,
  key: string,
  limit: number,
  remaining: number,
  retryAfterMillis: number
): RateLimited => {
  const error: Types.Mutable<RateLimited> = Object.create(RateLimited.prototype)
  error._tag = "RateLimited"
  error.policy = policy
  error.key = key
  error.limit = limit
  error.remaining = remaining
  error.retryAfter = Option.some(Duration.millis(retryAfterMillis))
  return error
}
