/** Who may read the body of a response, and what becomes of the others when one of several readers goes. */
import { Backoff } from "@effect-resilience/core"
import { ResilientHttpClient } from "@effect-resilience/http"
import { HttpClient, HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, FiberRef, Logger, LogLevel, Stream, TestClock } from "effect"
import { type Answer, ScriptedClient } from "../support/ScriptedClient.js"
import { turns } from "../support/Turns.js"

const at = "http://a.example/x"
const large = { "content-length": "100000" }

const answered = (answer: Answer, options?: ResilientHttpClient.Options) =>
  Effect.gen(function* () {
    const scripted = new ScriptedClient(answer)
    const client = yield* ResilientHttpClient.protect(scripted.client, "a", options)
    return { scripted, response: yield* client.get(at) }
  })

/** What a reader got: the error, and why the body was cut off, if that is why; an interruption is none. */
const told = (exit: Exit.Exit<unknown, unknown>) =>
  Exit.match(exit, {
    onSuccess: () => "read",
    onFailure: (cause) => {
      const error = Cause.squash(cause)
      if (Cause.isInterrupted(cause)) return "interrupted"
      return error instanceof Error ? error.message.replace(/ \(200 .*/, "") : String(error)
    }
  })

type Response = HttpClientResponse.HttpClientResponse
const ways: Record<string, (response: Response) => Effect.Effect<string, unknown>> = {
  text: (response) => response.text,
  arrayBuffer: (response) => Effect.map(response.arrayBuffer, (body) => new TextDecoder().decode(body)),
  json: (response) => Effect.map(response.json, (value) => JSON.stringify(value)),
  stream: (response) => Stream.mkString(Stream.decodeText(response.stream))
}

describe("the readers of a body", () => {
  it.scoped("get the same one after the other, whichever way, except after a stream", () =>
    Effect.gen(function* () {
      for (const headers of [{}, large]) {
        for (const [first, one] of Object.entries(ways)) {
          for (const [second, other] of Object.entries(ways)) {
            const { response, scripted } = yield* answered({ body: "[1]", headers })
            expect([first, yield* one(response)]).toEqual([first, "[1]"])
            const again = yield* Effect.exit(other(response))
            const expected = first === "stream" ? "Decode: the body was read as a stream before" : "read"
            expect([first, second, told(again)]).toEqual([first, second, expected])
            if (first !== "stream") expect(again).toEqual(Exit.succeed("[1]"))
            expect([scripted.open.size, scripted.aborted]).toEqual([0, []])
          }
        }
      }
    })
  )

  it.scoped("get the same at the same time, and a second stream does not end the first", () =>
    Effect.gen(function* () {
      for (const headers of [{}, large]) {
        const { response, scripted } = yield* answered({ body: "[1]", headers })
        const all = [ways.text, ways.arrayBuffer, ways.text, ways.stream].map((way) => way?.(response) ?? Effect.never)
        expect(yield* Effect.all(all, { concurrency: "unbounded" })).toEqual(["[1]", "[1]", "[1]", "[1]"])
        expect(scripted.aborted).toEqual([])
      }
      let release = () => {}
      const gate = Effect.as(
        Effect.promise(() => new Promise<void>((resolve) => (release = resolve))),
        "b"
      )
      const { response } = yield* answered({ body: [Effect.succeed("a"), gate] })
      const first = yield* Effect.fork(Stream.mkString(Stream.decodeText(response.stream)))
      yield* turns
      expect(told(yield* Effect.exit(Stream.runDrain(response.stream)))).toContain("read as a stream before")
      release()
      expect(yield* Fiber.join(first)).toBe("ab")
    })
  )

  it.scoped("hear that it was cut off when the one before them was interrupted, and are not interrupted", () =>
    Effect.gen(function* () {
      for (const headers of [{}, large]) {
        const { response, scripted } = yield* answered({ body: "hang", headers })
        const first = yield* Effect.fork(response.text)
        yield* TestClock.adjust("1 millis")
        const meanwhile = yield* Effect.fork(response.text)
        yield* TestClock.adjust("1 millis")
        yield* Fiber.interrupt(first)
        expect(told(yield* Fiber.await(meanwhile))).toBe("Decode: The body was cut off (discarded)")
        expect(told(yield* Effect.exit(response.json))).toBe("Decode: The body was cut off (discarded)")
        expect(told(yield* Effect.exit(Stream.runDrain(response.stream)))).toBe(
          "Decode: The body was cut off (discarded)"
        )
        expect(scripted.open.size).toBe(0)
      }
    })
  )

  it.scoped("get it through a client in a client that holds nothing for it", () =>
    Effect.gen(function* () {
      const scripted = new ScriptedClient({ body: "[1]" })
      const inner = yield* ResilientHttpClient.protect(scripted.client, "a")
      const outer = yield* ResilientHttpClient.protect(inner, "b", { holdUntil: "headers" })
      expect(yield* Effect.flatMap(outer.get(at), ({ text }) => text)).toBe("[1]")
      expect(scripted.aborted).toEqual([])
    })
  )

  it.scoped("do not wait for ever where the client has sent another request than it was given", () =>
    Effect.gen(function* () {
      for (const headers of [{}, large]) {
        const scripted = new ScriptedClient({ body: "hang", headers })
        const changing = HttpClient.transform(scripted.client, (_, request) =>
          scripted.client.execute(HttpClientRequest.setHeader(request, "X-Signed", "1"))
        )
        const client = yield* ResilientHttpClient.protect(changing, "a", { bodyIdle: "5 seconds" })
        const nested = yield* ResilientHttpClient.protect(client, "b", { bodyIdle: "3 seconds" })
        for (const each of [client, nested]) {
          const response = yield* each.get(at)
          const reader = yield* Effect.fork(response.text)
          yield* TestClock.adjust(each === client ? "5 seconds" : "3 seconds")
          expect(told(yield* Fiber.await(reader))).toBe("Decode: The body was cut off (silent)")
          expect(scripted.open.size).toBe(0)
        }
      }
    })
  )

  it.scoped("hear of the cut at once from a client that tells them nothing, and that never hears of it", () =>
    Effect.gen(function* () {
      for (const headers of [{ "content-length": "10" }, {}, large]) {
        const silent = () => new Response(new ReadableStream({ pull: () => new Promise(() => {}) }), { headers })
        const deaf = HttpClient.make((request) => Effect.succeed(HttpClientResponse.fromWeb(request, silent())))
        const client = yield* ResilientHttpClient.protect(deaf, "a", { bodyIdle: "5 seconds" })
        for (const [name, way] of Object.entries(ways)) {
          const reader = yield* Effect.fork(Effect.flatMap(client.get(at), way))
          yield* TestClock.adjust("4999 millis")
          expect([name, reader.unsafePoll()]).toEqual([name, null])
          yield* TestClock.adjust("1 millis")
          yield* turns
          const heard = reader.unsafePoll()
          expect([name, heard && told(heard)]).toEqual([name, "Decode: The body was cut off (silent)"])
        }
      }
    })
  )

  it.scoped("read as if they did so themselves: what it changes and forks is theirs, and nothing is logged", () =>
    Effect.gen(function* () {
      const level = yield* FiberRef.make(0)
      let beats = 0
      const beating = Effect.forever(
        Effect.delay(
          Effect.sync(() => beats++),
          "1 second"
        )
      )
      const chunks = Stream.fromEffect(Effect.as(Effect.zipRight(FiberRef.set(level, 7), Effect.fork(beating)), "a"))
      const body = Stream.encodeText(
        Stream.concat(
          chunks,
          Stream.mapEffect(Stream.make("b", "c"), (part) => Effect.as(Effect.sleep("2 seconds"), part))
        )
      )
      const streaming = HttpClient.make((request) =>
        Effect.succeed(
          new Proxy(HttpClientResponse.fromWeb(request, new Response("")), {
            get: (of, name) => (name === "stream" ? body : Reflect.get(of, name, of))
          })
        )
      )
      const lines: Array<unknown> = []
      const logger = Logger.make(({ cause, message }) => void lines.push([message, cause]))
      const read = Effect.gen(function* () {
        const client = yield* ResilientHttpClient.protect(streaming, "a")
        const levels: Array<number> = []
        const response = yield* client.get(at)
        yield* Stream.runForEach(response.stream, () => Effect.map(FiberRef.get(level), (now) => levels.push(now)))
        return [levels, yield* FiberRef.get(level)]
      })
      const reader = yield* read.pipe(
        Logger.withMinimumLogLevel(LogLevel.All),
        Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
        Effect.fork
      )
      yield* Effect.repeatN(TestClock.adjust("1 second"), 5)
      expect(yield* Fiber.join(reader)).toEqual([[7, 7, 7], 7])
      expect([beats >= 3, lines]).toEqual([true, []])
    })
  )
})

describe("what is left of an answer that is repeated", () => {
  it.scoped("takes a tenth of the next attempt at most", () =>
    Effect.gen(function* () {
      const scripted = new ScriptedClient({ status: 503, body: "hang" }, {})
      const client = yield* ResilientHttpClient.protect(scripted.client, "a", {
        timeout: "50 millis",
        retry: { maxRetries: 1, backoff: Backoff.constant("1 millis") }
      })
      const call = yield* Effect.fork(client.get(at))
      yield* Effect.repeatN(TestClock.adjust("1 millis"), 6)
      expect(scripted.requests).toHaveLength(2)
      expect((yield* Fiber.join(call)).status).toBe(200)
    })
  )
})
