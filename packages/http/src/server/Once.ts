/**
 * Middleware that is there twice for a request, around a router and around a route of it, works once.
 */
import { Context, Effect } from "effect"

/** The middleware that the request has come through, by kind and name. */
class Passed extends Context.Reference<Passed>()("@effect-resilience/http/Passed", {
  defaultValue: (): ReadonlyArray<string> => []
}) {}

/** What middleware does; of two kinds, one name may stand around the same request. */
export type Kind = "rate limit" | "shedding"

/** Runs `first` unless what is of this kind and called `name` is around it already, and then the effect as it is. */
export const once = <A, E, R, A2, E2, R2>(
  kind: Kind,
  name: string,
  self: Effect.Effect<A, E, R>,
  first: (within: Effect.Effect<A, E, R>) => Effect.Effect<A2, E2, R2>
): Effect.Effect<A | A2, E | E2, R | R2> => {
  const own = `${kind} ${name}`
  return Effect.flatMap(Passed, (passed): Effect.Effect<A | A2, E | E2, R | R2> =>
    passed.includes(own) ? self : first(Effect.provideService(self, Passed, [...passed, own]))
  )
}
