/** Bodies that are read from where a client's response has them, and those that are not. */
import { ResilientHttpClient } from "@effect-resilience/http"
import { FileSystem, Headers, HttpClient, HttpClientResponse, HttpIncomingMessage } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Inspectable, Option, TestClock } from "effect"
import { turns } from "../support/Turns.js"

const at = "http://a.example/x"

const body = "[1]"
const headers = { "content-length": `${body.length}` }

let timesRead = 0

/** A web response that counts who reads it, and how it is read. */
const web = (read: (text: () => Promise<string>) => Promise<string> = (text) => text()): Response => {
  const response = new Response(body, { headers })
  const text = response.text.bind(response)
  const value = () => {
    timesRead++
    return read(text)
  }
  return Object.defineProperty(response, "text", { value })
}

type Respond = (response: HttpClientResponse.HttpClientResponse) => HttpClientResponse.HttpClientResponse

/** A client whose responses are made something of. */
const answering = (respond: Respond, made: () => Response = () => web()) =>
  ResilientHttpClient.protect(
    HttpClient.make((request) => Effect.succeed(respond(HttpClientResponse.fromWeb(request, made())))),
    "a",
    { bodyIdle: "5 seconds", deadline: "1 minute" }
  )

const read = (client: HttpClient.HttpClient.With<unknown>) => Effect.flatMap(client.get(at), ({ text }) => text)

/** Whether the platform's own reading, which it remembers for others, was asked for. */
const remembers = (response: object): boolean => "textBody" in response && response.textBody !== undefined

const seen: Array<HttpClientResponse.HttpClientResponse> = []
const noting: Respond = (response) => {
  seen.push(response)
  return response
}

/** After this the responses of the platform are known. */
const known = Effect.gen(function* () {
  yield* read(yield* answering(noting))
  yield* turns
})

describe("the body of a response of the platform's own kind", () => {
  it.scoped("is read from its source once that is known, one time", () =>
    Effect.gen(function* () {
      yield* known
      const client = yield* answering(noting)
      timesRead = 0
      const response = yield* client.get(at)
      expect([yield* response.text, yield* response.json, yield* response.text]).toEqual(["[1]", [1], "[1]"])
      expect([timesRead, seen.map(remembers).at(-1)]).toEqual([1, false])
    })
  )

  it.scoped("is read as the response says where its client has read it before", () =>
    Effect.gen(function* () {
      yield* known
      const bare = HttpClient.make((request) => Effect.succeed(HttpClientResponse.fromWeb(request, web())))
      const logged: Array<string> = []
      const logging = HttpClient.tap(bare, ({ text }) => Effect.map(text, (line) => logged.push(line)))
      const client = yield* ResilientHttpClient.protect(logging, "a")
      expect([yield* read(client), logged]).toEqual(["[1]", ["[1]"]])
    })
  )

  it.scoped("ends when it is silent, with its client, and with its reader, and what comes late is nobody's", () =>
    Effect.gen(function* () {
      yield* known
      let release: (text: string) => void = () => {}
      const late = () => web(() => new Promise((resolve) => (release = resolve)))
      const client = yield* answering(noting, late)
      const silent = yield* Effect.fork(Effect.flip(read(client)))
      yield* TestClock.adjust("5 seconds")
      release("late")
      expect(`${yield* Fiber.join(silent)}`).toContain("The body was cut off (silent)")
      const given = yield* Effect.fork(read(client))
      yield* turns
      yield* Fiber.interrupt(given)
      release("late")
      const closing = yield* Effect.scoped(
        Effect.flatMap(answering(noting, late), (closed) =>
          Effect.zipLeft(Effect.fork(Effect.flip(read(closed))), turns)
        )
      )
      expect(`${yield* Fiber.join(closing)}`).toContain("The body was cut off (closed)")
      const prompt = yield* Effect.fork(read(client))
      yield* turns
      release("now")
      expect(yield* Fiber.join(prompt)).toBe("now")
    })
  )

  it.scoped("fails as the source does", () =>
    Effect.gen(function* () {
      yield* known
      const broken = () => web(() => Promise.reject(new Error("garbage")))
      const throwing = () =>
        web(() => {
          throw new Error("thrown")
        })
      for (const [made, cause] of [
        [broken, "garbage"],
        [throwing, "thrown"]
      ] as const) {
        const error = yield* Effect.flip(Effect.flatMap((yield* answering(noting, made)).get(at), ({ text }) => text))
        expect(error).toMatchObject({ _tag: "ResponseError", reason: "Decode", cause: new Error(cause) })
      }
    })
  )
})

/** A body of unknown length that comes as it is sent. */
const sending = () => {
  const returned: Array<string> = []
  let tell: (next: IteratorResult<unknown>) => void = () => {}
  const iterator: AsyncIterator<unknown> = {
    next: () => new Promise((resolve) => (tell = resolve)),
    return: async () => {
      returned.push("returned")
      return { done: true, value: undefined }
    }
  }
  const of = { [Symbol.asyncIterator]: () => iterator }
  const made = () => Object.defineProperty(new Response(""), "body", { value: of })
  const send = (value: unknown) =>
    Effect.zipRight(
      Effect.sync(() => tell({ done: false, value })),
      turns
    )
  const end = Effect.zipRight(
    Effect.sync(() => tell({ done: true, value: undefined })),
    turns
  )
  return { made, send, end, returned }
}

const bytes = (text: string) => new TextEncoder().encode(text)

/** Nobody knows how long it is. */
const unlimited: Respond = (response) =>
  Object.defineProperty(response, "headers", { value: Headers.fromInput({ "content-type": "text/plain" }) })

describe("the chunks of a body of unknown length", () => {
  it.scoped("are read as they come, each of which ends the silence", () =>
    Effect.gen(function* () {
      yield* known
      const { end, made, send } = sending()
      const reader = yield* Effect.fork(read(yield* answering(unlimited, made)))
      yield* turns
      for (const part of ["a", "b", "\u00e9"]) {
        yield* send(bytes(part))
        yield* TestClock.adjust("4 seconds")
      }
      yield* end
      expect(yield* Fiber.join(reader)).toBe("ab\u00e9")
    })
  )

  it.scoped("end with the silence, and what comes after it is not kept", () =>
    Effect.gen(function* () {
      yield* known
      const { made, returned, send } = sending()
      const reader = yield* Effect.fork(Effect.flip(read(yield* answering(unlimited, made))))
      yield* turns
      yield* send(bytes("a"))
      yield* TestClock.adjust("4999 millis")
      expect([reader.unsafePoll(), returned]).toEqual([null, []])
      yield* TestClock.adjust("1 millis")
      expect(`${yield* Fiber.join(reader)}`).toContain("The body was cut off (silent)")
      yield* send(bytes("b"))
      expect(returned).toEqual(["returned"])
    })
  )

  it.scoped("are no more than may be read, and bytes", () =>
    Effect.gen(function* () {
      yield* known
      const told = (chunk: unknown) =>
        Effect.gen(function* () {
          const { made, returned, send } = sending()
          const client = yield* answering(unlimited, made)
          const small = HttpIncomingMessage.withMaxBodySize(Effect.flip(read(client)), Option.some(FileSystem.Size(3)))
          const reader = yield* Effect.fork(small)
          yield* turns
          yield* send(bytes("abc"))
          yield* send(chunk)
          return [`${yield* Fiber.join(reader)}`, returned]
        })
      const large = "the body is larger than 3 bytes"
      expect(yield* told(bytes("d"))).toEqual([expect.stringContaining(large), ["returned"]])
      expect(yield* told("d")).toEqual([expect.stringContaining("Decode"), ["returned"]])
    })
  )
})

describe("a response that reads otherwise", () => {
  const other = Effect.succeed("other")

  /** Of a kind of its own, which makes something of what its source has. */
  const decrypting: Respond = (response) => {
    const text = {
      get(this: { readonly source: Response }) {
        return Effect.as(
          Effect.promise(() => this.source.text()),
          "other"
        )
      }
    }
    const kind = Object.create(Inspectable.Class.prototype, {
      ...Object.getOwnPropertyDescriptors(Object.getPrototypeOf(response)),
      text
    })
    return Object.create(kind, Object.getOwnPropertyDescriptors(response))
  }

  const ways: Record<string, Respond> = {
    "with a text of its own": (response) => Object.defineProperty(response, "text", { value: other }),
    "made of another": (response) => Object.create(response, { text: { value: other } }),
    "behind a proxy": (response) =>
      new Proxy(response, { get: (of, name) => (name === "text" ? other : Reflect.get(of, name, of)) }),
    "of a kind of its own": decrypting
  }
  for (const [name, respond] of Object.entries(ways)) {
    it.scoped(`is asked itself: ${name}`, () =>
      Effect.gen(function* () {
        yield* known
        const client = yield* answering(respond)
        for (let n = 0; n < 3; n++) {
          expect(yield* read(client)).toBe("other")
          yield* turns
        }
      })
    )
  }
})
