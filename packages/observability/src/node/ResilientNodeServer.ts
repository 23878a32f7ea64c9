/**
 * Node's HTTP server with an end that leaves nobody without an answer: a `NodeHttpServer` whose applications are under
 * `Drain.track`, and which runs the drain before anything of it is taken down.
 *
 * The drain begins when the Layer of a served application ends. `NodeRuntime.runMain` has that happen on SIGTERM and SIGINT,
 * ends the process with code 0 afterwards, and lets a second signal end it at once.
 *
 * - While it drains, connections are taken and requests served; each answer ends its connection.
 * - Then the port is closed, and so are connections on which nothing is going on. A request that still comes in on another
 *   is answered 503.
 * - Two seconds after the time for what is in flight is over the rest is cut off. What could not be interrupted is answered
 *   503 before.
 *
 * A connection that the kernel has accepted and Node has not is reset when the port is closed, which nobody can help: that
 * is what the delay before is for. What ends after the server (the Layers under it) has its own time: give the process
 * that much more before it is killed, on Kubernetes by `terminationGracePeriodSeconds`.
 *
 * Needs `@effect/platform-node`.
 */
import {
  type Etag,
  type HttpApp,
  HttpServer,
  type HttpPlatform,
  type HttpServerError,
  type HttpServerRequest
} from "@effect/platform"
import { type NodeContext, NodeHttpServer } from "@effect/platform-node"
import { Deferred, Duration, Effect, Layer, type Scope } from "effect"
import type * as Http from "node:http"
import * as Drain from "../Drain.js"

/** Where it listens, as in Node's `server.listen`: `port` and `host` (default 127.0.0.1), or the `path` of a socket. */
export type ListenOptions = Parameters<typeof NodeHttpServer.make>[1]

const onLoopback = (options: ListenOptions): ListenOptions =>
  options.path === undefined ? { ...options, host: options.host ?? "127.0.0.1" } : options

/** How long connections may take to end after their last answer; then they are cut off. */
const lingering = "1 second"

/** The answers that are under way, whatever makes them. */
class Answers {
  private readonly open = new Set<Http.ServerResponse>()
  private waiting: () => void = () => {}

  readonly add = (_: Http.IncomingMessage, response: Http.ServerResponse): void => {
    this.open.add(response)
    response.once("close", () => {
      this.open.delete(response)
      if (this.open.size === 0) this.waiting()
    })
  }

  /** Returns when there are none. */
  readonly ended: Effect.Effect<void> = Effect.async((resume) => {
    this.waiting = () => resume(Effect.void)
    if (this.open.size === 0) this.waiting()
  })

  /** Answers those that nothing was said to yet. */
  readonly refuse = (): void => {
    for (const response of this.open) {
      if (response.headersSent) continue
      response.writeHead(503, { connection: "close", "retry-after": "1" })
      response.end()
    }
  }
}

/**
 * Makes the server over a drain; it listens until the scope closes, or until the drain has come that far.
 *
 * @example
 * ```ts
 * import { Drain } from "@effect-resilience/observability"
 * import { ResilientNodeServer } from "@effect-resilience/observability/node"
 * import { HttpServerResponse } from "@effect/platform"
 * import { Effect } from "effect"
 * import { createServer } from "node:http"
 *
 * const program = Effect.gen(function* () {
 *   const server = yield* ResilientNodeServer.make(() => createServer(), { port: 0 })
 *   yield* server.serve(HttpServerResponse.text("here"))
 *   return server.address._tag
 * })
 * Effect.runPromise(Effect.scoped(Effect.provide(program, Drain.layer({ preStopDelay: 0 })))).then(console.log)
 * ```
 */
export const make = (
  evaluate: () => Http.Server,
  options: ListenOptions
): Effect.Effect<HttpServer.HttpServer, HttpServerError.ServeError, Scope.Scope | Drain.Drain> =>
  Effect.gen(function* () {
    const drain = yield* Drain.Drain
    const node = evaluate()
    const answers = new Answers()
    const closed = yield* Deferred.make<void>()
    node.prependListener("request", answers.add)
    const close = Effect.sync(() => {
      if (node.listening) node.close(() => Deferred.unsafeDone(closed, Effect.void))
    })

    const server = yield* NodeHttpServer.make(() => node, onLoopback(options))
    // Before the finalizer, which would otherwise drain without it.
    yield* drain.register("http server", Effect.zipRight(close, answers.ended))
    yield* Effect.addFinalizer(() =>
      drain.shutdown.pipe(
        Effect.zipRight(Effect.sync(answers.refuse)),
        Effect.zipRight(Effect.interruptible(Effect.timeoutOption(Deferred.await(closed), lingering))),
        Effect.zipRight(Effect.sync(() => node.closeAllConnections()))
      )
    )

    return HttpServer.make({
      address: server.address,
      serve: (app, middleware) =>
        Effect.zipRight(
          server.serve(app, (handled) => drain.track(middleware === undefined ? handled : middleware(handled))),
          // Before the application is taken from the server, which is what its own finalizer does.
          Effect.addFinalizer(() => drain.shutdown)
        )
    })
  })

/**
 * The server as a Layer, in the place of `NodeHttpServer.layer`.
 *
 * @example
 * ```ts
 * import { Drain, Health } from "@effect-resilience/observability"
 * import { ResilientNodeServer } from "@effect-resilience/observability/node"
 * import { HttpRouter, HttpServer, HttpServerResponse } from "@effect/platform"
 * import { NodeRuntime } from "@effect/platform-node"
 * import { Effect, Layer } from "effect"
 * import { createServer } from "node:http"
 *
 * const routes = HttpRouter.concat(Health.router, HttpRouter.empty.pipe(HttpRouter.get("/", HttpServerResponse.text("here"))))
 * const main = HttpServer.serve(routes).pipe(
 *   Layer.provide(ResilientNodeServer.layer(() => createServer(), { port: 0 })),
 *   Layer.provide(Health.layer()),
 *   Layer.provide(Drain.layer({ preStopDelay: "1 second" }))
 * )
 * NodeRuntime.runMain(Effect.timeoutOption(Layer.launch(main), "20 millis"))
 * ```
 */
export const layer = (
  evaluate: () => Http.Server,
  options: ListenOptions
): Layer.Layer<
  HttpServer.HttpServer | HttpPlatform.HttpPlatform | Etag.Generator | NodeContext.NodeContext,
  HttpServerError.ServeError,
  Drain.Drain
> => Layer.merge(Layer.scoped(HttpServer.HttpServer, make(evaluate, options)), NodeHttpServer.layerContext)

/**
 * Serves an application on a port of its own, for probes and scrapes: it goes on through the drain of the others, if it is
 * a Layer under theirs, and ends at once when it is its turn.
 *
 * @example
 * ```ts
 * import { Drain, Health } from "@effect-resilience/observability"
 * import { ResilientNodeServer } from "@effect-resilience/observability/node"
 * import { Effect, Layer } from "effect"
 * import { createServer } from "node:http"
 *
 * const admin = ResilientNodeServer.layerAdmin(Health.router, () => createServer(), { port: 0 })
 * const main = admin.pipe(Layer.provide(Health.layer()), Layer.provide(Drain.layer()))
 * Effect.runPromise(Effect.timeoutOption(Layer.launch(main), "20 millis"))
 * ```
 */
export const layerAdmin = <E, R>(
  app: HttpApp.Default<E, R>,
  evaluate: () => Http.Server,
  options: ListenOptions
): Layer.Layer<
  never,
  HttpServerError.ServeError,
  Exclude<Exclude<R, HttpServerRequest.HttpServerRequest>, Scope.Scope>
> =>
  Layer.scopedDiscard(
    Effect.gen(function* () {
      const drain = yield* Drain.make({ preStopDelay: 0, gracefulShutdownTimeout: Duration.seconds(1) })
      const server = yield* Effect.provideService(make(evaluate, options), Drain.Drain, drain)
      yield* server.serve(app)
    })
  )
