/**
 * `fetch` under the standard policy, for code that does not use `@effect/platform`: the rules of `ResilientHttpClient`
 * behind the signature of `fetch`.
 *
 * Redirects are followed as `fetch` does, up to 20, unless `redirect` says otherwise; but what goes to another origin
 * carries neither credentials nor key; each is a call of its own. A `Request` with a body, and a body that is a stream, are
 * sent once. The promise is rejected with what `fetch` itself has failed with, with an error of the policy (`CircuitOpen`,
 * `TimedOut`), with a `TypeError` for a redirect that is not to be followed or cannot be, or with the reason of the signal.
 * Of a `Request` its address, method, headers, body, signal and `redirect` are used. It does not work in browsers, which
 * show no redirects to a program.
 */
import {
  HttpBody,
  HttpClient,
  HttpClientError,
  HttpClientRequest,
  HttpClientResponse,
  HttpMethod
} from "@effect/platform"
import { Cause, Context, Effect, Exit, identity, Runtime, type Scope, Stream } from "effect"
import { following, redirecting, released } from "./client/Redirects.js"
import * as ResilientHttpClient from "./ResilientHttpClient.js"

/** What `fetch` takes, and what the call says for itself. */
export interface Init extends RequestInit {
  readonly resilience?: ResilientHttpClient.Overrides | undefined
}

/** `fetch`, under a policy. */
export type ResilientFetch = (input: string | URL | Request, init?: Init) => Promise<Response>

/** The options of a `fetch` under standard policies, one for each key. */
export interface Options extends Omit<ResilientHttpClient.Options, "maxRedirects"> {
  /** What makes the requests. Default: the global `fetch`. */
  readonly fetch?: ((url: URL, init: RequestInit) => Promise<Response>) | undefined
}

/** As many as `fetch` follows. */
const mostRedirects = 20

/** What the caller gave besides the request itself, and what `fetch` has given last: that is the answer. */
interface Given {
  readonly init: RequestInit
  answer: Response | undefined
}

class CurrentCall extends Context.Reference<CurrentCall>()("@effect-resilience/http/FetchCall", {
  defaultValue: (): Given => ({ init: {}, answer: undefined })
}) {}

const clientOf = (fetch: NonNullable<Options["fetch"]>): HttpClient.HttpClient =>
  HttpClient.make((request, url, signal) =>
    Effect.flatMap(CurrentCall, (call) => {
      const { body, ...init } = call.init
      const { headers, method } = request
      // A redirect may have asked for a request without it.
      const sent: RequestInit = request.body._tag === "Raw" && body ? { body, duplex: "half" } : {}
      return Effect.map(
        Effect.tryPromise({
          try: () => fetch(url, { ...init, ...sent, method, headers, signal, redirect: "manual" }),
          catch: (cause) => new HttpClientError.RequestError({ request, reason: "Transport", cause })
        }),
        (response) => {
          call.answer = response
          return HttpClientResponse.fromWeb(request, response)
        }
      )
    })
  )

/** What a `Request` says, and `init` before it. */
const given = (input: string | URL | Request, init: Init): { readonly url: string } & Init => {
  if (!(input instanceof Request)) return { ...init, url: `${input}` }
  const { body, headers, method, redirect, signal, url } = input
  // What is there as `undefined` is not said.
  const said = Object.fromEntries(Object.entries(init).filter(([, value]) => value !== undefined))
  return { method, headers, body, signal, redirect, ...said, url }
}

/** The request to make; none where the client has no such method. */
const requestOf = ({ body, headers, method = "GET", url }: ReturnType<typeof given>) => {
  const name = method.toUpperCase()
  if (!HttpMethod.isHttpMethod(name)) return undefined
  const request = HttpClientRequest.make(name)(url, { headers: Object.fromEntries(new Headers(headers).entries()) })
  return body ? HttpClientRequest.setBody(request, HttpBody.raw(body)) : request
}

/** Reads nothing before it is asked to, so that a body that nobody reads is known as such. */
const lazily = (begin: () => ReadableStream<Uint8Array>): ReadableStream<Uint8Array> => {
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined
  const reading = () => (reader ??= begin().getReader())
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const { done, value } = await reading().read()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      cancel: (reason) => reading().cancel(reason)
    },
    { highWaterMark: 0 }
  )
}

/** Fails when the signal is aborted. */
const aborted = (signal: AbortSignal): Effect.Effect<never, unknown> =>
  Effect.async<never, unknown>((resume) => {
    const abort = () => resume(Effect.fail(signal.reason))
    if (signal.aborted) return abort()
    signal.addEventListener("abort", abort, { once: true })
    return Effect.sync(() => signal.removeEventListener("abort", abort))
  })

/** The response as `fetch` gives it; its body holds what was taken for the call until it has ended. */
const webOf = (
  response: HttpClientResponse.HttpClientResponse,
  web: Response,
  runtime: Runtime.Runtime<never>,
  { signal, url: from }: ReturnType<typeof given>
): Response => {
  const { body, headers, status, statusText } = web
  const chunks = signal ? Stream.interruptWhen(response.stream, aborted(signal)) : response.stream
  const stream = body === null ? null : lazily(() => Stream.toReadableStreamRuntime(chunks, runtime))
  return Object.defineProperties(new Response(stream, { status, statusText, headers }), {
    url: { value: web.url },
    redirected: { value: web.url !== "" && web.url !== new URL(from).href }
  })
}

const notFollowed = (): unknown => new TypeError("A redirect was not followed")

/**
 * The last answer, as `fetch` gives it: a redirect only to who wants to see them. What has no body holds nothing, and
 * neither does what nobody gets.
 */
const answered = (
  response: HttpClientResponse.HttpClientResponse,
  web: Response | undefined,
  runtime: Runtime.Runtime<never>,
  asked: ReturnType<typeof given>
): Effect.Effect<Response, unknown> => {
  const isRedirect = asked.redirect !== "manual" && redirecting.has(response.status) && "location" in response.headers
  if (isRedirect) return Effect.zipRight(released(response), Effect.failSync(notFollowed))
  if (web === undefined) return Effect.succeed(Response.error())
  const answer = Effect.sync(() => webOf(response, web, runtime, asked))
  return web.body === null ? Effect.zipRight(released(response), answer) : answer
}

/** What the promise is rejected with. */
const reasonOf = (cause: Cause.Cause<unknown>, signal: AbortSignal | null | undefined): unknown => {
  if (signal?.aborted === true && Cause.isInterruptedOnly(cause)) return signal.reason
  const error = Cause.squash(cause)
  if (!HttpClientError.isHttpClientError(error) || error._tag !== "RequestError") return error
  return error.reason === "Transport" ? error.cause : new TypeError("Failed to parse URL", { cause: error.cause })
}

/**
 * A `fetch` under standard policies, one for each origin, which works until the scope closes. Dies with `InvalidOptions`
 * if an option is out of range.
 *
 * @example
 * ```ts
 * import { ResilientFetch } from "@effect-resilience/http"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const fetch = yield* ResilientFetch.make("inventory", { timeout: "900 millis", retry: { maxRetries: 1 } })
 *   return yield* Effect.promise(() => fetch("http://127.0.0.1:1/stock").catch((error: Error) => error.message))
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * ```
 */
export const make = (name: string, options: Options = {}): Effect.Effect<ResilientFetch, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { fetch = globalThis.fetch, ...others } = options
    const runtime = yield* Effect.runtime<never>()
    const client = yield* ResilientHttpClient.protect(clientOf(fetch), name, others)
    return (input, init = {}) => {
      const asked = given(input, init)
      const { redirect, resilience, signal } = asked
      const request = requestOf(asked)
      if (signal?.aborted === true) return Promise.reject(signal.reason)
      if (request === undefined) return Promise.reject(new TypeError(`No client sends "${asked.method}"`))
      const current: Given = { init: asked, answer: undefined }
      const call = Effect.gen(function* () {
        const follows = redirect === undefined || redirect === "follow"
        const response = yield* following(client.execute, follows ? mostRedirects : 0)(request)
        return yield* answered(response, current.answer, runtime, asked)
      }).pipe(
        Effect.provideService(CurrentCall, current),
        resilience === undefined ? identity : ResilientHttpClient.override(resilience)
      )
      return Runtime.runPromiseExit(runtime)(call, signal ? { signal } : {}).then(
        Exit.match({
          onSuccess: (response) => response,
          onFailure: (cause) => {
            throw reasonOf(cause, signal)
          }
        })
      )
    }
  })
