/**
 * Puts a policy around every method of a service, as a Layer over the real one.
 *
 * Protected are members that are effects or Streams, and functions that give them; of a Stream, how it is opened (see
 * `protectStream`). Everything else passes through, as `ServiceMembers` says.
 */
import { type Context, Effect, Layer, type Stream } from "effect"
import { type Given, type IsData, wrap } from "../ServiceMembers.js"
import type { Standard, StandardError } from "./Standard.js"
import { protectStream } from "./Streams.js"

/** The name of a method whose declared errors lack the policy's, or never. An Effect is a Stream by type. */
type Lacks<K, T, E> =
  IsData<T> extends true
    ? never
    : T extends Stream.Stream<infer _, infer E2, infer _>
      ? [E] extends [E2]
        ? never
        : K
      : never

type Unadmitted<S, E> = { [K in keyof S]: Lacks<K, Given<S[K]>, E> }[keyof S]

/** What the compiler says of a service whose methods do not declare the policy's errors: the name of each, as missing. */
type Admits<S> = [Unadmitted<S, StandardError>] extends [never]
  ? unknown
  : {
      readonly [
        K in Unadmitted<
          S,
          StandardError
        > as `method "${K extends string ? K : "(a symbol)"}" does not declare Policy.StandardError`
      ]: never
    }

/** What a member gives with the policy's errors added; data and plain values stay as they are. */
type WithErrors<T> =
  IsData<T> extends true
    ? T
    : T extends Effect.Effect<infer A, infer E, infer R>
      ? Effect.Effect<A, E | StandardError, R>
      : T extends Stream.Stream<infer A, infer E, infer R>
        ? Stream.Stream<A, E | StandardError, R>
        : T

/** The service type with the policy's errors added to each method. A generic method loses its parameter. */
export type Protected<S> = {
  readonly [K in keyof S]: S[K] extends (...args: infer Args) => infer Out
    ? IsData<S[K]> extends true
      ? S[K]
      : (...args: Args) => WithErrors<Out>
    : WithErrors<S[K]>
}

/** How a service is protected. */
export interface ProtectServiceOptions<S> {
  /** The methods that may be repeated without harm. Default none: all others are attempted once. */
  readonly repeatable?: ReadonlyArray<keyof S> | undefined
}

type Around = (key: PropertyKey) => Standard

const aroundBy = (policy: Standard, repeatable: ReadonlyArray<PropertyKey>): Around => {
  return (key) =>
    policy.with({
      operation: typeof key === "symbol" ? undefined : String(key),
      repeatable: repeatable.includes(key) ? undefined : false
    })
}

/**
 * A Layer over the real service, under the same tag. Compiles only if every method that gives an effect or a Stream already
 * declares the policy's errors, so generic methods and overloads survive. Only methods named in `repeatable` are retried;
 * a Stream of any other is opened once.
 *
 * Provide the real service to it. Merging it with the real one instead silently gives one or the other.
 *
 * @example
 * ```ts
 * import { Policy } from "@effect-resilience/core"
 * import { Context, Effect, Layer } from "effect"
 *
 * class Payments extends Context.Tag("app/Payments")<
 *   Payments,
 *   { readonly charge: (cents: number) => Effect.Effect<string, Policy.StandardError> }
 * >() {}
 * class PaymentPolicy extends Context.Tag("app/PaymentPolicy")<PaymentPolicy, Policy.Standard>() {}
 *
 * const real = Layer.succeed(Payments, { charge: (cents) => Effect.succeed(`charged ${cents}`) })
 * const safe = Policy.protectService(Payments, PaymentPolicy).pipe(
 *   Layer.provide([real, Policy.layer(PaymentPolicy, "payment")])
 * )
 * const program = Effect.flatMap(Payments, (payments) => payments.charge(100))
 * Effect.runPromise(Effect.provide(program, safe)).then(console.log)
 * ```
 */
export const protectService = <I, S extends object, PI>(
  tag: Context.Tag<I, S> & Admits<S>,
  policy: Context.Tag<PI, Standard>,
  options: ProtectServiceOptions<S> = {}
): Layer.Layer<I, never, I | PI> => protectedLayer<I, S, PI, I, S>(tag, policy, tag, options)

/**
 * As `protectService`, under another tag whose methods carry the added errors. A generic method loses its type parameter
 * and an overloaded one all but its last signature: TypeScript cannot keep them.
 */
export const protectServiceAs = <I, S extends object, PI, I2, S2 extends object>(
  from: Context.Tag<I, S>,
  policy: Context.Tag<PI, Standard>,
  to: Context.Tag<I2, S2> & (Protected<S> extends S2 ? unknown : never),
  options: ProtectServiceOptions<S> = {}
): Layer.Layer<I2, never, I | PI> => protectedLayer<I, S, PI, I2, S2>(from, policy, to, options)

const protectedLayer = <I, S extends object, PI, I2, S2 extends object>(
  from: Context.Tag<I, S>,
  policyTag: Context.Tag<PI, Standard>,
  to: Context.Tag<I2, S2>,
  options: ProtectServiceOptions<S>
): Layer.Layer<I2, never, I | PI> =>
  Layer.effect(
    to,
    Effect.map(Effect.all([from, policyTag]), ([service, policy]) => {
      const around = aroundBy(policy, options.repeatable ?? [])
      return wrap<S2>(service, {
        effect: (self, { member }) => around(member).protect(self),
        stream: (self, { member }) => protectStream(self, around(member))
      })
    })
  )
