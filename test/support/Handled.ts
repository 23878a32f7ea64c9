/** Applications asked without a socket, and answered as a server does: with what middleware does to every response. */
import { HttpApp, HttpServerRequest, type HttpServerResponse } from "@effect/platform"
import { Effect, type Scope } from "effect"

export interface Asked {
  readonly method?: string
  readonly path?: string
  readonly headers?: Record<string, string>
  /** The address of the caller's socket. */
  readonly from?: string
}

/** An answer, without its body. */
export interface Answered {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
}

/** Asks an application; a request of its own, on a fiber of its own, as each has in a server. */
export const handled = <E>(
  app: HttpApp.Default<E, Scope.Scope>,
  { from = "203.0.113.7", headers = {}, method = "GET", path = "/" }: Asked = {}
): Effect.Effect<Answered> =>
  Effect.suspend(() => {
    const request = HttpServerRequest.fromWeb(new Request(`http://server.example${path}`, { method, headers }))
    const sent: Array<HttpServerResponse.HttpServerResponse> = []
    const serving = HttpApp.toHandled(app, (_, response) => Effect.sync(() => sent.push(response)))
    return Effect.scoped(serving).pipe(
      Effect.provideService(HttpServerRequest.HttpServerRequest, request.modify({ remoteAddress: from })),
      Effect.exit,
      Effect.fork,
      Effect.flatMap((fiber) => fiber.await),
      Effect.flatMap(() => {
        const [response, ...more] = sent
        return response === undefined || more.length > 0
          ? Effect.dieMessage(`it was answered ${sent.length} times`)
          : Effect.succeed({ status: response.status, headers: response.headers })
      })
    )
  })
