/** The customers' HTTP client: plain node:http over as many sockets as it takes, so that only the server can be slow. */
import { Effect, Option } from "effect"
import * as Http from "node:http"
import type { Answer } from "./Verdict.js"

export interface Request {
  readonly method: "GET" | "POST"
  readonly path: string
  readonly body?: unknown
}

export interface Client {
  /** `None` when there was no answer within the limit, or none at all. Giving up closes the connection. */
  readonly ask: (request: Request, limitMillis: number) => Effect.Effect<Answer>
}

export const make = (target: string): Client => {
  const agent = new Http.Agent({ keepAlive: true })
  const send = ({ body, method, path }: Request): Effect.Effect<Answer> =>
    Effect.async((resume) => {
      const json = body === undefined ? "" : JSON.stringify(body)
      const none = (): void => resume(Effect.succeedNone)
      const request = Http.request(new URL(path, target), { method, agent }, (response) => {
        const chunks: Array<Buffer> = []
        response.on("data", (chunk: Buffer) => chunks.push(chunk))
        response.on("error", none)
        response.on("end", () =>
          resume(Effect.succeedSome({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString("utf8") }))
        )
      })
      request.on("error", none)
      if (json !== "") {
        request.setHeader("content-type", "application/json")
        request.setHeader("content-length", Buffer.byteLength(json))
      }
      request.end(json)
      return Effect.sync(() => request.destroy())
    })
  return {
    ask: (request, limitMillis) =>
      Effect.timeoutTo(send(request), {
        duration: Math.max(1, limitMillis),
        onSuccess: (answer) => answer,
        onTimeout: () => Option.none()
      })
  }
}
