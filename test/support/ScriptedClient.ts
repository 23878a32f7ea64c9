/** A client without a network: it answers as it is told, and tells what it was asked and which connections were ended. */
import { HttpClient, HttpClientError, type HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { Effect } from "effect"

/** How a request is answered; the last of a script goes on for ever. */
export interface Answer {
  readonly status?: number
  readonly headers?: Record<string, string>
  /** `hang`: the body never comes; a list: a chunk at each pull, then the end; a number: chunks that far apart. */
  readonly body?: string | "hang" | ReadonlyArray<Effect.Effect<string>>
  /** No answer, but an error of this cause. */
  readonly cause?: unknown
  /** How long the headers take. */
  readonly after?: Effect.Effect<unknown>
}

export const coded = (code: string, more: object = {}): Error => Object.assign(new Error(code), { code, ...more })
export const refused: Answer = { cause: coded("ECONNREFUSED", { syscall: "connect" }) }
export const reset: Answer = { cause: coded("ECONNRESET", { syscall: "read" }) }
export const hangs: Answer = { after: Effect.never }

export class ScriptedClient {
  readonly requests: Array<HttpClientRequest.HttpClientRequest> = []
  /** Connections that are in use: from the request until its body has been read or it was ended. */
  readonly open = new Set<number>()
  readonly aborted: Array<number> = []
  private script: ReadonlyArray<Answer>

  constructor(...script: ReadonlyArray<Answer>) {
    this.script = script
  }

  readonly become = (...script: ReadonlyArray<Answer>): void => {
    this.script = script
    this.asked = 0
  }
  private asked = 0

  readonly client: HttpClient.HttpClient = HttpClient.make((request, _url, signal) =>
    Effect.gen(this, function* () {
      const n = this.requests.push(request)
      const answer = this.script[Math.min(this.asked++, this.script.length - 1)] ?? {}
      this.open.add(n)
      signal.addEventListener("abort", () => {
        this.aborted.push(n)
        this.open.delete(n)
      })
      if (answer.after !== undefined) yield* answer.after
      if (answer.cause !== undefined) {
        this.open.delete(n)
        return yield* new HttpClientError.RequestError({ request, reason: "Transport", cause: answer.cause })
      }
      const body = this.body(answer, signal, () => this.open.delete(n))
      const init = { status: answer.status ?? 200, headers: { ...lengthOf(answer), ...answer.headers } }
      return HttpClientResponse.fromWeb(request, new Response(body, init))
    })
  )

  private body({ body = "" }: Answer, signal: AbortSignal, ended: () => void): ReadableStream<Uint8Array> {
    const chunks = typeof body === "string" ? [Effect.succeed(body)] : [...body]
    const encoder = new TextEncoder()
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          signal.addEventListener("abort", () => controller.error(new Error("aborted")))
        },
        pull: async (controller) => {
          const next = chunks.shift()
          if (body === "hang") return new Promise<void>(() => {})
          if (next === undefined) {
            ended()
            return controller.close()
          }
          const text = await Effect.runPromise(next)
          if (text !== "") controller.enqueue(encoder.encode(text))
          else {
            ended()
            controller.close()
          }
        }
      },
      { highWaterMark: 0 }
    )
  }
}

const lengthOf = ({ body = "" }: Answer): Record<string, string> => {
  if (body === "hang") return { "content-length": "10" }
  return typeof body === "string" ? { "content-length": `${body.length}` } : {}
}
