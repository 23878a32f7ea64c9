/**
 * The HTTP server on `HOST` (127.0.0.1) and `PORT` (3000; 0 picks a free one), which drains before it stops, and the one
 * for probes on `ADMIN_PORT`, if that is set, which goes on until the other has stopped.
 */
import { type Drain, Health } from "@effect-resilience/observability"
import { ResilientNodeServer } from "@effect-resilience/observability/node"
import { HttpServer, type HttpServerError, HttpServerResponse } from "@effect/platform"
import { Config, type ConfigError, Console, Effect, Layer, Option } from "effect"
import * as Http from "node:http"

const port = (name: string) =>
  Config.integer(name).pipe(
    Config.validate({ message: "expected a port from 0 to 65535", validation: (n) => n >= 0 && n <= 65535 })
  )

const settings = Config.all({
  host: Config.string("HOST").pipe(Config.withDefault("127.0.0.1")),
  port: port("PORT").pipe(Config.withDefault(3000))
})

/** The server; it is listening when the Layer is built. */
export const layer: Layer.Layer<
  HttpServer.HttpServer,
  HttpServerError.ServeError | ConfigError.ConfigError,
  Drain.Drain
> = Layer.unwrapEffect(Effect.map(settings, (listen) => ResilientNodeServer.layer(() => Http.createServer(), listen)))

/** What is served to operators. */
const admin = Effect.catchTag(Health.router, "RouteNotFound", () =>
  Effect.succeed(HttpServerResponse.empty({ status: 404 }))
)

/** The server for probes, where `ADMIN_PORT` asks for it. */
export const layerAdmin = Layer.unwrapEffect(
  Effect.map(Config.all([settings, Config.option(port("ADMIN_PORT"))]), ([{ host }, asked]) =>
    Option.match(asked, {
      onNone: () => Layer.empty,
      onSome: (at) => ResilientNodeServer.layerAdmin(admin, () => Http.createServer(), { host, port: at })
    })
  )
)

/** Says where it listens, once it takes requests. */
export const layerAnnounce = Layer.effectDiscard(
  HttpServer.addressFormattedWith((address) => Console.log(`listening on ${address}`))
)
