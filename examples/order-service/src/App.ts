/**
 * The application, put together from its Layers. What a test replaces is what `services` still needs: the clients, the
 * journal's file and the names of orders.
 */
import { EventLoopDelay } from "@effect-resilience/core"
import { Drain, Health, ResilienceMetrics } from "@effect-resilience/observability"
import { HttpServer } from "@effect/platform"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { Config, type ConfigError, Effect, Layer } from "effect"
import * as Backlog from "./Backlog.js"
import * as Catalogue from "./Catalogue.js"
import * as Chaos from "./Chaos.js"
import * as Inventory from "./Inventory.js"
import * as Journal from "./Journal.js"
import * as JournalFile from "./JournalFile.js"
import * as Notices from "./Notices.js"
import * as Notification from "./Notification.js"
import * as OrderBook from "./OrderBook.js"
import * as OrderIds from "./OrderIds.js"
import * as Orders from "./Orders.js"
import * as OutboundPool from "./OutboundPool.js"
import * as Payment from "./Payment.js"
import * as Pricing from "./Pricing.js"
import * as Protection from "./Protection.js"
import * as Recommendations from "./Recommendations.js"
import * as Reservations from "./Reservations.js"
import * as Reviews from "./Reviews.js"
import * as Routes from "./Routes.js"
import * as Server from "./Server.js"
import * as Settlement from "./Settlement.js"

const settlement = Settlement.layer.pipe(
  Layer.provideMerge(Layer.merge(Reservations.layer, Notices.layer)),
  Layer.provideMerge(OrderBook.layer),
  Layer.provide(Journal.layer)
)

const orders = Orders.layer.pipe(Layer.provideMerge(Backlog.layer), Layer.provide(settlement))

const ordersWithoutBacklog = Orders.layer.pipe(Layer.provideMerge(Backlog.layerNone), Layer.provide(settlement))

/** What serves the routes, over bare clients. */
type Services = Layer.Layer<
  Routes.Services,
  ConfigError.ConfigError,
  Protection.Clients | JournalFile.JournalFile | OrderIds.OrderIds | Drain.Drain
>

/** What the routes need, with policies, with timeouts only, and bare. */
export const services: Record<"on" | "timeouts" | "off", Services> = {
  on: Layer.merge(orders, Health.layer()).pipe(Layer.provideMerge(Protection.on)),
  timeouts: Layer.merge(ordersWithoutBacklog, Health.layer()).pipe(Layer.provideMerge(Protection.timeouts)),
  off: Layer.merge(ordersWithoutBacklog, Health.layer()).pipe(Layer.provideMerge(Protection.off))
}

/** The clients over HTTP, bare. */
const clients = Layer.mergeAll(
  Inventory.layerHttp,
  Payment.layerHttp,
  Notification.layerHttp,
  Catalogue.layerHttp,
  Pricing.layerHttp,
  Reviews.layerHttp,
  Recommendations.layerHttp
).pipe(Layer.provide(OutboundPool.layerClient))

const mode = Config.literal("on", "timeouts", "off")("POLICIES").pipe(Config.withDefault("on" as const))

/** The service over an HTTP server and the given pool: it serves while the Layer's scope is open. */
export const over = <E, R>(server: Layer.Layer<HttpServer.HttpServer, E, R>) =>
  HttpServer.serve(Routes.app).pipe(
    Layer.provideMerge(server),
    Layer.provide(Server.layerAdmin),
    // Around the server, so that they are still there for the requests that it finishes when it stops.
    Layer.provide(Layer.unwrapEffect(Effect.map(mode, (chosen): Services => services[chosen]))),
    Layer.provide(Chaos.over(clients)),
    Layer.provide(Chaos.layerLog),
    Layer.provide(Layer.merge(JournalFile.layer, OrderIds.layer)),
    Layer.provide(NodeContext.layer),
    Layer.provide(Drain.layerConfig()),
    Layer.provide(ResilienceMetrics.layer()),
    // Under the metrics, which show it, and the shedding, which heeds it.
    Layer.provide(EventLoopDelay.layer()),
    // Nobody collects spans here, and making them costs a fifth of each call.
    Layer.provide(Layer.setTracerEnabled(false))
  )

/** The service on its own port, which it says. */
export const layer = Server.layerAnnounce.pipe(Layer.provide(over(Server.layer)))
