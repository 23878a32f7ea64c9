/** Servers of tests, on ports of loopback that nobody else has. */
import { type HttpRouter, HttpServer } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { Context, Effect, Layer, Logger, LogLevel, type Scope } from "effect"
import * as Http from "node:http"
import * as Net from "node:net"

/** Listens on a port of loopback until the scope closes; gives the address. */
export const listening = (server: Http.Server): Effect.Effect<string, never, Scope.Scope> =>
  Effect.gen(function* () {
    yield* Effect.addFinalizer(() =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
    )
    const port = yield* Effect.async<number>((resume) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
      })
    })
    return `http://127.0.0.1:${port}`
  })

/** A port that nobody listens on. */
export const freePort = Effect.async<number>((resume) => {
  const server = Net.createServer().listen(0, "127.0.0.1", () => {
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    server.close(() => resume(Effect.succeed(port)))
  })
})

/** Serves an application of the platform until the scope closes, without a word; gives the address. */
export const serving = <E>(
  app: Layer.Layer<never, E, HttpServer.HttpServer | HttpRouter.HttpRouter.DefaultServices>
): Effect.Effect<string, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const server = NodeHttpServer.layer(() => Http.createServer(), { port: 0, host: "127.0.0.1" })
    const context = yield* Layer.build(Layer.provideMerge(app, server)).pipe(Logger.withMinimumLogLevel(LogLevel.None))
    const { address } = Context.get(context, HttpServer.HttpServer)
    return address._tag === "TcpAddress" ? `http://127.0.0.1:${address.port}` : ""
  })
