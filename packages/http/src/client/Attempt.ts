/**
 * One sending of a request, as the request itself may tell of it.
 */
import type { HttpClientRequest } from "@effect/platform"
import type { Duration, Option } from "effect"

/** What is known of an attempt before it is sent. */
export interface Attempt {
  /** 0 for the first. */
  readonly resendCount: number
  /** The limit of one attempt; none if it has none. */
  readonly timeout: Option.Option<Duration.Duration>
  /** What is left of the budget of the call; none if it has none. */
  readonly remaining: Option.Option<Duration.Duration>
}

/** What a request becomes for an attempt. */
export type BeforeAttempt = (
  request: HttpClientRequest.HttpClientRequest,
  attempt: Attempt
) => HttpClientRequest.HttpClientRequest
