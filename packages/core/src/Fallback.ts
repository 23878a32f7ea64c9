/**
 * A typed chain of second-best answers, tried in order: an older value, another source, a fixed answer, an empty one.
 *
 * Stands outside all other policies, at the call site: only the caller knows what a good degraded answer is. The result
 * says which tier gave it, so degradation is never silent. Errors that no tier selects go out unchanged; if every tier
 * that was tried fails, the caller gets the last one's error, and telemetry has them all, a tier's defect too. Defects and
 * interruption are never swallowed.
 *
 * A tier that itself calls out needs a policy of its own, or the fallback hangs where the primary did: say `remote: true`,
 * and which policy it is under, and `Policy.explain` tells where one is missing (see `tiers`).
 */
import { Effect } from "effect"
import { answer, type Served, step, type Tags, type TierOptions } from "./fallback/Chain.js"
import * as Outcome from "./Outcome.js"

export {
  isServed,
  type Kind,
  primary,
  type Served,
  type Tier,
  type TierOptions,
  tiers,
  value
} from "./fallback/Chain.js"
export {
  stale,
  type StaleOptions,
  type StaleSnapshot,
  type StaleStore,
  type StaleTierOptions
} from "./fallback/StaleStore.js"

type Run<B, E2, R2> = (error: unknown) => Effect.Effect<B, E2, R2>

type TierArguments<B, E2, R2> =
  | readonly [run: Run<B, E2, R2>]
  | readonly [options: TierOptions<string>, run: Run<B, E2, R2>]

/**
 * One more tier, for what the tiers before it failed with. With `when` only for errors of those tags: a mistyped tag does
 * not compile, and the function sees the narrowed error. An infallible tier without `when` makes the error `never`.
 *
 * @example
 * ```ts
 * import { Fallback } from "@effect-resilience/core"
 * import { Data, Effect } from "effect"
 *
 * class Stale extends Data.TaggedError("Stale")<{ readonly known: ReadonlyArray<string> }> {}
 * const recommendations = Effect.fail(new Stale({ known: ["a book"] }))
 *
 * const program = recommendations.pipe(
 *   Fallback.primary,
 *   Fallback.tier("known", { when: "Stale", kind: "stale" }, (error) => Effect.succeed(error.known)),
 *   Fallback.tier("none", { kind: "empty" }, () => Effect.succeed([]))
 * )
 * Effect.runPromise(program).then(({ degraded, tier, value }) => console.log(tier, degraded, value))
 * ```
 */
export function tier<E, const K extends Tags<E>, B, E2, R2>(
  name: string,
  options: TierOptions<K> & { readonly when: K | ReadonlyArray<K> },
  run: (error: Extract<E, { readonly _tag: K }>) => Effect.Effect<B, E2, R2>
): <A, R>(
  self: Effect.Effect<Served<A>, E, R>
) => Effect.Effect<Served<A | B>, Exclude<E, { readonly _tag: K }> | E2, R | R2>
export function tier<E, B, E2, R2>(
  name: string,
  options: TierOptions<never> & { readonly when?: undefined },
  run: (error: E) => Effect.Effect<B, E2, R2>
): <A, R>(self: Effect.Effect<Served<A>, E, R>) => Effect.Effect<Served<A | B>, E2, R | R2>
export function tier<E, B, E2, R2>(
  name: string,
  run: (error: E) => Effect.Effect<B, E2, R2>
): <A, R>(self: Effect.Effect<Served<A>, E, R>) => Effect.Effect<Served<A | B>, E2, R | R2>
export function tier<B, E2, R2>(name: string, ...rest: TierArguments<B, E2, R2>) {
  const [options, run] = rest.length === 1 ? [{}, rest[0]] : rest
  const kind = options.kind ?? "alternate"
  return <A, E, R>(self: Effect.Effect<Served<A>, E, R>) =>
    step<A, E, R, B, E2, R2>(self, {
      name,
      options,
      run: (_, error) => Effect.map(run(error), (value) => answer(name, kind, value)),
      failureTag: Outcome.causeTag
    })
}
