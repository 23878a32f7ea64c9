/**
 * What the members of a service are, by type and at run time, and how to wrap those that call: for whoever puts something
 * around every method of a service, as `Policy.protectService` does.
 *
 * Calls are members that are effects or Streams, and functions that give them. Everything else is passed through: plain
 * values, functions that give them, and data that is an Effect by type only (Option, Either, Ref, Deferred, Queue, Tag, ...).
 * Methods are called with the real service as `this`, so private fields work; the real service is never touched, so a
 * frozen one works too. What is wrapped is what a function gives: the function itself runs when it is called.
 *
 * Properties of a function are not kept, nor can a member be set through the wrapped service.
 */
import {
  Context,
  Deferred,
  Effect,
  Either,
  Fiber,
  FiberRef,
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

/** Whether it is data that is an Effect by type only. */
export type IsData<T> = [Extract<keyof T, (typeof dataTypeIds)[number]>] extends [never] ? false : true

/** What a member gives, called or not; of an overloaded method all that the last four signatures give. */
export type Given<M> = M extends {
  (...args: never): infer Out1
  (...args: never): infer Out2
  (...args: never): infer Out3
  (...args: never): infer Out4
}
  ? Out1 | Out2 | Out3 | Out4
  : M

const isCall = (u: unknown): u is Effect.Effect<unknown, unknown, unknown> =>
  Effect.isEffect(u) && !dataTypeIds.some((id) => Predicate.hasProperty(u, id))

/** Whether it is a Stream, and not an Effect or what looks like one: those carry the mark of a Stream as well. */
const isStream = (u: unknown): u is Stream.Stream<unknown, unknown, unknown> =>
  !Effect.isEffect(u) && Predicate.hasProperty(u, Stream.StreamTypeId)

/** The names of all members, inherited ones included. */
export const keysOf = (service: object): ReadonlySet<PropertyKey> => {
  const own = Reflect.ownKeys(service).filter((key) => key !== "constructor")
  const parent: unknown = Object.getPrototypeOf(service)
  return Predicate.isObject(parent) && parent !== Object.prototype && parent !== Function.prototype
    ? new Set([...own, ...keysOf(parent)])
    : new Set(own)
}

/** Which member was called, and with what; a member that is an effect or a Stream itself has no arguments. */
export interface MemberCall {
  readonly member: PropertyKey
  readonly args: ReadonlyArray<unknown>
}

/** What is put around the calls. */
export interface Wrapping {
  readonly effect: (
    self: Effect.Effect<unknown, unknown, unknown>,
    call: MemberCall
  ) => Effect.Effect<unknown, unknown, unknown>
  readonly stream: (
    self: Stream.Stream<unknown, unknown, unknown>,
    call: MemberCall
  ) => Stream.Stream<unknown, unknown, unknown>
}

const wrapped = (given: unknown, call: MemberCall, wrapping: Wrapping): unknown => {
  if (isCall(given)) return wrapping.effect(given, call)
  return isStream(given) ? wrapping.stream(given, call) : given
}

const wrappedMember = (of: unknown, member: PropertyKey, service: object, wrapping: Wrapping): unknown =>
  typeof of !== "function" || Effect.isEffect(of)
    ? wrapped(of, { member, args: [] }, wrapping)
    : (...args: ReadonlyArray<unknown>): unknown =>
        wrapped(Reflect.apply(of, service, args), { member, args }, wrapping)

/**
 * An object that looks like the service and has the wrapping around what its members do. That the members of `S` allow for
 * what the wrapping adds, the caller has to see to: `Policy.protectService` and its like ask it of the compiler.
 *
 * @example
 * ```ts
 * import { ServiceMembers } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const clock = { now: Effect.succeed(12), plus: (hours: number) => Effect.succeed(12 + hours), zone: "UTC" }
 * const counted: Array<PropertyKey> = []
 * const counting = ServiceMembers.wrap<typeof clock>(clock, {
 *   effect: (self, { member }) => Effect.zipRight(Effect.sync(() => counted.push(member)), self),
 *   stream: (self) => self
 * })
 * const program = Effect.all([counting.now, counting.plus(1)])
 * Effect.runPromise(program).then((hours) => console.log(hours, counted, counting.zone))
 * ```
 */
export const wrap = <S extends object>(service: object, wrapping: Wrapping): S => {
  const copy: S = Object.create(Object.getPrototypeOf(service))
  const made = new Map<PropertyKey, { readonly of: unknown; readonly wrapped: unknown }>()
  for (const key of keysOf(service)) {
    Object.defineProperty(copy, key, {
      enumerable: true,
      configurable: true,
      get: () => {
        const of: unknown = Reflect.get(service, key, service)
        const known = made.get(key)
        if (known !== undefined && known.of === of) return known.wrapped
        const member = wrappedMember(of, key, service, wrapping)
        made.set(key, { of, wrapped: member })
        return member
      }
    })
  }
  return copy
}
