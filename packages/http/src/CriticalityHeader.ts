/**
 * How much a request matters, on the wire: `x-request-criticality`, with one of the classes of `Criticality`.
 *
 * Sent only to origins that one names, and read only from callers one names: whoever could say of himself that he is
 * `CRITICAL_PLUS` would. Everybody else's requests are what their route is.
 */
import { Headers, HttpClient, HttpClientRequest, type HttpServerRequest } from "@effect/platform"
import { Criticality, InvalidOptions } from "@effect-resilience/core"
import { Context, Effect, Either, type Fiber, Option } from "effect"
import * as Origins from "./client/Origins.js"
import { removeHeader } from "./client/RemoveHeader.js"
import * as Callers from "./server/Callers.js"

/** The header. */
export const headerName = "x-request-criticality"

/** To whom the header is sent. */
export interface SendOptions {
  /** The origins that get it (`"https://stock.example"`), or what tells of a URL whether its origin is one. */
  readonly origins: Origins.Origins
}

/** A fiber, whatever it computes. */
type AnyFiber = Fiber.RuntimeFiber<unknown, unknown>

/** Puts the header on a request that is about to be sent by a fiber; takes it from one that goes elsewhere. */
export type Send = (
  fiber: AnyFiber,
  request: HttpClientRequest.HttpClientRequest
) => HttpClientRequest.HttpClientRequest

const putting =
  (isNamed: (url: URL) => boolean): Send =>
  (fiber, request) =>
    Option.exists(HttpClientRequest.toUrl(request), isNamed)
      ? HttpClientRequest.setHeader(
          request,
          headerName,
          Context.get(fiber.currentContext, Criticality.CurrentCriticality)
        )
      : removeHeader(request, headerName)

/** What puts the header on requests, where `path` names the options; none where they were not given. */
export const sending = (path: string, options: SendOptions | undefined): InvalidOptions.Checked<Send | undefined> =>
  options === undefined || typeof options !== "object"
    ? InvalidOptions.valid(undefined)
    : InvalidOptions.map(Origins.named(`${path}origins`, options.origins), putting)

/**
 * The client, sending the header with every request. Inside a `ResilientHttpClient`, which has `criticalityHeader` for it,
 * this does as well. Throws `InvalidOptions` if an option is out of range.
 *
 * @example
 * ```ts
 * import { Criticality } from "@effect-resilience/core"
 * import { CriticalityHeader } from "@effect-resilience/http"
 * import { HttpClient, HttpClientResponse } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * const echo = HttpClient.make((request) =>
 *   Effect.succeed(HttpClientResponse.fromWeb(request, new Response(request.headers["x-request-criticality"])))
 * )
 * const client = CriticalityHeader.client(echo, { origins: ["https://stock.example"] })
 * const program = Effect.flatMap(client.get("https://stock.example/items/7"), (response) => response.text)
 * Effect.runPromise(program.pipe(Criticality.withClass("SHEDDABLE"))).then(console.log)
 * // SHEDDABLE
 * ```
 */
export const client = <E, R>(
  self: HttpClient.HttpClient.With<E, R>,
  options: SendOptions
): HttpClient.HttpClient.With<E, R> => {
  const isNamed = Either.getOrThrowWith(
    Origins.named("origins", options.origins),
    (problems) => new InvalidOptions.InvalidOptions({ policy: "CriticalityHeader.client", problems })
  )
  const put = putting(isNamed)
  return HttpClient.mapRequestEffect(self, (request) =>
    Effect.withFiberRuntime((fiber) => Effect.succeed(put(fiber, request)))
  )
}

/** Whose header is believed. */
export interface ReceiveOptions {
  /** The callers, as in `DeadlineHeader`: addresses, ranges of them, or what tells of a request. Default nobody. */
  readonly trusted?: Callers.Trusted | undefined
}

/**
 * Reads the class that a trusted caller has sent with a request; none where there is none, or it cannot be read, or others
 * have sent it. Throws `InvalidOptions` if what is trusted is no address.
 *
 * @example
 * ```ts
 * import { CriticalityHeader } from "@effect-resilience/http"
 * import { HttpApp, HttpServerRequest, HttpServerResponse } from "@effect/platform"
 * import { Effect, Option } from "effect"
 *
 * const read = CriticalityHeader.receive("orders", { trusted: ({ headers }) => headers["x-mesh"] === "s3cret" })
 * const app = Effect.map(HttpServerRequest.HttpServerRequest, (request) =>
 *   HttpServerResponse.text(Option.getOrElse(read(request), () => "nothing"))
 * )
 * const headers = { "x-mesh": "s3cret", "x-request-criticality": "CRITICAL_PLUS" }
 * HttpApp.toWebHandler(app)(new Request("http://orders.example", { headers }))
 *   .then((response) => response.text())
 *   .then(console.log)
 * // CRITICAL_PLUS
 * ```
 */
export const receive = (
  policy: string,
  { trusted }: ReceiveOptions
): ((request: HttpServerRequest.HttpServerRequest) => Option.Option<Criticality.Criticality>) => {
  const isBelieved = Callers.believed(policy, trusted)
  return (request) =>
    isBelieved(request)
      ? Option.flatMap(Headers.get(request.headers, headerName), Criticality.fromString)
      : Option.none()
}
