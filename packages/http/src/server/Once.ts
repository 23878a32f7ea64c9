/**
 * Middleware that is there twice for a request, around a router and around a route of it, works once.
 */
import { Context, Effect } from "effect"

/** The middleware that the request has come through, by name. */
class Passed extends Context.Reference<Passed>()("@effect-resilience/http/Passed", {
  defaultValue: (): ReadonlyArray<string> => []
}) {}

/** Runs `first` unless that which is called `name` is around it already, and then the effect as it is. */
export const once = <A, E, R, A2, E2, R2>(
  name: string,
  self: Effect.Effect<A, E, R>,
  first: (within: Effect.Effect<A, E, R>) => Effect.Effect<A2, E2, R2>
): Effect.Effect<A | A2, E | E2, R | R2> =>
  Effect.flatMap(Passed, (passed): Effect.Effect<A | A2, E | E2, R | R2> =>
    passed.includes(name) ? self : first(Effect.provideService(self, Passed, [...passed, name]))
  )
