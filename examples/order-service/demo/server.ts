/**
 * The server under test: the order service as it is, in a process of its own, that also reports its circuits and its
 * outbound sockets to the demo.
 */
import { Telemetry } from "@effect-resilience/core"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Config, Effect, Layer, Logger, LogLevel, Schema } from "effect"
import { rmSync } from "node:fs"
import * as App from "../src/App.js"
import * as OutboundPool from "../src/OutboundPool.js"
import { CircuitState, type ServerNotice } from "./Messages.js"
import * as Parent from "../dependencies/Parent.js"

const sampleEvery = "150 millis"

const tell = (notice: ServerNotice): void => Parent.tellNow(notice)

/** What this process has computed for, until now. */
const cpuMillis = (): number => {
  const { system, user } = process.cpuUsage()
  return (system + user) / 1000
}

const sampling = Layer.scopedDiscard(
  Effect.flatMap(OutboundPool.OutboundPool, ({ snapshot }) =>
    snapshot.pipe(
      Effect.tap(({ open, waiting }) =>
        Effect.sync(() =>
          tell({ _tag: "Sockets", inUse: open, waiting, cpuMillis: cpuMillis(), wallMillis: Date.now() })
        )
      ),
      Effect.zipRight(Effect.sleep(sampleEvery)),
      Effect.forever,
      Effect.forkScoped
    )
  )
)

const isCircuitState = Schema.is(CircuitState)

const telemetry = Telemetry.layer((event) => {
  if (event._tag === "CircuitChanged" && isCircuitState(event.to)) {
    tell({ _tag: "CircuitChanged", policy: event.policy, to: event.to, wallMillis: Date.now() })
  }
})

// Without the demo there is nobody to finish a request for, and nobody else to remove what it made.
const orphaned = Effect.zipRight(
  Parent.gone,
  Effect.map(Config.string("DATA_DIR"), (directory) => {
    rmSync(directory, { recursive: true, force: true })
    process.exit(1)
  })
)

NodeRuntime.runMain(
  Effect.raceFirst(
    Layer.launch(
      Layer.merge(App.layer, sampling).pipe(
        Layer.provide(OutboundPool.layer),
        Layer.provide(telemetry),
        Layer.provide(Logger.minimumLogLevel(LogLevel.None))
      )
    ),
    orphaned
  )
)
