/**
 * A small HTTP server for JSON on loopback that can also stop listening and come back on its port, which is how a
 * dependency that refuses connections is shown with real sockets.
 */
import { Data, Effect, FiberSet, Schedule, type Scope } from "effect"
import * as Http from "node:http"

export interface JsonRequest {
  readonly method: string
  /** The parts between the slashes, decoded. */
  readonly path: ReadonlyArray<string>
  readonly header: (name: string) => string | undefined
  /** The decoded body, `undefined` when there is none or when it is not JSON. */
  readonly body: unknown
}

export interface JsonResponse {
  readonly status: number
  readonly body?: unknown
}

export class ListenFailed extends Data.TaggedError("ListenFailed")<{ readonly port: number; readonly reason: string }> {
  override get message(): string {
    return `Cannot listen on 127.0.0.1:${this.port} (${this.reason}); choose another port, or 0 for a free one.`
  }
}

export interface JsonServer {
  readonly url: string
  /** Close the listener and cut every connection: from now on connecting is refused. */
  readonly refuse: Effect.Effect<void>
  /** Listen again, on the same port. */
  readonly accept: Effect.Effect<void, ListenFailed>
}

const maxBodyBytes = 64 * 1024

const decode = (bytes: Buffer): unknown => {
  try {
    return JSON.parse(bytes.toString("utf8"))
  } catch {
    return undefined
  }
}

const read = (message: Http.IncomingMessage, done: (body: unknown) => void): void => {
  const chunks: Array<Buffer> = []
  let length = 0
  message.on("data", (chunk: Buffer) => {
    length += chunk.length
    if (length > maxBodyBytes) message.destroy()
    else chunks.push(chunk)
  })
  message.on("end", () => done(decode(Buffer.concat(chunks))))
}

const write = (response: Http.ServerResponse, answer: JsonResponse): void => {
  if (response.destroyed) return
  const body = answer.body === undefined ? "" : JSON.stringify(answer.body)
  response.writeHead(answer.status, { "content-type": "application/json", "content-length": Buffer.byteLength(body) })
  response.end(body)
}

const pathOf = (url: string): ReadonlyArray<string> => {
  try {
    return decodeURIComponent(url.split("?", 1)[0] ?? "")
      .split("/")
      .filter((part) => part !== "")
  } catch {
    return []
  }
}

const listen = (server: Http.Server, port: number): Effect.Effect<number, ListenFailed> =>
  Effect.async((resume) => {
    const failed = (error: NodeJS.ErrnoException): void =>
      resume(new ListenFailed({ port, reason: error.code ?? "unknown" }))
    server.once("error", failed)
    server.listen({ port, host: "127.0.0.1" }, () => {
      server.off("error", failed)
      const address = server.address()
      resume(Effect.succeed(address !== null && typeof address === "object" ? address.port : port))
    })
  })

const stopListening = (server: Http.Server): Effect.Effect<void> =>
  Effect.async((resume) => {
    server.close(() => resume(Effect.void))
    server.closeAllConnections()
  })

/** Serve until the scope closes. A client that goes away does not stop the work it asked for: an order may be charged
 * although nobody heard the answer, as in life. */
export const make = (
  port: number,
  handle: (request: JsonRequest) => Effect.Effect<JsonResponse>
): Effect.Effect<JsonServer, ListenFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const run = yield* FiberSet.makeRuntime<never, void>()
    const server = Http.createServer((message, response) => {
      message.on("error", () => response.destroy())
      read(message, (body) => {
        const request: JsonRequest = {
          method: message.method ?? "GET",
          path: pathOf(message.url ?? "/"),
          header: (name) => {
            const value = message.headers[name]
            return typeof value === "string" ? value : undefined
          },
          body
        }
        run(Effect.map(handle(request), (answer) => write(response, answer)))
      })
    })
    const bound = yield* Effect.acquireRelease(listen(server, port), () =>
      server.listening ? stopListening(server) : Effect.void
    )
    return {
      url: `http://127.0.0.1:${bound}`,
      refuse: Effect.suspend(() => (server.listening ? stopListening(server) : Effect.void)),
      accept: Effect.suspend(() => (server.listening ? Effect.void : listen(server, bound))).pipe(
        Effect.retry(Schedule.intersect(Schedule.spaced("20 millis"), Schedule.recurs(100))),
        Effect.asVoid
      )
    }
  })
