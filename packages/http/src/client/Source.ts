/**
 * The promise behind a response of a client of `@effect/platform`. What the platform makes of it takes a fiber and some forty
 * steps of the runtime for each response, to remember what was read for whoever reads it again; here that is written where
 * the platform looks for it.
 *
 * Where that is, and where the promise is, the platform does not publish. So a response of each kind is made up and read: only
 * what gives exactly the promise of its source, remembers each reading under one name, and asks of itself for nothing else is
 * taken for it, and only of a class of its own, not of one that changes what another reads. The first response of a kind, all
 * of those that are not known, and those that somebody reads already, are read as they say.
 */
import type { HttpClientError, HttpClientResponse } from "@effect/platform"
import type { Content } from "./Content.js"
import { Effect, Effectable, Inspectable, Predicate } from "effect"

/** What can be read as a whole. */
export interface Source {
  readonly text: () => Promise<string>
  readonly arrayBuffer: () => Promise<ArrayBuffer>
}

/** Reads the whole of a source, and what that is. */
export interface Promised<A> {
  readonly read: (source: Source) => Promise<A>
  readonly content: (read: A) => Content
}

/** What a reader gets that could not read. */
type Failed = (cause: unknown) => HttpClientError.ResponseError

/** What of a response is read. */
type Readable = Pick<HttpClientResponse.HttpClientResponse, "text" | "arrayBuffer">

const member = (u: unknown, name: string): unknown => (Predicate.hasProperty(u, name) ? u[name] : undefined)

/** Where a kind of responses has its source, and the names under which it remembers what was read. */
interface Place {
  readonly source: (of: unknown) => unknown
  readonly text: string
  readonly arrayBuffer: string
}

const itself = (source: unknown): unknown => source
const itsBody = (source: unknown): unknown => member(source, "body")

/** By the prototypes of responses; `none` where it is not known, or not yet. */
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

const readings = ["text", "arrayBuffer", "stream"] as const

/** The source of a response that is of a kind that is known, if nobody has begun to read it. */
const unread = (response: Readable): readonly [Source, Place] | undefined => {
  const place = places.get(Object.getPrototypeOf(response))
  if (place === undefined || place === "none" || !isPlain(response)) return undefined
  // What has a reading of its own reads otherwise, and what has no source of its own is made of another.
  if (readings.some((name) => Object.hasOwn(response, name))) return undefined
  if (member(response, place.text) !== undefined || member(response, place.arrayBuffer) !== undefined) return undefined
  const source = Object.hasOwn(response, "source") ? place.source(member(response, "source")) : undefined
  return isUnread(source) ? [source, place] : undefined
}

const put = (on: unknown, name: string, value: unknown): void => {
  if (Predicate.isRecord(on)) on[name] = value
}

/** What was read, for who reads it again: seldom anybody, so that nothing more is made of it until then. */
class Remembered<A> extends Effectable.Class<A, HttpClientError.ResponseError> {
  constructor(
    private readonly promise: Promise<A>,
    private readonly failed: Failed
  ) {
    super()
  }
  override commit(): Effect.Effect<A, HttpClientError.ResponseError> {
    return Effect.tryPromise({ try: () => this.promise, catch: this.failed })
  }
}

/** The source of a response, if it can be read. Who reads the response itself later gets the same, or what `failed` makes. */
export const sourceOf = (response: Readable, failed: Failed): Source | undefined => {
  const found = unread(response)
  if (found === undefined) return undefined
  const [source, place] = found
  const remembered = <A>(name: string, promise: Promise<A>): Promise<A> => {
    put(response, name, new Remembered(promise, failed))
    return promise
  }
  return {
    text: () => remembered(place.text, source.text()),
    arrayBuffer: () => remembered(place.arrayBuffer, source.arrayBuffer())
  }
}

const isAsyncIterable = (u: unknown): u is AsyncIterable<unknown> =>
  Predicate.isObject(u) && Symbol.asyncIterator in u && Predicate.isFunction(u[Symbol.asyncIterator])

/** The chunks of a response as they come, if its source can be read. */
export const chunksOf = (response: Readable): AsyncIterable<unknown> | undefined => {
  const source = unread(response)?.[0]
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
  Effect.suspend((): Effect.Effect<Place | "none", unknown> => {
    const [outer, inner] = [new MadeUp("itself"), new MadeUp("its body")]
    const source = { body: inner, text: outer.text, arrayBuffer: outer.arrayBuffer }
    const response: Readable = Object.create(prototype, { source: { value: source } })
    const asked = new Set<PropertyKey>()
    const get = (of: Readable, name: PropertyKey, self: unknown): unknown => {
      asked.add(name)
      return Reflect.get(of, name, self)
    }
    const watched = new Proxy(response, { get })
    const both = [watched.text, watched.arrayBuffer] as const
    const [ofText, ofBuffer, ...others] = Object.keys(response)
    // Nothing is run of what remembers otherwise.
    if (ofText === undefined || ofBuffer === undefined || others.length > 0) return Effect.succeed("none")
    const expected: ReadonlyArray<PropertyKey> = ["text", "arrayBuffer", "source", ofText, ofBuffer]
    return Effect.map(Effect.all(both), ([text, buffer]) => {
      const is = (one: MadeUp, other: MadeUp) =>
        text === one.name && buffer === one.buffer && one.asked === 2 && other.asked === 0
      const at = { text: ofText, arrayBuffer: ofBuffer }
      if (![...asked].every((name) => expected.includes(name))) return "none"
      if (is(outer, inner)) return { ...at, source: itself }
      return is(inner, outer) ? { ...at, source: itsBody } : "none"
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
