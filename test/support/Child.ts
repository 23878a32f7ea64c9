/** Programs of `test/support` that run as processes of their own. */
import { Data, Effect, type Scope } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"

/** The process ended without having said what was waited for. */
export class Ended extends Data.TaggedError("Ended")<{ readonly said: string }> {
  override get message() {
    return `it ended, and said: ${this.said}`
  }
}

/** Starts one, until the scope closes. */
const started = (program: string, args: ReadonlyArray<string>, env: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, ["--import", "tsx", fileURLToPath(new URL(program, import.meta.url)), ...args], {
        env: { PATH: process.env.PATH, ...env },
        stdio: ["ignore", "pipe", "inherit"]
      })
    ),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )

const heard = (child: ChildProcess, whenSaid: (said: string) => string | undefined, whenEnded: boolean) =>
  Effect.async<string, Ended>((resume) => {
    let said = ""
    child.stdout?.on("data", (text) => {
      said += text
      const found = whenSaid(said)
      if (found !== undefined) resume(Effect.succeed(found))
    })
    child.once("close", (code) =>
      resume(whenEnded && code === 0 ? Effect.succeed(said) : Effect.fail(new Ended({ said })))
    )
  })

/** Starts a server of `test/support`, which says where it listens; gives the address. */
export const server = (
  program: string,
  env: Readonly<Record<string, string>>
): Effect.Effect<string, Ended, Scope.Scope> =>
  Effect.flatMap(started(program, [], env), (child) =>
    heard(child, (said) => /listening on (http:\S+)/.exec(said)?.[1], false)
  )

/** Runs a program of `test/support` to its end; gives what it printed. */
export const output = (program: string, argument: string): Effect.Effect<string, Ended> =>
  Effect.scoped(Effect.flatMap(started(program, [argument], {}), (child) => heard(child, () => undefined, true)))
