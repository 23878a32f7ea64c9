/** A process of our own with a typed IPC channel, as a scoped value: it is stopped when the scope closes. */
import { Data, Deferred, Effect, Option, Queue, Schema, type Scope } from "effect"
import { type ChildProcess as NodeChild, fork } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

/** A process of the demo ended, or said something it should not. */
export class ChildFailed extends Data.TaggedError("ChildFailed")<{ readonly child: string; readonly reason: string }> {
  override get message(): string {
    return `The demo's process "${this.child}" ${this.reason}`
  }
}

export interface Child<Command, Notice> {
  readonly send: (command: Command) => Effect.Effect<void, ChildFailed>
  /** The next notice, in the order they were sent; fails when the process has ended. */
  readonly next: Effect.Effect<Notice, ChildFailed>
}

export interface Options<Command, Notice, Encoded> {
  readonly name: string
  readonly entry: URL
  readonly env: Readonly<Record<string, string>>
  readonly notices: Schema.Schema<Notice, Encoded>
  readonly commands: Schema.Schema<Command>
  /** Turns a line of its standard output into a notice, where that is how it says something. */
  readonly fromLine?: (line: string) => Option.Option<Notice>
}

/** Only these are handed down, so that the environment of whoever runs the demo changes nothing in it. */
const inherited = ["PATH", "HOME", "TMPDIR", "NO_COLOR"]

const environment = (own: Readonly<Record<string, string>>): Record<string, string> => ({
  ...Object.fromEntries(
    inherited.flatMap((name) => {
      const value = process.env[name]
      return value === undefined ? [] : [[name, value]]
    })
  ),
  ...own
})

const maxErrorText = 2_000

const stop = (child: NodeChild, ended: Deferred.Deferred<void>): Effect.Effect<void> =>
  Effect.sync(() => child.kill("SIGTERM")).pipe(
    Effect.zipRight(Deferred.await(ended)),
    Effect.timeoutOption("3 seconds"),
    Effect.tap(() =>
      child.exitCode === null && child.signalCode === null ? Effect.sync(() => child.kill("SIGKILL")) : Effect.void
    ),
    Effect.zipRight(Deferred.await(ended)),
    Effect.timeoutOption("1 second"),
    Effect.asVoid
  )

const post = (name: string, child: NodeChild, json: string): Effect.Effect<void, ChildFailed> =>
  Effect.async((resume) => {
    const gone = (error: Error): void => resume(new ChildFailed({ child: name, reason: `is gone (${error.message})` }))
    if (!child.connected) return gone(new Error("channel closed"))
    child.send(JSON.parse(json), (error) => (error === null ? resume(Effect.void) : gone(error)))
  })

/** Start it. TypeScript is run through tsx, whatever the parent itself was started with. */
export const start = <Command, Notice, Encoded>(
  options: Options<Command, Notice, Encoded>
): Effect.Effect<Child<Command, Notice>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { name } = options
    const notices = yield* Queue.unbounded<Effect.Effect<Notice, ChildFailed>>()
    const ended = yield* Deferred.make<void>()
    const decode = Schema.decodeUnknown(options.notices)
    const encode = Schema.encode(Schema.parseJson(options.commands))
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const forked = fork(fileURLToPath(options.entry), [], {
          execArgv: ["--import", import.meta.resolve("tsx")],
          env: environment(options.env),
          stdio: ["ignore", "pipe", "pipe", "ipc"]
        })
        let errorText = ""
        const over = (reason: string): void => {
          const said = errorText.trim()
          notices.unsafeOffer(new ChildFailed({ child: name, reason: said === "" ? reason : `${reason}:\n${said}` }))
          Deferred.unsafeDone(ended, Effect.void)
        }
        forked.stderr?.on("data", (chunk: Buffer) => {
          errorText = (errorText + chunk.toString("utf8")).slice(-maxErrorText)
        })
        if (forked.stdout !== null) {
          createInterface({ input: forked.stdout }).on("line", (line) => {
            const notice = options.fromLine?.(line) ?? Option.none()
            if (Option.isSome(notice)) notices.unsafeOffer(Effect.succeed(notice.value))
          })
        }
        forked.on("message", (message) => {
          notices.unsafeOffer(
            Effect.mapError(decode(message), () => new ChildFailed({ child: name, reason: "sent an unknown message" }))
          )
        })
        forked.once("error", (error) => over(`could not be run (${error.message})`))
        forked.once("close", (code, signal) => over(`ended with ${signal ?? `exit code ${code}`}`))
        return forked
      }),
      (forked) => stop(forked, ended)
    )
    return {
      send: (command) => Effect.flatMap(Effect.orDie(encode(command)), (message) => post(name, child, message)),
      next: Effect.flatten(Queue.take(notices))
    }
  })
