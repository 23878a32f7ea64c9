/**
 * `npm start`: the order service with its dependencies, which run in a process of their own and end with it.
 */
import { Command } from "@effect/platform"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { ConfigProvider, Console, Data, Deferred, Effect, Layer, Schema, Stream } from "effect"
import { fileURLToPath } from "node:url"
import * as Process from "./Process.js"

const dependencies = fileURLToPath(new URL("../dependencies/main.ts", import.meta.url))

class Ended extends Data.TaggedError("Ended")<{ readonly code: number }> {
  override get message() {
    return `they ended at once, with ${this.code}`
  }
}

const Started = Schema.parseJson(Schema.Struct({ urls: Schema.Record({ key: Schema.String, value: Schema.String }) }))

/** Starts the dependencies and gives their URLs. They see the open pipe on their standard input as our sign of life. */
const urls = Effect.gen(function* () {
  const child = yield* Command.make(process.execPath, "--import", "tsx", dependencies).pipe(
    Command.stdin(Stream.never),
    Command.stderr("inherit"),
    Command.start
  )
  const first = yield* Deferred.make<string>()
  yield* child.stdout.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runForEach((line) => Deferred.succeed(first, line)),
    Effect.forkScoped
  )
  const line = yield* Effect.raceFirst(
    Deferred.await(first),
    Effect.flatMap(child.exitCode, (code) => new Ended({ code }))
  )
  const started = yield* Schema.decode(Started)(line)
  return new Map(Object.entries(started.urls))
})

const environment = Layer.unwrapScoped(
  Effect.map(
    Effect.tapError(urls, (error) => Console.error(`cannot start the dependencies: ${error.message}`)),
    (found) =>
      Layer.setConfigProvider(ConfigProvider.orElse(ConfigProvider.fromMap(found), () => ConfigProvider.fromEnv()))
  )
)

NodeRuntime.runMain(Effect.provide(Process.run, Layer.provide(environment, NodeContext.layer)), {
  disableErrorReporting: true,
  disablePrettyLogger: true
})
