/**
 * The service as a process: it serves until it is told to stop, logs to standard error, and says in one sentence why it
 * could not start.
 */
import { Telemetry } from "@effect-resilience/core"
import type { HttpServerError } from "@effect/platform"
import { type ConfigError, Console, Effect, Layer, Logger, Predicate } from "effect"
import * as App from "./App.js"
import type { JournalFailed } from "./JournalFile.js"
import * as OutboundPool from "./OutboundPool.js"

const whyNot = (error: HttpServerError.ServeError | ConfigError.ConfigError | JournalFailed): string => {
  if (error._tag !== "ServeError") return Predicate.isTagged(error, "JournalFailed") ? error.message : String(error)
  const { cause } = error
  if (Predicate.hasProperty(cause, "code") && cause.code === "EADDRINUSE") {
    const port = Predicate.hasProperty(cause, "port") ? String(cause.port) : "asked for"
    return `port ${port} is in use already: stop what listens there, set PORT to another, or to 0 for any free one`
  }
  return `cannot listen: ${cause instanceof Error ? cause.message : String(cause)}`
}

/** Serves until it is interrupted. */
export const run = Layer.launch(
  App.layer.pipe(
    Layer.provide(OutboundPool.layer),
    Layer.provide(Telemetry.layerLog),
    Layer.provide(Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger)))
  )
).pipe(Effect.tapError((error) => Console.error(whyNot(error))))
