/** Applications asked without a socket: what a handler does depends on the request and on nothing else. */
import { type HttpApp, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { Effect } from "effect"

export interface Asking {
  readonly path?: string
  readonly headers?: Record<string, string>
  /** The address of the caller's socket. */
  readonly from?: string
}

/** An answer, in full. */
export interface Answer {
  readonly status: number
  readonly contentType: string | null
  readonly retryAfter: string | null
  readonly body: string
}

/** Asks an application, and reads its answer. */
export const ask = <E, R>(
  app: HttpApp.Default<E, R>,
  { from = "10.0.0.1", headers = {}, path = "/" }: Asking = {}
): Effect.Effect<Answer, E, Exclude<R, HttpServerRequest.HttpServerRequest>> =>
  Effect.suspend(() => {
    const web = new Request(`http://server.example${path}`, { headers })
    const request = HttpServerRequest.fromWeb(web).modify({ remoteAddress: from })
    return Effect.provideService(Effect.flatMap(app, read), HttpServerRequest.HttpServerRequest, request)
  })

const read = (response: HttpServerResponse.HttpServerResponse): Effect.Effect<Answer> =>
  Effect.promise(async () => {
    const web = HttpServerResponse.toWeb(response)
    return {
      status: web.status,
      contentType: web.headers.get("content-type"),
      retryAfter: web.headers.get("retry-after"),
      body: await web.text()
    }
  })
