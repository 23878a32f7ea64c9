/**
 * What each attempt goes through before its own limit begins: the throttle, then whatever else lets it through when it is its
 * turn, then the rate limit, so that nothing is taken for who does not come through, then the adaptive limit, which must
 * see attempts without their waits.
 */
import { Duration, Effect, Option } from "effect"
import * as AdaptiveLimiter from "../AdaptiveLimiter.js"
import * as AdaptiveThrottle from "../AdaptiveThrottle.js"
import type { Classifier } from "../Classifier.js"
import type { RateLimitSettings } from "./Options.js"
import type { RateLimited, RateLimiter, TakeOptions } from "../RateLimiter.js"
import type { Gate } from "./Way.js"

const optionsOf = ({ maxWaitMillis }: RateLimitSettings): TakeOptions => {
  if (maxWaitMillis === 0) return {}
  const maxWait = maxWaitMillis === Infinity ? undefined : Duration.millis(maxWaitMillis)
  return { onExceeded: "wait", maxWait }
}

/** What a gate is made of. */
interface Parts {
  readonly throttle: Option.Option<AdaptiveThrottle.AdaptiveThrottle>
  readonly rateLimiter: Option.Option<RateLimiter>
  readonly adaptiveLimiter: Option.Option<AdaptiveLimiter.AdaptiveLimiter>
  readonly inTurn: Option.Option<Effect.Effect<void, RateLimited>>
  readonly classifier: Classifier
}

/** The gate of a policy with these parts; undefined if it has none of them. */
export const gateOf = (
  { adaptiveLimiter, classifier, inTurn, rateLimiter, throttle }: Parts,
  settings: RateLimitSettings | undefined
): Gate | undefined => {
  const throttling = Option.getOrUndefined(Option.map(throttle, AdaptiveThrottle.gateOf))
  const limiting = Option.getOrUndefined(Option.map(adaptiveLimiter, AdaptiveLimiter.gateOf))
  const permits =
    Option.isNone(rateLimiter) || settings === undefined ? undefined : rateLimiter.value.take(optionsOf(settings))
  const turn = Option.getOrUndefined(inTurn)
  if (throttling === undefined && permits === undefined && limiting === undefined && turn === undefined)
    return undefined
  return <A, E, R>(attempt: Effect.Effect<A, E, R>) => {
    const limited = limiting === undefined ? attempt : limiting.through(attempt, classifier)
    const permitted = permits === undefined ? limited : Effect.zipRight(permits, limited)
    const due = turn === undefined ? permitted : Effect.zipRight(turn, permitted)
    return throttling === undefined ? due : throttling.through(due, classifier)
  }
}
