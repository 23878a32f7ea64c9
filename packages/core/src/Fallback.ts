/**
 * A typed chain of second-best answers, tried in order: an older value, another source, a fixed answer, an empty one.
 *
 * Stands outside all other policies, at the call site: only the caller knows what a good degraded answer is. The result
 * says which tier gave it, so degradation is never silent. Errors that no tier selects go out unchanged; if every tier
 * that was tried fails, the caller gets the last one's error. Defects and interruption are never swallowed.
 *
 * A tier that itself calls out needs a policy of its own, or the fallback hangs where the primary did.
 */
import { Cause, type Duration, Effect, Effectable, Option, Predicate } from "effect"
import { nowMillis } from "./FiberTime.js"
import * as Outcome from "./Outcome.js"
import * as Telemetry from "./Telemetry.js"

/** What kind of answer a tier gives. */
export type Kind = "stale" | "alternate" | "static" | "empty" | "queued"

/** An answer, and where it came from. */
export interface Served<out A> {
  readonly value: A
  /** The name of the tier; `primary` for the first choice. */
  readonly tier: string
  readonly kind: Kind | "primary"
  /** Whether this is anything but the first choice. */
  readonly degraded: boolean
  /** How old the value is, where known. */
  readonly age: Option.Option<Duration.Duration>
}

type Tags<E> = E extends { readonly _tag: string } ? E["_tag"] : never

/** What a tier is for, and what it gives. */
export interface TierOptions<K extends string> {
  /** The tags of the errors that this tier is for; others go on to the next tier, or out. Default: all. */
  readonly when?: K | ReadonlyArray<K> | undefined
  /** What kind of answer it gives; default `"alternate"`. */
  readonly kind?: Kind | undefined
  /** Whether the tier itself calls another process; default false. */
  readonly remote?: boolean | undefined
}

const firstChoice = <A>(value: A): Served<A> => ({
  value,
  tier: "primary",
  kind: "primary",
  degraded: false,
  age: Option.none()
})

/**
 * A chain in both its forms: that which says who served, and the value alone. Whoever wants only the value does not pay
 * for the other, which costs more than the chain itself where the first choice has an answer.
 */
class Chain<A, E, R> extends Effectable.Class<Served<A>, E, R> {
  constructor(
    private readonly served: () => Effect.Effect<Served<A>, E, R>,
    readonly unserved: Effect.Effect<A, E, R>
  ) {
    super()
  }
  override commit(): Effect.Effect<Served<A>, E, R> {
    return this.served()
  }
}

const isChain = <A, E, R>(self: Effect.Effect<Served<A>, E, R>): self is Chain<A, E, R> => self instanceof Chain

/** Makes an effect the first choice of a chain. */
export const primary = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<Served<A>, E, R> =>
  new Chain(() => Effect.map(self, firstChoice), self)

const selects = (when: string | ReadonlyArray<string> | undefined, error: unknown): boolean => {
  if (when === undefined) return true
  if (!Predicate.hasProperty(error, "_tag")) return false
  return typeof when === "string" ? error._tag === when : when.some((tag) => error._tag === tag)
}

/** The policy that an error names, for telemetry. */
const policyOf = (error: unknown): string =>
  Predicate.hasProperty(error, "policy") && typeof error.policy === "string" ? error.policy : "fallback"

type Run<B, E2, R2> = (error: unknown) => Effect.Effect<B, E2, R2>

type TierArguments<B, E2, R2> =
  | readonly [run: Run<B, E2, R2>]
  | readonly [options: TierOptions<string>, run: Run<B, E2, R2>]

/** What a tier makes of what the tiers before it failed with. */
const rescue =
  <E, B, E2, R2>(name: string, options: TierOptions<string>, run: Run<B, E2, R2>) =>
  (cause: Cause.Cause<E>): Effect.Effect<Served<B>, E | E2, R2> => {
    const failed = Option.filter(Cause.failureOption(cause), () => Option.isNone(Cause.dieOption(cause)))
    if (Option.isNone(failed) || !selects(options.when, failed.value)) return Effect.failCause(cause)
    const kind = options.kind ?? "alternate"
    const policy = policyOf(failed.value)
    return Effect.withFiberRuntime<Served<B>, E2, R2>((fiber) => {
      const at = () => nowMillis(fiber)
      return Effect.tapBoth(
        Effect.map(run(failed.value), (value) => ({ value, tier: name, kind, degraded: true, age: Option.none() })),
        {
          onSuccess: () =>
            Effect.sync(() =>
              Telemetry.publish(fiber, () => ({
                _tag: "FallbackServed",
                policy,
                at: at(),
                tier: name,
                kind,
                age: undefined
              }))
            ),
          onFailure: (error) =>
            Effect.sync(() =>
              Telemetry.publish(fiber, () => ({
                _tag: "FallbackFailed",
                policy,
                at: at(),
                tier: name,
                error: Outcome.errorTag(error)
              }))
            )
        }
      )
    })
  }

const step = <A, E, R, B, E2, R2>(
  self: Effect.Effect<Served<A>, E, R>,
  name: string,
  options: TierOptions<string>,
  run: Run<B, E2, R2>
): Effect.Effect<Served<A | B>, E | E2, R | R2> => {
  const rescued = rescue<E, B, E2, R2>(name, options, run)
  return new Chain<A | B, E | E2, R | R2>(
    () => Effect.catchAllCause(self, rescued),
    Effect.catchAllCause(value(self), (cause) => Effect.map(rescued(cause), valueOf))
  )
}

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
  return <A, E, R>(self: Effect.Effect<Served<A>, E, R>) => step(self, name, options, run)
}

const valueOf = <A>(served: Served<A>): A => served.value

/** The value alone, for callers that need not know. */
export const value = <A, E, R>(self: Effect.Effect<Served<A>, E, R>): Effect.Effect<A, E, R> =>
  isChain(self) ? self.unserved : Effect.map(self, valueOf)
