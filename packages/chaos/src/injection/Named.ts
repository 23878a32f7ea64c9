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

/** An option that may be left out only where no name needs it. A plan whose names are not known is checked when it starts. */
type Needed<Option extends string, Name extends string> = [Name] extends [never]
  ? unknown
  : string extends Name
    ? unknown
    : { readonly [K in Option]: unknown }

/** The functions behind the names of a plan. */
export type Named<C, F extends Fault, Errors, Outcomes> = {
  /** The errors that the plan names, each made for the call that it hits. */
  readonly errors?: { readonly [N in keyof Errors]: (call: C) => Errors[N] } | undefined
  /** The results that the plan names, each made for the call that it hits. */
  readonly outcomes?: { readonly [N in keyof Outcomes]: (call: C) => Outcomes[N] } | undefined
  /** The predicates that the plan names. One that throws makes a defect of the call. */
  readonly predicates?: { readonly [N in PredicateName<F>]: (call: C) => boolean } | undefined
} & Needed<"errors", ErrorName<F>> &
  Needed<"outcomes", OutcomeName<F>> &
  Needed<"predicates", PredicateName<F>>

/** The methods a fault is for, or `string` for all. */
type Method<F extends Fault> = NonNullable<F["methods"]>[number]

type IsFor<F extends Fault, K> =
  string extends Method<F> ? true : [Extract<Method<F>, NameOf<K>>] extends [never] ? false : true

/** What these names stand for; of names that are not known, everything. */
type Behind<Values, Name> = string extends Name ? Values[keyof Values] : Values[Name & keyof Values]

/** What takes the place of a call that a fault hits. */
type StandIn<F extends Fault, Errors, Outcomes> = Effect.Effect<
  [OutcomeName<F>] extends [never] ? never : Behind<Outcomes, OutcomeName<F>>,
  [ErrorName<F>] extends [never] ? never : Behind<Errors, ErrorName<F>>
>

/** Whether a member may give this effect, whatever it is called with: so a generic method may give nothing of its parameter. */
type Fits<M, With> = With extends M ? true : ((...args: ReadonlyArray<unknown>) => With) extends M ? true : false

type Unfit<S, F extends Fault, Errors, Outcomes> = F extends Fault
  ?
      | {
          [K in CallingKey<S>]: IsFor<F, K> extends true
            ? Fits<S[K], StandIn<F, Errors, Outcomes>> extends true
              ? never
              : `method "${NameOf<K>}" does not declare "${ErrorName<F> | OutcomeName<F>}"`
            : never
        }[CallingKey<S>]
      | (string extends Method<F>
          ? never
          : `"${Exclude<Method<F>, NameOf<CallingKey<S>>>}" is no method that gives an effect or a Stream`)
  : never

/** What the compiler says of faults that a method does not declare, or that are for a method which there is not. */
export type Admits<S, F extends Fault, Errors, Outcomes> = [Unfit<S, F, Errors, Outcomes>] extends [never]
  ? unknown
  : { readonly [Mistake in Unfit<S, F, Errors, Outcomes>]: never }
