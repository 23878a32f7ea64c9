/**
 * The connection of one request, which can be ended whatever becomes of its response.
 *
 * `HttpClient.withScope` says so by a scope, for which each call pays two writes of its context and some fifty steps of
 * the runtime. What it leaves for the client that sends the request is an `AbortController` in a map of requests, which
 * `@effect/platform` does not publish: it is looked for once, and where it is not found there is the scope.
 */
import { HttpClient, type HttpClientRequest, type HttpClientResponse } from "@effect/platform"
import { Effect, Exit, GlobalValue, identity, Scope } from "effect"

const controllers = GlobalValue.globalValue(
  "@effect/platform/HttpClient/scopedRequests",
  () => new WeakMap<HttpClientRequest.HttpClientRequest, AbortController>()
)

/** A request under way: what comes of it, and what ends its connection. */
export interface Connection<E, R> {
  readonly response: Effect.Effect<HttpClientResponse.HttpClientResponse, E, R>
  readonly end: Effect.Effect<void>
}

/** Sends a request, no other connection of which is open. */
export type Connect<E, R> = (request: HttpClientRequest.HttpClientRequest) => Connection<E, R>

/** Whether the map is that of the platform: a request which is sent for a scope must be in it. */
const isKnown: Effect.Effect<boolean> = Effect.scoped(
  Effect.match(
    HttpClient.withScope(
      HttpClient.makeWith(
        Effect.flatMap((request) => Effect.fail(controllers.has(request))),
        Effect.succeed<HttpClientRequest.HttpClientRequest>
      )
    ).get("http://localhost"),
    { onFailure: identity, onSuccess: () => false }
  )
)

const byController =
  <E, R>(client: HttpClient.HttpClient.With<E, R>): Connect<E, R> =>
  (request) => {
    controllers.set(request, new AbortController())
    // A client with a scope of its own may have put another there.
    const end = Effect.sync(() => controllers.get(request)?.abort())
    return { response: client.execute(request), end }
  }

/** As `byController`, by nothing but what the platform publishes. */
const byScope = <E, R>(client: HttpClient.HttpClient.With<E, R>): Connect<E, R> => {
  const scoped = HttpClient.withScope(client)
  return (request) => {
    let close: Effect.Effect<void> = Effect.void
    const response = Effect.flatMap(Scope.make(), (scope) => {
      close = Scope.close(scope, Exit.void)
      return Effect.provideService(scoped.execute(request), Scope.Scope, scope)
    })
    return { response, end: Effect.suspend(() => close) }
  }
}

/** How the requests of a client are sent. */
export const connecting = <E, R>(client: HttpClient.HttpClient.With<E, R>): Effect.Effect<Connect<E, R>> =>
  Effect.map(isKnown, (known) => (known ? byController(client) : byScope(client)))
