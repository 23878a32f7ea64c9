/**
 * Spans of time in a plan.
 */
import { InvalidOptions } from "@effect-resilience/core"
import { type Duration, Either } from "effect"

/** Whole milliseconds, where it is a span that a plan may have; what is not is kept for the check to name. */
export const normal = (input: Duration.DurationInput): Duration.DurationInput =>
  Either.getOrElse(InvalidOptions.span("", input, 0), () => input)
