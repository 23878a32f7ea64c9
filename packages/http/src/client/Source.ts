/**
 * The promise behind a response of a client of `@effect/platform`. What the platform makes of it is remembered for whoever
 * reads again, for which each response pays a fiber and some forty steps of the runtime; here a body is read once anyway.
 *
 * Where the promise is, the platform does not publish. So a response of each kind is made up and read: only what gives
 * exactly the promise of its source, and asks for nothing else, is taken for it, and only of a class of its own, not of one
 * that changes what another reads. The first response of a kind, and all of those that are not known, are read as they say.
 */
import type { HttpClientResponse } from "@effect/platform"
import { Effect, Inspectable, Predicate } from "effect"

/** What can be read as a whole. */
export interface Source {
  readonly text: () => Promise<string>
  readonly arrayBuffer: () => Promise<ArrayBuffer>
}

/** What of a response is read. */
type Readable = Pick<HttpClientResponse.HttpClientResponse, "text" | "arrayBuffer">

const member = (u: unknown, name: string): unknown => (Predicate.hasProperty(u, name) ? u[name] : undefined)

type Place = (source: unknown) => unknown
const itself: Place = (source) => source
const itsBody: Place = (source) => member(source, "body")

/** By the prototypes of responses: where their sources are; `none` where that is not known, or not yet. */
const places = new WeakMap<object, Place | "none">()

/** Not one of which somebody has read: what comes after gets that only from the response. */
const isUnread = (u: unknown): u is Source =>
  Predicate.isFunction(member(u, "text")) &&
  Predicate.isFunction(member(u, "arrayBuffer")) &&
  member(u, "bodyUsed") === false

/** The module of this runtime that can tell a proxy from what it stands for. */
const types: unknown = (() => {
  const process = member(globalThis, "process")
  const module = member(process, "getBuiltinModule")
  return Predicate.isFunction(module) ? member(Reflect.apply(module, process, ["node:util"]), "types") : undefined
})()
const isProxy = member(types, "isProxy")

/** Whether nothing can stand between this object and who asks it. */
const isPlain = (u: object): boolean => Predicate.isFunction(isProxy) && isProxy(u) === false

/** The source of a response, if it is one of a kind that is known. */
export const sourceOf = (response: Readable): Source | undefined => {
  const place = places.get(Object.getPrototypeOf(response))
  if (place === undefined || place === "none" || !isPlain(response)) return undefined
  // What has a `text` of its own reads otherwise, and what has no source of its own is made of another.
  if (Object.hasOwn(response, "text") || Object.hasOwn(response, "arrayBuffer")) return undefined
  const source = Object.hasOwn(response, "source") ? place(member(response, "source")) : undefined
  return isUnread(source) ? source : undefined
}

const isAsyncIterable = (u: unknown): u is AsyncIterable<unknown> =>
  Predicate.isObject(u) && Symbol.asyncIterator in u && Predicate.isFunction(u[Symbol.asyncIterator])

/** The chunks of a response as they come, if it is one of a kind that is known. */
export const chunksOf = (response: Readable): AsyncIterable<unknown> | undefined => {
  const source = sourceOf(response)
  const body = source === undefined || isAsyncIterable(source) ? source : member(source, "body")
  return isAsyncIterable(body) ? body : undefined
}

/** A source that counts what it was asked for. */
class MadeUp implements Source {
  asked = 0
  readonly buffer = new ArrayBuffer(1)
  constructor(readonly name: string) {}
  readonly text = (): Promise<string> => {
    this.asked++
    return Promise.resolve(this.name)
  }
  readonly arrayBuffer = (): Promise<ArrayBuffer> => {
    this.asked++
    return Promise.resolve(this.buffer)
  }
}

const isKind = (prototype: object): boolean =>
  Object.getPrototypeOf(prototype) === Inspectable.Class.prototype &&
  Object.hasOwn(prototype, "text") &&
  Object.hasOwn(prototype, "arrayBuffer")

/** Reads a made-up response of a kind. */
const placeIn = (prototype: object): Effect.Effect<Place | "none"> =>
  Effect.suspend(() => {
    const [outer, inner] = [new MadeUp("itself"), new MadeUp("its body")]
    const source = { body: inner, text: outer.text, arrayBuffer: outer.arrayBuffer }
    const response: Readable = Object.create(prototype, { source: { value: source } })
    return Effect.map(Effect.all([response.text, response.arrayBuffer]), ([text, buffer]) => {
      const is = (one: MadeUp, other: MadeUp) =>
        text === one.name && buffer === one.buffer && one.asked === 2 && other.asked === 0
      if (is(outer, inner)) return itself
      return is(inner, outer) ? itsBody : "none"
    })
  }).pipe(Effect.catchAllCause(() => Effect.succeed("none" as const)))

/** Reads a response as it says, and looks where the sources of its kind are, if nobody has; nobody waits for that. */
export const looking = <A, E>(response: Readable, read: () => Effect.Effect<A, E>): Effect.Effect<A, E> => {
  const reading = Effect.suspend(read)
  const prototype: unknown = Object.getPrototypeOf(response)
  if (!Predicate.isObject(prototype) || places.has(prototype)) return reading
  places.set(prototype, "none")
  if (!isKind(prototype)) return reading
  const found = Effect.map(placeIn(prototype), (place) => places.set(prototype, place))
  return Effect.zipRight(Effect.forkDaemon(Effect.interruptible(found)), reading)
}
