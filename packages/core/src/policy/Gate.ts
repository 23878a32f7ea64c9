/**
 * What each attempt goes through before its own limit begins: the throttle, then the rate limit.
 */
import { Duration, Effect, Option } from "effect"
import * as AdaptiveThrottle from "../AdaptiveThrottle.js"
import type { Classifier } from "../Classifier.js"
import type { RateLimitSettings } from "./Options.js"
import type { RateLimiter, TakeOptions } from "../RateLimiter.js"
import type { Gate } from "./Way.js"

const optionsOf = ({ maxWaitMillis }: RateLimitSettings): TakeOptions => {
  if (maxWaitMillis === 0) return {}
  const maxWait = maxWaitMillis === Infinity ? undefined : Duration.millis(maxWaitMillis)
  return { onExceeded: "wait", maxWait }
}

/** The gate of a policy with these parts; undefined if it has neither. */
export const gateOf = (
  throttle: Option.Option<AdaptiveThrottle.AdaptiveThrottle>,
  limiter: Option.Option<RateLimiter>,
  settings: RateLimitSettings | undefined,
  classifier: Classifier
): Gate | undefined => {
  const throttling = Option.getOrUndefined(Option.map(throttle, AdaptiveThrottle.gateOf))
  const permits = Option.isNone(limiter) || settings === undefined ? undefined : limiter.value.take(optionsOf(settings))
  if (throttling === undefined && permits === undefined) return undefined
  return (attempt) => {
    const inTurn = permits === undefined ? attempt : Effect.zipRight(permits, attempt)
    return throttling === undefined ? inTurn : throttling.through(inTurn, classifier)
  }
}
