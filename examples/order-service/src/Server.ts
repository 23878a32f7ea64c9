/**
 * The HTTP server on `HOST` (127.0.0.1) and `PORT` (3000; 0 picks a free one), and how it stops: no new connections, a
 * late request on an old one is told to go elsewhere, what is in flight is finished, and whoever is not done after the
 * grace is cut off.
 */
import { HttpServer } from "@effect/platform"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Config, Console, Effect, Layer } from "effect"
import * as Http from "node:http"

const settings = Config.all({
  host: Config.string("HOST").pipe(Config.withDefault("127.0.0.1")),
  port: Config.integer("PORT").pipe(
    Config.validate({ message: "expected a port from 0 to 65535", validation: (port) => port >= 0 && port <= 65535 }),
    Config.withDefault(3000)
  )
})

/** Longer than the slowest honest request, the route budget of five seconds. */
const grace = "8 seconds"

const refuse = (_request: Http.IncomingMessage, response: Http.ServerResponse) => {
  response.writeHead(503, { "retry-after": "1", connection: "close", "content-type": "application/json" })
  response.end(JSON.stringify({ error: "the service is stopping" }))
}

const drain = (server: Http.Server) =>
  Layer.scopedDiscard(
    Effect.addFinalizer(() =>
      Effect.gen(function* () {
        server.on("request", refuse)
        yield* Effect.sync(() => server.closeAllConnections()).pipe(Effect.delay(grace), Effect.forkDaemon)
      })
    )
  )

/** The server; it is listening when the Layer is built. */
export const layer = Layer.unwrapEffect(
  Effect.map(settings, ({ host, port }) => {
    const server = Http.createServer()
    return drain(server).pipe(Layer.provideMerge(NodeHttpServer.layer(() => server, { host, port })))
  })
)

/** Says where it listens, once it takes requests. */
export const layerAnnounce = Layer.effectDiscard(
  HttpServer.addressFormattedWith((address) => Console.log(`listening on ${address}`))
)
