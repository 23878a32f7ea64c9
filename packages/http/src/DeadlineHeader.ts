/**
 * The deadline on the wire: what is left of the caller's budget, in milliseconds from when the request is sent. Relative,
 * so that clocks need not agree; what the network takes is not in it, and that is what the margin is for.
 *
 * Sent only to origins that one names, since it tells how long one waits, and read only from callers one names, since it
 * decides how long one works. What a caller sends can only shorten a budget. It becomes the budget of the work for it
 * (`ServerMiddleware.deadline`), so a circuit counts a call that it cut short only if the dependency had had its
 * `patience`: callers in a hurry open no circuit.
 *
 * Read are `x-request-timeout-ms`, which is what is sent, gRPC's `grpc-timeout` and Envoy's
 * `x-envoy-expected-rq-timeout-ms`; of several the shortest.
 */
import { Headers, HttpClient, HttpClientRequest, HttpServerRequest } from "@effect/platform"
import { Deadline, InvalidOptions, Telemetry } from "@effect-resilience/core"
import { Duration, Effect, Either, Option } from "effect"
import * as Origins from "./client/Origins.js"
import { removeHeader } from "./client/RemoveHeader.js"
import * as Callers from "./server/Callers.js"

/** The header that is sent. */
export const headerName = "x-request-timeout-ms"

/** A count of milliseconds; more digits than any budget needs are a mistake. */
const millis = /^\d{1,15}$/

const readMillis = (text: string): Option.Option<number> =>
  millis.test(text) ? Option.some(Number(text)) : Option.none()

/** gRPC's units of time, in milliseconds. */
const units: Readonly<Record<string, (count: number) => number>> = {
  H: (count) => count * 3_600_000,
  M: (count) => count * 60_000,
  S: (count) => count * 1_000,
  m: (count) => count,
  u: (count) => Math.floor(count / 1_000),
  n: (count) => Math.floor(count / 1_000_000)
}

const readGrpc = (text: string): Option.Option<number> => {
  const [, count, unit] = /^(\d{1,8})([HMSmun])$/.exec(text) ?? []
  return Option.map(Option.fromNullable(units[unit ?? ""]), (inMillis) => inMillis(Number(count)))
}

const readers: ReadonlyArray<readonly [header: string, read: (text: string) => Option.Option<number>]> = [
  [headerName, readMillis],
  ["grpc-timeout", readGrpc],
  ["x-envoy-expected-rq-timeout-ms", readMillis]
]

/** What the headers of a request say about its deadline. */
export interface Said {
  /** The shortest budget that they name, in whole milliseconds; 0 where it is spent. */
  readonly millis: Option.Option<number>
  /** The headers that are there and cannot be read. */
  readonly malformed: ReadonlyArray<string>
}

/**
 * Reads what the headers say, whoever sent them. Negative numbers, decimals, lists, units that gRPC does not have and
 * more than its 8 digits are malformed.
 *
 * @example
 * ```ts
 * import { DeadlineHeader } from "@effect-resilience/http"
 * import { Headers } from "@effect/platform"
 *
 * console.log(DeadlineHeader.parse(Headers.fromInput({ "grpc-timeout": "2S", "x-request-timeout-ms": "soon" })))
 * ```
 */
export const parse = (headers: Headers.Headers): Said => {
  const read = readers.flatMap(([header, reader]) =>
    Option.toArray(Option.map(Headers.get(headers, header), (text) => ({ header, millis: reader(text.trim()) })))
  )
  const budgets = read.flatMap((each) => Option.toArray(each.millis))
  return {
    millis: budgets.length === 0 ? Option.none() : Option.some(Math.min(...budgets)),
    malformed: read.filter((each) => Option.isNone(each.millis)).map(({ header }) => header)
  }
}

/**
 * The value to send for what is left: the shorter of the attempt's own limit and the rest of the budget, less the margin;
 * whole milliseconds, 0 where nothing is left. None where neither is limited.
 *
 * @example
 * ```ts
 * import { DeadlineHeader } from "@effect-resilience/http"
 *
 * console.log(DeadlineHeader.print({ timeoutMillis: 2000, remainingMillis: 850.5, marginMillis: 5 }))
 * ```
 */
export const print = (left: {
  readonly timeoutMillis: number
  readonly remainingMillis: number
  readonly marginMillis: number
}): Option.Option<string> => {
  const shorter = Math.min(left.timeoutMillis, left.remainingMillis)
  return Number.isFinite(shorter)
    ? Option.some(String(Math.max(0, Math.floor(shorter - left.marginMillis))))
    : Option.none()
}

/** To whom the header is sent, and how much of the budget is kept back. */
export interface SendOptions {
  /** The origins that get it (`"https://stock.example"`), or what tells of a URL whether its origin is one. */
  readonly origins: Origins.Origins
  /** What is kept for the way there and back. From 0; default 5 ms. */
  readonly margin?: Duration.DurationInput | undefined
}

/** Puts the header on a request that is about to be sent; the limit of this attempt, where it has one, in milliseconds. */
export type Send = (
  request: HttpClientRequest.HttpClientRequest,
  timeoutMillis?: number
) => Effect.Effect<HttpClientRequest.HttpClientRequest>

/**
 * What puts the header on requests: for each attempt anew, since each has less left. Requests to other origins lose it,
 * whoever put it there; one without any limit stays as it is. Throws `InvalidOptions` if an option is out of range.
 *
 * @example
 * ```ts
 * import { Deadline } from "@effect-resilience/core"
 * import { DeadlineHeader } from "@effect-resilience/http"
 * import { HttpClientRequest } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * const send = DeadlineHeader.send({ origins: ["https://stock.example"] })
 * const request = HttpClientRequest.get("https://stock.example/items/7")
 * const program = send(request, 900).pipe(Deadline.protect("2 seconds"))
 * Effect.runPromise(program).then(({ headers }) => console.log(headers["x-request-timeout-ms"]))
 * // 895
 * ```
 */
export const send = (options: SendOptions): Send =>
  Either.getOrThrowWith(
    checked("", options),
    (problems) => new InvalidOptions.InvalidOptions({ policy: "DeadlineHeader.send", problems })
  )

/** As `send`, for what has these options among its own, where `path` names them; none where they were not given. */
export const sending = (path: string, options: SendOptions | undefined): InvalidOptions.Checked<Send | undefined> =>
  options === undefined || typeof options !== "object" ? InvalidOptions.valid(undefined) : checked(path, options)

const checked = (path: string, options: SendOptions): InvalidOptions.Checked<Send> =>
  InvalidOptions.map(
    InvalidOptions.every({
      isNamed: Origins.named(`${path}origins`, options.origins),
      marginMillis: InvalidOptions.span(`${path}margin`, options.margin ?? 5, 0)
    }),
    putting
  )

const putting =
  ({ isNamed, marginMillis }: { readonly isNamed: (url: URL) => boolean; readonly marginMillis: number }): Send =>
  (request, timeoutMillis = Infinity) =>
    Effect.map(Deadline.remaining, (remaining) => {
      // It may have the header from a redirect or from a request that it was copied from.
      if (!Option.exists(HttpClientRequest.toUrl(request), isNamed)) return removeHeader(request, headerName)
      const remainingMillis = Option.match(remaining, { onNone: () => Infinity, onSome: Duration.toMillis })
      return Option.match(print({ timeoutMillis, remainingMillis, marginMillis }), {
        onNone: () => request,
        onSome: (value) => HttpClientRequest.setHeader(request, headerName, value)
      })
    })

/**
 * The client, sending the header with every request. Its requests have no limit of their own but the budget they are made
 * in; `timeout` is one that is put on each of them elsewhere. Inside a `ResilientHttpClient` it would be sent as it was at
 * the first attempt: that has `deadlineHeader` for it, which is anew for each. Throws `InvalidOptions` if an option is out of range.
 *
 * @example
 * ```ts
 * import { Deadline } from "@effect-resilience/core"
 * import { DeadlineHeader } from "@effect-resilience/http"
 * import { HttpClient, HttpClientResponse } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * const echo = HttpClient.make((request) =>
 *   Effect.succeed(HttpClientResponse.fromWeb(request, new Response(request.headers["x-request-timeout-ms"])))
 * )
 * const client = DeadlineHeader.client(echo, { origins: ["https://stock.example"], timeout: "900 millis" })
 * const program = Effect.flatMap(client.get("https://stock.example/items/7"), (response) => response.text)
 * Effect.runPromise(program.pipe(Deadline.protect("2 seconds"))).then(console.log)
 * // 895
 * ```
 */
export const client = <E, R>(
  self: HttpClient.HttpClient.With<E, R>,
  options: SendOptions & {
    /** The limit of an attempt. From 1 ms; default none. */
    readonly timeout?: Duration.DurationInput | "none" | undefined
  }
): HttpClient.HttpClient.With<E, R> => {
  const put = send(options)
  const timeoutMillis = Either.getOrThrowWith(
    InvalidOptions.spanOrNone("timeout", options.timeout ?? "none"),
    (problems) => new InvalidOptions.InvalidOptions({ policy: "DeadlineHeader.client", problems })
  )
  return HttpClient.mapRequestEffect(self, (request) => put(request, timeoutMillis))
}

/**
 * Whether an answer that came so many milliseconds after the request was sent came when the deadline that it carried was
 * over, or a millisecond before, since clocks that count whole ones differ by that: a 504 then says that the time was too
 * short, and nothing about the server. False for a request without one.
 */
export const isOver = (request: HttpClientRequest.HttpClientRequest, elapsedMillis: number): boolean =>
  Option.exists(
    Option.flatMap(Headers.get(request.headers, headerName), readMillis),
    (carried) => elapsedMillis >= carried - 1
  )

/** Whose header is believed. */
export interface ReceiveOptions {
  /**
   * The callers: their addresses, as the socket has them (`"10.0.0.7"`; one that IPv6 wraps is the same), ranges of these
   * (`"10.0.0.0/8"`, `"fd00::/8"`), or what tells of a request whether its caller is one. Default nobody. Behind a proxy all requests have the proxy's address; and if
   * addresses are taken from a header, anybody can write it.
   */
  readonly trusted?: Callers.Trusted | undefined
}

/**
 * Reads the budget that a trusted caller has sent with the request, in milliseconds; 0: it is spent. Infinity where there
 * is none. What cannot be read is reported as `DeadlineHeaderIgnored`, by the name of `policy`, and what is sent by others
 * is not looked at. Throws `InvalidOptions` if what is trusted is no address.
 *
 * @example
 * ```ts
 * import { DeadlineHeader } from "@effect-resilience/http"
 * import { HttpApp, HttpServerResponse } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * const receive = DeadlineHeader.receive("orders", { trusted: ({ headers }) => headers["x-mesh"] === "s3cret" })
 * const handler = HttpApp.toWebHandler(Effect.map(receive, (millis) => HttpServerResponse.text(`${millis} ms`)))
 * const headers = { "x-mesh": "s3cret", "x-request-timeout-ms": "800" }
 * handler(new Request("http://orders.example", { headers })).then((response) => response.text()).then(console.log)
 * // 800 ms
 * ```
 */
export const receive = (
  policy: string,
  { trusted }: ReceiveOptions
): Effect.Effect<number, never, HttpServerRequest.HttpServerRequest> => {
  const isBelieved = Callers.believed(policy, trusted)
  return Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    if (!isBelieved(request)) return Effect.succeed(Infinity)
    const said = parse(request.headers)
    return Effect.as(
      Effect.forEach(
        said.malformed,
        (header) => Telemetry.report((at) => ({ _tag: "DeadlineHeaderIgnored", policy, at, header })),
        { discard: true }
      ),
      Option.getOrElse(said.millis, () => Infinity)
    )
  })
}
