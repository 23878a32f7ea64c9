/**
 * Puts a policy around every method of a service, as a Layer over the real one.
 *
 * Protected are members that are effects or Streams, and functions that give them; of a Stream, how it is opened (see
 * `protectStream`). Everything else passes through: plain values, functions that give them, and data that is an Effect by
 * type only (Option, Either, Ref, Deferred, Queue, Tag, ...). Methods are called with the real service as `this`, so private
 * fields work; the real service is never touched, so a frozen one works too.
 */
import {
  Context,
  Deferred,
  Effect,
  Either,
  Fiber,
  FiberRef,
  Layer,
  ManagedRuntime,
  Option,
  Pool,
  Predicate,
  Queue,
  RcRef,
  Ref,
  Resource,
  ScopedRef,
  Stream
} from "effect"
import type { Standard, StandardError } from "./Standard.js"
import { protectStream } from "./Streams.js"

/** Marks of what is an Effect by type and data by nature. */
const dataTypeIds = [
  Option.TypeId,
  Either.TypeId,
  Context.TagTypeId,
  Ref.RefTypeId,
  Deferred.DeferredTypeId,
  Queue.EnqueueTypeId,
  Queue.DequeueTypeId,
  FiberRef.FiberRefTypeId,
  Fiber.FiberTypeId,
  ScopedRef.ScopedRefTypeId,
  RcRef.TypeId,
  Pool.PoolTypeId,
  Resource.ResourceTypeId,
  ManagedRuntime.TypeId
] as const

type IsData<T> = [Extract<keyof T, (typeof dataTypeIds)[number]>] extends [never] ? false : true

/** What a member gives, called or not; of an overloaded method all that the last four signatures give. */
type Given<M> = M extends {
  (...args: never): infer Out1
  (...args: never): infer Out2
  (...args: never): infer Out3
  (...args: never): infer Out4
}
  ? Out1 | Out2 | Out3 | Out4
  : M

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

const isCall = (u: unknown): u is Effect.Effect<unknown, unknown, unknown> =>
  Effect.isEffect(u) && !dataTypeIds.some((id) => Predicate.hasProperty(u, id))

const keysOf = (service: object): ReadonlySet<PropertyKey> => {
  const own = Reflect.ownKeys(service).filter((key) => key !== "constructor")
  const parent: unknown = Object.getPrototypeOf(service)
  return Predicate.isObject(parent) && parent !== Object.prototype && parent !== Function.prototype
    ? new Set([...own, ...keysOf(parent)])
    : new Set(own)
}

/** Whether it is a Stream, and not an Effect or what looks like one: those carry the mark of a Stream as well. */
const isStream = (u: unknown): u is Stream.Stream<unknown, unknown, unknown> =>
  !Effect.isEffect(u) && Predicate.hasProperty(u, Stream.StreamTypeId)

type Around = (key: PropertyKey) => Standard

/** A call under the policy, anything else as it is. */
const under = (policy: Standard, given: unknown): unknown => {
  if (isCall(given)) return policy.protect(given)
  return isStream(given) ? protectStream(given, policy) : given
}

const guarded = (member: unknown, service: object, policy: Standard): unknown =>
  typeof member !== "function" || Effect.isEffect(member)
    ? under(policy, member)
    : (...args: ReadonlyArray<unknown>): unknown => under(policy, Reflect.apply(member, service, args))

/** An object that looks like the service and puts a policy around what its members do. */
const mirror = <S extends object>(service: object, around: Around): S => {
  const copy: S = Object.create(Object.getPrototypeOf(service))
  const made = new Map<PropertyKey, { readonly of: unknown; readonly guarded: unknown }>()
  for (const key of keysOf(service)) {
    Object.defineProperty(copy, key, {
      enumerable: true,
      configurable: true,
      get: () => {
        const of: unknown = Reflect.get(service, key, service)
        const known = made.get(key)
        if (known !== undefined && known.of === of) return known.guarded
        const member = guarded(of, service, around(key))
        made.set(key, { of, guarded: member })
        return member
      }
    })
  }
  return copy
}

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
    Effect.map(Effect.all([from, policyTag]), ([service, policy]) =>
      mirror<S2>(service, aroundBy(policy, options.repeatable ?? []))
    )
  )
