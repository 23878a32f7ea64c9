/** Bodies that are read from where a client's response has them, and those that are not. */
import { ResilientHttpClient } from "@effect-resilience/http"
import {
  FileSystem,
  Headers,
  HttpClient,
  HttpClientRequest,
  HttpClientResponse,
  HttpIncomingMessage
} from "@effect/platform"
import { describe, expect, it, vi } from "@effect/vitest"
import { Effect, Exit, Fiber, FiberRef, Inspectable, Option, TestClock } from "effect"
import { turns } from "../support/Turns.js"

const at = "http://a.example/x"

const body = "[1]"
const headers = { "content-length": `${body.length}` }

type Text = () => Promise<string>

/** Web responses that count who reads them, and how they are read. */
const counting = (how: (text: Text) => Promise<string> = (text) => text()) => {
  const times = { read: 0 }
  const made = (): Response => {
    const response = new Response(body, { headers })
    const text = response.text.bind(response)
    const value = () => {
      times.read++
      return how(text)
    }
    return Object.defineProperty(response, "text", { value })
  }
  return { made, times }
}

type Respond = (response: HttpClientResponse.HttpClientResponse) => HttpClientResponse.HttpClientResponse

/** A client whose responses are made something of. */
const answering = (respond: Respond, made: () => Response = counting().made) =>
  ResilientHttpClient.protect(
    HttpClient.make((request) => Effect.succeed(respond(HttpClientResponse.fromWeb(request, made())))),
    "a",
    { bodyIdle: "5 seconds", deadline: "1 minute" }
  )

const read = (client: HttpClient.HttpClient.With<unknown>) => Effect.flatMap(client.get(at), ({ text }) => text)

const asItIs: Respond = (response) => response

/** After this the responses of the platform are known. */
const known = Effect.gen(function* () {
  yield* read(yield* answering(asItIs))
  yield* turns
})

describe("the body of a response of the platform's own kind", () => {
  it.scoped("is read from its source once that is known, one time", () =>
    Effect.gen(function* () {
      yield* known
      const { made, times } = counting()
      const given: Array<HttpClientResponse.HttpClientResponse> = []
      const noting: Respond = (response) => {
        given.push(response)
        return response
      }
      const response = yield* (yield* answering(noting, made)).get(at)
      const [original] = given
      const asked = vi.spyOn(Object.getPrototypeOf(original), "text", "get")
      expect([yield* response.text, yield* response.json, yield* response.text]).toEqual(["[1]", [1], "[1]"])
      expect([times.read, asked.mock.contexts.includes(original)]).toEqual([1, false])
      asked.mockRestore()
      expect([original && (yield* original.text), times.read]).toEqual(["[1]", 1])
    })
  )

  it.scoped("is read as the response says where its client has read it before", () =>
    Effect.gen(function* () {
      yield* known
      const { made, times } = counting()
      // Undici's body says that it was used only when the first of it is read.
      const unused = () => Object.defineProperty(made(), "bodyUsed", { value: false })
      const bare = HttpClient.make((request) => Effect.sync(() => HttpClientResponse.fromWeb(request, unused())))
      const logged: Array<string> = []
      const logging = HttpClient.tap(bare, ({ text }) => Effect.map(text, (line) => logged.push(line)))
      const client = yield* ResilientHttpClient.protect(logging, "a")
      expect([yield* read(client), logged, times.read]).toEqual(["[1]", ["[1]"], 1])
    })
  )

  it.scoped("is the same for a client that reads it at the same time", () =>
    Effect.gen(function* () {
      yield* known
      const { made, times } = counting()
      const bare = HttpClient.make((request) => Effect.sync(() => HttpClientResponse.fromWeb(request, made())))
      const begun: Record<string, (reading: Effect.Effect<unknown, unknown>) => Effect.Effect<unknown, unknown>> = {
        "at once": (reading) => reading,
        later: (reading) => Effect.zipRight(turns, reading)
      }
      for (const [name, when] of Object.entries(begun)) {
        const logged: Array<string> = []
        const logging = HttpClient.tap(bare, (response) =>
          Effect.forkDaemon(
            when(
              Effect.flatMap(
                Effect.suspend(() => response.text),
                (line) => Effect.sync(() => logged.push(line))
              )
            )
          )
        )
        const client = yield* ResilientHttpClient.protect(logging, "a")
        times.read = 0
        expect([name, yield* read(client)]).toEqual([name, "[1]"])
        yield* turns
        yield* turns
        expect([name, logged, times.read]).toEqual([name, ["[1]"], 1])
      }
    })
  )

  it.scoped("is read once by readers that cannot be interrupted, wherever the runtime lets others go on", () =>
    Effect.gen(function* () {
      yield* known
      for (let most = 10; most < 30; most++) {
        const { made, times } = counting()
        const response = yield* (yield* answering(asItIs, made)).get(at)
        const reader = Effect.uninterruptible(response.text)
        const both = Effect.all([reader, reader], { concurrency: 2 })
        const got = yield* Effect.locally(both, FiberRef.currentMaxOpsBeforeYield, most)
        expect([most, got, times.read]).toEqual([most, ["[1]", "[1]"], 1])
      }
    })
  )

  it.scoped("ends when it is silent, with its client, and with its reader, and what comes late is nobody's", () =>
    Effect.gen(function* () {
      yield* known
      let release: (text: string) => void = () => {}
      const late = counting(() => new Promise((resolve) => (release = resolve))).made
      const client = yield* answering(asItIs, late)
      const silent = yield* Effect.fork(Effect.flip(read(client)))
      yield* TestClock.adjust("5 seconds")
      release("late")
      expect(`${yield* Fiber.join(silent)}`).toContain("The body was cut off (silent)")
      const given = yield* Effect.fork(read(client))
      yield* turns
      yield* Fiber.interrupt(given)
      release("late")
      const closing = yield* Effect.scoped(
        Effect.flatMap(answering(asItIs, late), (closed) =>
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
      const broken = counting(() => Promise.reject(new Error("garbage"))).made
      const throwing = counting(() => {
        throw new Error("thrown")
      }).made
      for (const [made, cause] of [
        [broken, "garbage"],
        [throwing, "thrown"]
      ] as const) {
        const error = yield* Effect.flip(Effect.flatMap((yield* answering(asItIs, made)).get(at), ({ text }) => text))
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

  interface Own {
    readonly source: Response
    readonly other?: string
    memory?: unknown
  }

  /** What makes a response one of a kind of its own, that has another text than the platform's. */
  const ofKind = (get: (this: Own) => unknown): Respond => {
    const ofPlatform = HttpClientResponse.fromWeb(HttpClientRequest.get(at), new Response(""))
    const kind = Object.create(Inspectable.Class.prototype, {
      ...Object.getOwnPropertyDescriptors(Object.getPrototypeOf(ofPlatform)),
      text: { get }
    })
    return (response) =>
      Object.assign(Object.create(kind, Object.getOwnPropertyDescriptors(response)), { other: "other" })
  }

  const textOf = (source: Response) => Effect.promise(() => source.text())

  const ways: Record<string, Respond> = {
    "with a text of its own": (response) => Object.defineProperty(response, "text", { value: other }),
    "made of another": (response) => Object.create(response, { text: { value: other } }),
    "behind a proxy": (response) =>
      new Proxy(response, { get: (of, name) => (name === "text" ? other : Reflect.get(of, name, of)) }),
    "of a kind that makes something of it": ofKind(function () {
      return (this.memory ??= Effect.as(textOf(this.source), "other"))
    }),
    "of a kind that remembers nothing": ofKind(function () {
      return Effect.map(textOf(this.source), (plain) => this.other ?? plain)
    }),
    "of a kind that asks itself for more": ofKind(function () {
      return (this.memory ??= Effect.map(
        Effect.suspend(() => textOf(this.source)),
        (plain) => this.other ?? plain
      ))
    })
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

describe("a response whose body cannot be begun to be read", () => {
  it.scoped("fails each of its readers", () =>
    Effect.gen(function* () {
      yield* known
      const broken = new Error("there is no source")
      let isBroken = false
      const client = yield* answering((response) => {
        const source: unknown = Reflect.get(response, "source")
        isBroken = false
        return Object.defineProperty(response, "source", {
          get: () => {
            if (isBroken) throw broken
            return source
          }
        })
      })
      for (let n = 0; n < 2; n++) {
        const response = yield* client.get(at)
        isBroken = true
        for (let readers = 0; readers < 2; readers++) {
          expect(yield* Effect.exit(response.text)).toEqual(Exit.die(broken))
        }
      }
    })
  )
})
