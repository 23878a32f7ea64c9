/**
 * Redirects, as `fetch` follows them: 303 asks for a GET, and so do 301 and 302 of a POST; 307 and 308 ask for the same
 * request again, which one with a body that cannot be sent again is not. What was meant for one origin is not shown to
 * another: no credentials, no `Idempotency-Key`, no cookies.
 *
 * Each request is a call of its own under the policies of where it goes, with a budget of its own: `Deadline.protect`
 * around the call limits all of them together.
 */
import { Headers, HttpBody, HttpClientRequest, type HttpClientResponse, UrlParams } from "@effect/platform"
import { Effect, Either, Option, Stream } from "effect"
import { isReplayable } from "../HttpOutcome.js"
import { HeldResponse } from "./HeldResponse.js"
import * as Origin from "./Origin.js"
import { unheard } from "./Unheard.js"

/** The statuses that redirect. */
export const redirecting: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** What another origin does not get. */
const confidential: ReadonlyArray<string> = [
  "authorization",
  "cookie",
  "proxy-authorization",
  "x-api-key",
  "idempotency-key"
]

/** What goes with a body. */
const ofBody: ReadonlyArray<string> = ["content-type", "content-length", "content-encoding", "content-language"]

const asksForGet = (status: number, method: string): boolean =>
  (status === 303 && method !== "HEAD" && method !== "GET") || ((status === 301 || status === 302) && method === "POST")

/** Where a response redirects to: an address of HTTP. */
const target = (
  request: HttpClientRequest.HttpClientRequest,
  { headers, status }: HttpClientResponse.HttpClientResponse
): Option.Option<URL> => {
  if (!redirecting.has(status) || headers["location"] === undefined) return Option.none()
  const { location } = headers
  return Option.filter(
    Option.flatMap(Either.getRight(UrlParams.makeUrl(request.url, request.urlParams, request.hash)), (from) =>
      URL.canParse(location, from.href) ? Option.some(new URL(location, from)) : Option.none()
    ),
    ({ protocol }) => protocol === "http:" || protocol === "https:"
  )
}

/** The request that a response redirects to; none where it does not, or not this request. */
const next = (
  request: HttpClientRequest.HttpClientRequest,
  response: HttpClientResponse.HttpClientResponse
): Option.Option<HttpClientRequest.HttpClientRequest> =>
  Option.flatMap(target(request, response), (url) => {
    const toGet = asksForGet(response.status, request.method)
    if (!toGet && !isReplayable(request)) return Option.none()
    const isElsewhere = Origin.of(request) !== url.origin
    const hidden = [...(toGet ? ofBody : []), ...(isElsewhere ? confidential : [])]
    const make = HttpClientRequest.make(toGet ? "GET" : request.method)
    return Option.some(
      make(url, { headers: Headers.remove(request.headers, hidden), body: toGet ? HttpBody.empty : request.body })
    )
  })

/** Discards the body of an answer that nobody gets. */
export const released = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<void> =>
  response instanceof HeldResponse ? response.discard : unheard(Stream.runDrain(response.stream), 1)

/** Follows redirects, so many at most; after that the caller gets the answer that redirects. */
export const following =
  <E, R>(
    call: (request: HttpClientRequest.HttpClientRequest) => Effect.Effect<HttpClientResponse.HttpClientResponse, E, R>,
    maxRedirects: number
  ): typeof call =>
  (request) =>
    maxRedirects === 0
      ? call(request)
      : Effect.flatMap(call(request), (response) =>
          Option.match(next(request, response), {
            onNone: () => Effect.succeed(response),
            onSome: (there) => Effect.zipRight(released(response), following(call, maxRedirects - 1)(there))
          })
        )
