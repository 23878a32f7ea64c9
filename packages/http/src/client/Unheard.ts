/**
 * Reading of which only matters that it has ended.
 */
import { type Duration, Effect, Option } from "effect"

/**
 * Runs for so long at most, whatever comes of it. Nobody is told what it fails with, by the log of fibers neither, which
 * would write the error with the address of its request.
 */
export const unheard = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  limit: Duration.DurationInput
): Effect.Effect<void, never, R> =>
  Effect.asVoid(Effect.timeoutOption(Effect.exit(self), limit)).pipe(Effect.withUnhandledErrorLogLevel(Option.none()))
