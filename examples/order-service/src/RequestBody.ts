/**
 * Reads a request's JSON body: bounded, and checked against a schema, with every fault named at once.
 */
import { HttpServerRequest } from "@effect/platform"
import { Data, Effect, Either, Option, ParseResult, Schema, Stream } from "effect"

/** What is wrong with the body, field by field. */
export class BadBody extends Data.TaggedError("BadBody")<{
  readonly error: string
  readonly issues: ReadonlyArray<{ readonly path: string; readonly message: string }>
}> {
  override get message() {
    return this.error
  }
}

/** The body is longer than `limit` bytes. */
export class BodyTooLarge extends Data.TaggedError("BodyTooLarge")<{ readonly limit: number }> {
  override get message() {
    return `the body is longer than ${this.limit} bytes`
  }
}

/** The longest body that is accepted: 64 KiB. */
const limit = 64 * 1024

/** How much of too long a body is read and thrown away, so that the answer gets through, before the line is cut. */
const patience = 8 * 1024 * 1024

const tooLarge = new BodyTooLarge({ limit })
const unreadable = new BadBody({ error: "the body could not be read", issues: [] })

interface Collected {
  readonly size: number
  readonly chunks: ReadonlyArray<Uint8Array>
}

const collect = (body: Collected, chunk: Uint8Array): Effect.Effect<Collected, BodyTooLarge> => {
  const size = body.size + chunk.length
  if (size > patience) return tooLarge
  return Effect.succeed({ size, chunks: size > limit ? [] : [...body.chunks, chunk] })
}

const text = (request: HttpServerRequest.HttpServerRequest): Effect.Effect<string, BadBody | BodyTooLarge> => {
  const { headers } = request
  // HTTP/1.1 announces a body by one of the two; without either there is none.
  if (headers["content-length"] === undefined && headers["transfer-encoding"] === undefined) return Effect.succeed("")
  const announced = Option.map(Option.fromNullable(headers["content-length"]), Number)
  if (Option.exists(announced, (length) => length > patience)) return tooLarge
  if (Option.exists(announced, (length) => length <= limit)) return Effect.mapError(request.text, () => unreadable)
  const nothing: Collected = { size: 0, chunks: [] }
  return Effect.suspend(() => Stream.runFoldEffect(request.stream, nothing, collect)).pipe(
    Effect.mapError((error) => (error._tag === "BodyTooLarge" ? error : unreadable)),
    Effect.filterOrFail(
      ({ size }) => size <= limit,
      () => tooLarge
    ),
    Effect.map(({ chunks }) => new TextDecoder().decode(Buffer.concat(chunks)))
  )
}

const issuesOf = (error: ParseResult.ParseError) =>
  ParseResult.ArrayFormatter.formatErrorSync(error).map(({ message, path }) => ({ path: path.join("."), message }))

/** Decodes the body of the present request. */
export const json = <A, I>(schema: Schema.Schema<A, I>) => {
  const decode = Schema.decodeUnknownEither(schema, { errors: "all" })
  // Of a body that is no JSON object every field is missing: saying so tells the caller what would be right.
  const missing = Either.match(decode({}), { onLeft: issuesOf, onRight: () => [] })
  return Effect.gen(function* () {
    const body = yield* Effect.flatMap(HttpServerRequest.HttpServerRequest, text)
    if (body.trim() === "") return yield* new BadBody({ error: "the body is empty, expected JSON", issues: missing })
    const value = yield* Effect.try({
      try: (): unknown => JSON.parse(body),
      catch: () => new BadBody({ error: "the body is not JSON", issues: missing })
    })
    return yield* Effect.mapError(
      decode(value),
      (error) => new BadBody({ error: "the body is not as expected", issues: issuesOf(error) })
    )
  })
}
