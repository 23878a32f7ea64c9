/**
 * How a chain of tiers runs: what each of them is asked, and what is said of its answer.
 */
import { Cause, Duration, Effect, Effectable, Option, Predicate } from "effect"
import { type AnyFiber, nowMillis } from "../FiberTime.js"
import * as Outcome from "../Outcome.js"
import { mayBeAsked } from "../telemetry/Owner.js"
import * as Telemetry from "../Telemetry.js"

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

/** Whether this says where it came from. It is plain data, so it is known by its fields. */
export const isServed = (u: unknown): u is Served<unknown> =>
  Predicate.isRecord(u) &&
  "value" in u &&
  typeof u["tier"] === "string" &&
  typeof u["kind"] === "string" &&
  typeof u["degraded"] === "boolean" &&
  Option.isOption(u["age"])

/** The tags of errors. */
export type Tags<E> = E extends { readonly _tag: string } ? E["_tag"] : never

/** What a tier is for, and what it gives. */
export interface TierOptions<K extends string> {
  /** The tags of the errors that this tier is for; others go on to the next tier, or out. Default: all. */
  readonly when?: K | ReadonlyArray<K> | undefined
  /** What kind of answer it gives; default `"alternate"`. */
  readonly kind?: Kind | undefined
  /** Whether the tier itself calls another process; default false. For `Policy.explain`, by way of `tiers`. */
  readonly remote?: boolean | undefined
  /** The name of the policy that the tier's own calls are under; default none. For `Policy.explain` as well. */
  readonly policy?: string | undefined
}

/** What a tier says of itself. */
export interface Tier {
  readonly tier: string
  readonly kind: Kind
  readonly remote: boolean
  readonly policy: string | undefined
}

const described = (tier: string, { kind = "alternate", policy, remote = false }: TierOptions<string>): Tier => ({
  tier,
  kind,
  remote,
  policy
})

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
    readonly unserved: Effect.Effect<A, E, R>,
    readonly tiers: () => ReadonlyArray<Tier>
  ) {
    super()
  }
  override commit(): Effect.Effect<Served<A>, E, R> {
    return this.served()
  }
}

const isChain = <A, E, R>(self: Effect.Effect<Served<A>, E, R>): self is Chain<A, E, R> => self instanceof Chain

const noTiers = (): ReadonlyArray<Tier> => []

/** Makes an effect the first choice of a chain. */
export const primary = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<Served<A>, E, R> => {
  mayBeAsked()
  return new Chain(() => Effect.map(self, firstChoice), self, noTiers)
}

const selects = (when: string | ReadonlyArray<string> | undefined, error: unknown): boolean => {
  if (when === undefined) return true
  if (!Predicate.hasProperty(error, "_tag")) return false
  return typeof when === "string" ? error._tag === when : when.some((tag) => error._tag === tag)
}

/** How a tier answers to an error. */
export interface Answering<in E, out B, in out E2, out R2> {
  readonly name: string
  readonly options: TierOptions<string>
  readonly run: (fiber: AnyFiber, error: E, cause: Cause.Cause<E>) => Effect.Effect<Served<B>, E2, R2>
  /** What telemetry says of a failure of `run`. */
  readonly failureTag: (cause: Cause.Cause<E2>) => string
}

/** The answer of a tier. */
export const answer = <B>(tier: string, kind: Kind, value: B, age: Served<B>["age"] = Option.none()): Served<B> => ({
  value,
  tier,
  kind,
  degraded: true,
  age
})

/** What a tier makes of what the tiers before it failed with. */
const rescue =
  <E, B, E2, R2>({ failureTag, name, options, run }: Answering<E, B, E2, R2>) =>
  (cause: Cause.Cause<E>): Effect.Effect<Served<B>, E | E2, R2> => {
    const failed = Outcome.errorIn(cause)
    if (Option.isNone(failed) || !selects(options.when, failed.value)) return Effect.failCause(cause)
    const of = Telemetry.ownerOf(failed.value, "fallback")
    return Effect.withFiberRuntime<Served<B>, E2, R2>((fiber) => {
      const publish = (event: (at: number) => Telemetry.Event) =>
        Effect.sync(() => Telemetry.publish(fiber, () => event(nowMillis(fiber))))
      return Effect.suspend(() => run(fiber, failed.value, cause)).pipe(
        Effect.tapErrorCause((ended) =>
          Cause.isInterruptedOnly(ended)
            ? Effect.void
            : publish((at) => ({ _tag: "FallbackFailed", ...of, at, tier: name, error: failureTag(ended) }))
        ),
        Effect.tap(({ age, kind }) =>
          publish((at) => ({
            _tag: "FallbackServed",
            ...of,
            at,
            tier: name,
            kind,
            age: Option.getOrUndefined(Option.map(age, Duration.toMillis))
          }))
        )
      )
    })
  }

/** One more tier at the end of a chain. */
export const step = <A, E, R, B, E2, R2>(
  self: Effect.Effect<Served<A>, E, R>,
  answering: Answering<E, B, E2, R2>
): Effect.Effect<Served<A | B>, E | E2, R | R2> => {
  mayBeAsked()
  const rescued = rescue<E, B, E2, R2>(answering)
  return new Chain<A | B, E | E2, R | R2>(
    () => Effect.catchAllCause(self, rescued),
    Effect.catchAllCause(value(self), (cause) => Effect.map(rescued(cause), valueOf)),
    () => [...tiers(self), described(answering.name, answering.options)]
  )
}

const valueOf = <A>(served: Served<A>): A => served.value

/** The value alone, for callers that need not know. */
export const value = <A, E, R>(self: Effect.Effect<Served<A>, E, R>): Effect.Effect<A, E, R> =>
  isChain(self) ? self.unserved : Effect.map(self, valueOf)

/**
 * The tiers of a chain in the order in which they are asked, the first choice not among them: what `Policy.explain` wants
 * to know of the fallback around a policy. Nothing is run. Of a chain that something else was put around (a span, a `map`)
 * there are none to be seen.
 *
 * @example
 * ```ts
 * import { Fallback, Policy } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const recommendations = Effect.fail("down").pipe(
 *   Fallback.primary,
 *   Fallback.tier("popular", { remote: true }, () => Effect.succeed(["a book"]))
 * )
 * const explanation = Policy.explain("recommendations", {}, { fallback: Fallback.tiers(recommendations) })
 * console.log(explanation.traps.map(({ rule }) => rule))
 * ```
 */
export const tiers = <A, E, R>(self: Effect.Effect<Served<A>, E, R>): ReadonlyArray<Tier> =>
  isChain(self) ? self.tiers() : []
