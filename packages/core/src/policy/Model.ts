/**
 * What every policy is: a function from effects to effects, with a name.
 */
import { type Effect, Pipeable, type Types } from "effect"

/** Marks a policy; it carries the policy's error type, without which unsound assignments would compile. */
export const TypeId: unique symbol = Symbol.for("@effect-resilience/core/Policy")
/** The type of the mark of a policy. */
export type TypeId = typeof TypeId

/** A function from effects to effects, with a name. `E` is what it can refuse or fail with by itself. */
export interface Policy<out E> extends Pipeable.Pipeable {
  readonly [TypeId]: { readonly _E: Types.Covariant<E> }
  readonly name: string
  /** Run the effect under this policy. */
  readonly protect: <A, E2, R>(self: Effect.Effect<A, E2, R>) => Effect.Effect<A, E | E2, R>
}

/** What can be told of the type of a policy. */
export declare namespace Policy {
  /** The errors that a policy adds. */
  export type Error<P> = P extends Policy<infer E> ? E : never
}

/** Where a policy that is composed of others has them. */
export const PartsTypeId: unique symbol = Symbol.for("@effect-resilience/core/Policy/Parts")

/** A policy that is composed of others. */
interface Composed {
  readonly [PartsTypeId]: ReadonlyArray<Policy<unknown>>
}

const isComposed = (policy: object): policy is Composed => PartsTypeId in policy

/** The policies that a policy is composed of; none if it is one by itself. */
export const partsOf = (policy: Policy<unknown>): ReadonlyArray<Policy<unknown>> =>
  isComposed(policy) ? policy[PartsTypeId] : []

const variance = { _E: (_: never): never => _ }

/** The members that all policies have alike. */
export abstract class Base implements Pipeable.Pipeable {
  /** The mark of a policy. */
  readonly [TypeId]: { readonly _E: Types.Covariant<never> } = variance
  constructor(readonly name: string) {}
  /** As every pipe of Effect: `policy.pipe(f, g)` is `g(f(policy))`. */
  pipe<A>(this: A): A
  pipe(): unknown {
    return Pipeable.pipeArguments(this, arguments)
  }
}
