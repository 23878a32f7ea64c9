/**
 * The functions behind the names of a plan, typed by the service: what the compiler asks of them.
 */
import type { ServiceMembers } from "@effect-resilience/core"
import type { Effect, Stream } from "effect"
import type { Call, Fault } from "../plan/Model.js"

/** How a plan names a member. */
type NameOf<K> = K extends symbol ? `Symbol(${string})` : K extends string | number ? `${K}` : never

/** The key of a member that is an effect or a Stream, or gives one; an Effect is a Stream by type. */
type Calling<K, T> =
  ServiceMembers.IsData<T> extends true ? never : T extends Stream.Stream<infer _, infer _E, infer _R> ? K : never

type CallingKey<S> = { [K in keyof S]: Calling<K, ServiceMembers.Given<S[K]>> }[keyof S]

/** The arguments of a method; of an overloaded one those of its last four signatures. */
type Arguments<M> = M extends {
  (...args: infer A1): unknown
  (...args: infer A2): unknown
  (...args: infer A3): unknown
  (...args: infer A4): unknown
}
  ? A1 | A2 | A3 | A4
  : readonly []

/** A call of a service, as the named functions get it: which method, with what, how long after the start of the plan. */
export type ServiceCall<S> = {
  [K in CallingKey<S>]: Omit<Call, "method" | "args"> & {
    readonly method: NameOf<K>
    readonly args: Arguments<S[K]>
  }
}[CallingKey<S>]

/** The names of the errors that faults mention. */
export type ErrorName<F extends Fault> = F extends { readonly kind: "fault" | "lostReply"; readonly error?: infer N }
  ? Extract<N, string>
  : never

/** The names of the results that faults mention. */
export type OutcomeName<F extends Fault> = F extends { readonly kind: "outcome"; readonly outcome: infer N }
  ? Extract<N, string>
  : never

/** The names of the predicates that faults mention. */
export type PredicateName<F extends Fault> = Extract<F["when"], string>

/** The methods a fault is for, or `string` for all. */
type Method<F extends Fault> = NonNullable<F["methods"]>[number]

type IsFor<F extends Fault, K> =
  string extends Method<F> ? true : [Extract<Method<F>, NameOf<K>>] extends [never] ? false : true

/** What all of these boxes may hold. */
type Shared<Box> = (Box extends unknown ? (box: Box) => void : never) extends (
  all: infer All extends { readonly of: unknown }
) => void
  ? All["of"]
  : never

type FailureBox<T> = T extends Stream.Stream<infer _, infer E, infer _R> ? { readonly of: E } : never
type SuccessBox<T> = T extends Stream.Stream<infer A, infer _, infer _R> ? { readonly of: A } : never

/** Whether a member may give this effect, whatever it is called with: so a generic method may give nothing of its parameter. */
type Fits<M, With> = With extends M ? true : ((...args: ReadonlyArray<unknown>) => With) extends M ? true : false

/** The errors that every signature of a member declares. */
type MemberFailure<M> =
  Shared<FailureBox<ServiceMembers.Given<M>>> extends infer E
    ? Fits<M, Effect.Effect<never, E>> extends true
      ? { readonly of: E }
      : { readonly of: never }
    : never

/** The results that every signature of a member may have. */
type MemberSuccess<M> =
  Shared<SuccessBox<ServiceMembers.Given<M>>> extends infer A
    ? Fits<M, Effect.Effect<A>> extends true
      ? { readonly of: A }
      : { readonly of: never }
    : never

type FailuresHit<S, F extends Fault, N> = F extends Fault
  ? [Extract<ErrorName<F>, N>] extends [never]
    ? never
    : { [K in CallingKey<S>]: IsFor<F, K> extends true ? MemberFailure<S[K]> : never }[CallingKey<S>]
  : never

type SuccessesHit<S, F extends Fault, N> = F extends Fault
  ? [Extract<OutcomeName<F>, N>] extends [never]
    ? never
    : { [K in CallingKey<S>]: IsFor<F, K> extends true ? MemberSuccess<S[K]> : never }[CallingKey<S>]
  : never

/** What an error of this name may be: one that every method declares which a fault of that name may hit. */
export type ErrorFor<S, F extends Fault, N> = Shared<FailuresHit<S, F, N>>

/** What a result of this name may be: one that every method may have which a fault of that name may hit. */
export type OutcomeFor<S, F extends Fault, N> = Shared<SuccessesHit<S, F, N>>

/** An option that may be left out only where no name needs it. A plan whose names are not known is checked when it starts. */
type Needed<Option extends string, Name extends string, C> = [Name] extends [never]
  ? unknown
  : string extends Name
    ? unknown
    : { readonly [K in Option]: { readonly [N in Name]: (call: C) => unknown } }

type AllNeeded<C, F extends Fault> = Needed<"errors", ErrorName<F>, C> &
  Needed<"outcomes", OutcomeName<F>, C> &
  Needed<"predicates", PredicateName<F>, C>

/** The functions behind the names of a plan. */
export type Named<S, F extends Fault> = {
  /** The errors that the plan names, each made for the call that it hits. */
  readonly errors?: { readonly [N in ErrorName<F>]: (call: ServiceCall<S>) => ErrorFor<S, F, N> } | undefined
  /** The results that the plan names, each made for the call that it hits. */
  readonly outcomes?: { readonly [N in OutcomeName<F>]: (call: ServiceCall<S>) => OutcomeFor<S, F, N> } | undefined
  /** The predicates that the plan names. One that throws makes a defect of the call. */
  readonly predicates?: { readonly [N in PredicateName<F>]: (call: ServiceCall<S>) => boolean } | undefined
} & AllNeeded<ServiceCall<S>, F>

/** The same for one effect, to whose errors those of the plan are added. */
export type NamedForOne<A, E, F extends Fault> = {
  /** The errors that the plan names, each made for the call that it hits. */
  readonly errors?: Readonly<Record<string, (call: Call) => E>> | undefined
  /** The results that the plan names, each made for the call that it hits. */
  readonly outcomes?: Readonly<Record<string, (call: Call) => A>> | undefined
  /** The predicates that the plan names. One that throws makes a defect of the call. */
  readonly predicates?: { readonly [N in PredicateName<F>]: (call: Call) => boolean } | undefined
} & AllNeeded<Call, F>

type UnknownMethod<S, F extends Fault> = F extends Fault
  ? string extends Method<F>
    ? never
    : Exclude<Method<F>, NameOf<CallingKey<S>>>
  : never

/** What the compiler says of a plan with faults for methods that there are not: the name of each, as missing. */
export type KnowsMethods<S, F extends Fault> = [UnknownMethod<S, F>] extends [never]
  ? unknown
  : { readonly [M in UnknownMethod<S, F> as `no method "${M}" gives an effect or a Stream`]: never }
