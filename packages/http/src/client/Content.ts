/**
 * What a body consists of, as it was read: as text or as bytes, whichever the client was asked for first.
 */
import { type Headers, type HttpClientResponse, HttpIncomingMessage } from "@effect/platform"
import { type Chunk, Deferred, Effect, type Exit, FiberId, Option } from "effect"

/** A whole body. */
export interface Content {
  readonly text: () => string
  readonly bytes: () => Uint8Array
}

/** The content of these bytes. */
export const ofBytes = (bytes: Uint8Array): Content => ({
  text: () => new TextDecoder().decode(bytes),
  bytes: () => bytes
})

/** The content of what a client has decoded. */
export const ofText = (text: string): Content => ({ text: () => text, bytes: () => new TextEncoder().encode(text) })

/** The content of parts that came one after the other. */
const ofParts = (parts: ReadonlyArray<Uint8Array>): Content => {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return ofBytes(whole)
}

/** The body holds more than may be read. */
export class TooLarge extends Error {
  constructor(mostBytes: number | bigint) {
    super(`the body is larger than ${mostBytes} bytes`)
  }
}

/** The parts of a body as they come, of so many bytes at most. Mutable, and nobody has it but the one reading. */
class Parts {
  private readonly parts: Array<Uint8Array> = []
  private length = 0

  constructor(private readonly mostBytes: number | bigint) {}

  /** Takes one more, and says whether that is too much. */
  add(part: Uint8Array): boolean {
    this.parts.push(part)
    this.length += part.length
    return this.length > this.mostBytes
  }

  get content(): Content {
    return ofParts(this.parts)
  }
}

/** How much the fiber reads of a body. In bytes. */
export const mostBytes: Effect.Effect<number | bigint> = Effect.map(
  HttpIncomingMessage.MaxBodySize,
  Option.getOrElse(() => Infinity)
)

/** All chunks, as long as `goOn` says so of each that has come. */
export const gathered = async (
  chunks: AsyncIterable<unknown>,
  most: number | bigint,
  goOn: () => boolean
): Promise<Content> => {
  const parts = new Parts(most)
  for await (const chunk of chunks) {
    if (!(chunk instanceof Uint8Array)) throw new TypeError("a body must consist of bytes")
    if (parts.add(chunk)) throw new TooLarge(most)
    if (!goOn()) break
  }
  return parts.content
}

/** Gives the next chunk, or no error at the end. */
export type Pull<E> = Effect.Effect<Chunk.Chunk<Uint8Array>, Option.Option<E>>

/** All that is pulled. */
export const collected = <E>(pull: Pull<E>, failed: (cause: TooLarge) => E): Effect.Effect<Content, E> =>
  Effect.gen(function* () {
    const most = yield* mostBytes
    const next = Effect.catchAll(
      Effect.asSome(pull),
      Option.match({ onNone: () => Effect.succeedNone, onSome: (error: E) => Effect.fail(error) })
    )
    const parts = new Parts(most)
    for (;;) {
      const chunk = yield* next
      if (Option.isNone(chunk)) return parts.content
      for (const part of chunk.value) if (parts.add(part)) return yield* Effect.fail(failed(new TooLarge(most)))
    }
  })

/** How long a body is by the headers; Infinity where they do not say. In bytes. */
export const announcedBytes = (
  { request, status }: HttpClientResponse.HttpClientResponse,
  headers: Headers.Headers
): number => {
  if (request.method === "HEAD" || status === 204 || status === 304) return 0
  const length = headers["content-length"]
  return length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : Infinity
}

/** The reading of a body, for which others may wait: rarely, and a `Deferred` costs more than all else here. */
export class Reading<E> {
  private exit: Exit.Exit<Content, E> | undefined = undefined
  private waitedFor: Deferred.Deferred<Content, E> | undefined = undefined

  /** What was read, once it has ended. */
  get content(): Effect.Effect<Content, E> {
    return Effect.suspend(() => {
      if (this.exit !== undefined) return this.exit
      this.waitedFor ??= Deferred.unsafeMake(FiberId.none)
      return Deferred.await(this.waitedFor)
    })
  }

  /** It has ended. */
  ended(exit: Exit.Exit<Content, E>): Exit.Exit<Content, E> {
    this.exit = exit
    if (this.waitedFor !== undefined) Deferred.unsafeDone(this.waitedFor, exit)
    return exit
  }
}
