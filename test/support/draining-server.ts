/**
 * A server to be stopped: run as a process of its own, with `DRAIN_PRE_STOP_DELAY` and `DRAIN_TIMEOUT`. It says the ports
 * that it listens on, the application's first and the one for probes second.
 */
import { Drain, Health } from "@effect-resilience/observability"
import { ResilientNodeServer } from "@effect-resilience/observability/node"
import { HttpRouter, HttpServer, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Stream } from "effect"
import * as Http from "node:http"

const here = HttpServerResponse.text("here")

/** Answers after as many milliseconds as the path says. */
const after = Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ url }) =>
  Effect.delay(here, Number(url.split("/").at(-1)))
)

/** Answers when it is let go, on the other port. */
const gate = Effect.unsafeMakeLatch()
const held = Effect.zipRight(gate.await, here)
const release = Effect.zipRight(gate.open, here)

const streamed = HttpServerResponse.stream(
  Stream.encodeText(Stream.tick("20 millis").pipe(Stream.take(50), Stream.as("part ")))
)

const routes = HttpRouter.empty.pipe(
  HttpRouter.get("/after/:millis", after),
  HttpRouter.get("/held", held),
  HttpRouter.get("/streamed", streamed),
  HttpRouter.get("/never", Effect.never),
  HttpRouter.get("/deaf", Effect.uninterruptible(Effect.never)),
  HttpRouter.concat(Health.router)
)

const operators = HttpRouter.concat(Health.router, HttpRouter.empty.pipe(HttpRouter.get("/release", release)))
const probes = Http.createServer()
const sayProbes = Layer.effectDiscard(
  Effect.suspend(() => {
    const address = probes.address()
    return Console.log(`probes on ${typeof address === "object" && address !== null ? address.port : "?"}`)
  })
)
const admin = sayProbes.pipe(
  Layer.provideMerge(ResilientNodeServer.layerAdmin(operators, () => probes, { host: "127.0.0.1", port: 0 }))
)

const main = Layer.effectDiscard(HttpServer.addressFormattedWith((address) => Console.log(`serves ${address}`))).pipe(
  Layer.provideMerge(HttpServer.serve(routes)),
  Layer.provide(ResilientNodeServer.layer(() => Http.createServer(), { host: "127.0.0.1", port: 0 })),
  Layer.provide(admin),
  Layer.provide(Health.layer()),
  Layer.provide(Drain.layerConfig())
)

NodeRuntime.runMain(Layer.launch(main))
