/**
 * The process of the dependencies. It prints one line of JSON, `{"urls":{"INVENTORY_URL":"http://127.0.0.1:4001",...}}`,
 * and stops on SIGTERM, on Ctrl-C, or when whoever started it is gone, so that it never outlives its parent.
 *
 * SEED (1) decides latencies and faults; FIRST_PORT (0: free ports) is the first of seven ports in a row.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Config, Data, Effect, Queue, Schema } from "effect"
import { fstatSync } from "node:fs"
import * as Dependencies from "./Dependencies.js"
import { Command, type Notice } from "./Messages.js"
import * as Parent from "./Parent.js"

const options = Config.all({
  seed: Config.withDefault(Config.integer("SEED"), 1),
  firstPort: Config.withDefault(Config.integer("FIRST_PORT"), 0),
  slowMillis: Config.withDefault(Config.integer("SLOW_MILLIS"), 5000)
})

const tell = (notice: Notice): void => Parent.tellNow(notice)

/** A terminal or /dev/null says nothing about the parent; a pipe or a socket ends when the parent does. */
const stdinIsPipe = (): boolean => {
  try {
    const stat = fstatSync(0)
    return stat.isFIFO() || stat.isSocket()
  } catch {
    return false
  }
}

const stdinEnded = Effect.async<void>((resume) => {
  if (!stdinIsPipe()) return
  const stop = (): void => resume(Effect.void)
  process.stdin.once("end", stop)
  process.stdin.once("close", stop)
  process.stdin.resume()
})

const obey = (dependencies: Dependencies.Dependencies, command: Command) =>
  command._tag === "SetPhase"
    ? Effect.map(dependencies.setPhase(command.phase), () => tell({ _tag: "PhaseSet", phase: command.phase }))
    : Effect.map(dependencies.report, (report) => tell({ _tag: "PaymentReport", ...report }))

class UnknownCommand extends Data.TaggedError("UnknownCommand")<{}> {
  override get message(): string {
    return "The dependencies were sent a command they do not know"
  }
}

const program = Effect.gen(function* () {
  const commands = yield* Queue.unbounded<Effect.Effect<Command, UnknownCommand>>()
  process.on("message", (message) => {
    const command = Schema.decodeUnknown(Command)(message)
    commands.unsafeOffer(Effect.mapError(command, () => new UnknownCommand()))
  })
  const dependencies = yield* Dependencies.make(yield* options)
  process.stdout.write(`${JSON.stringify({ urls: dependencies.urls })}\n`)
  tell({ _tag: "Listening", urls: dependencies.urls })
  const obeying = Effect.flatten(Queue.take(commands)).pipe(
    Effect.flatMap((command) => obey(dependencies, command)),
    Effect.forever
  )
  yield* Effect.raceAll([obeying, stdinEnded, Parent.gone])
})

NodeRuntime.runMain(Effect.scoped(program))
