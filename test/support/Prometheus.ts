/**
 * The tools of Prometheus: `promtool`, and a server of its own on loopback, which ends with the scope.
 */
import { Data, Effect, type Scope } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import * as Net from "node:net"
import { delimiter, join } from "node:path"
import { root } from "../../scripts/source-files.js"

const installed = join(root, ".build", "prometheus", "usr", "bin")

const located = (tool: string): string | undefined =>
  [...(process.env["PATH"] ?? "").split(delimiter), installed]
    .filter((directory) => directory !== "")
    .map((directory) => join(directory, tool))
    .find((path) => existsSync(path))

/** A tool is missing. */
class Missing extends Data.TaggedError("Missing")<{ readonly tool: string }> {
  override get message(): string {
    return `${this.tool} is neither on the PATH nor in .build/prometheus: run scripts/get-prometheus.sh`
  }
}

/** Whether tests that need the tools are left out: never in CI, where they fail instead. */
export const areLeftOut =
  (process.env["CI"] ?? "") === "" && (located("promtool") === undefined || located("prometheus") === undefined)

/** Said in the name of such tests, where they are left out. */
export const hint = areLeftOut ? " (left out: run scripts/get-prometheus.sh)" : ""

/** Where a tool is: on the PATH, or where scripts/get-prometheus.sh puts it. */
const find = (tool: string): string => {
  const path = located(tool)
  if (path === undefined) throw new Missing({ tool })
  return path
}

/** A folder of the test's own, which goes with the scope. */
const folder = Effect.acquireRelease(
  Effect.sync(() => {
    const parent = join(root, ".build")
    mkdirSync(parent, { recursive: true })
    return mkdtempSync(join(parent, "prometheus-"))
  }),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** What a tool said, and whether it was content. */
export interface Said {
  readonly ok: boolean
  readonly output: string
}

/** What promtool says of files, which lie in a folder where it runs, or of `input`. */
export const promtool = (
  args: ReadonlyArray<string>,
  files: Readonly<Record<string, string>>,
  input: string = ""
): Effect.Effect<Said> =>
  Effect.gen(function* () {
    const cwd = yield* folder
    for (const [name, text] of Object.entries(files)) writeFileSync(join(cwd, name), text)
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => spawn(find("promtool"), args, { cwd, stdio: "pipe" })),
      end
    )
    return yield* Effect.async<Said>((resume) => {
      let output = ""
      const add = (text: string) => (output += text)
      child.stdout.setEncoding("utf8").on("data", add)
      child.stderr.setEncoding("utf8").on("data", add)
      child.once("close", (code) => resume(Effect.succeed({ ok: code === 0, output })))
      child.stdin.end(input)
    })
  }).pipe(Effect.scoped)

/** Prometheus did not do what it should have done in time. */
export class NotInTime extends Data.TaggedError("NotInTime")<{ readonly what: string }> {
  override get message(): string {
    return this.what
  }
}

/** An alert as Prometheus tells it. */
export interface ActiveAlert {
  readonly state: "pending" | "firing"
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

/** A running Prometheus. */
export interface Server {
  readonly url: string
  /** The alerts that it sees pending or firing. */
  readonly alerts: Effect.Effect<ReadonlyArray<ActiveAlert>, NotInTime>
  /** The names of all series that it has, and those that its rules made of them. */
  readonly names: Effect.Effect<ReadonlyArray<string>, NotInTime>
  /** Its alerts as soon as they are as they should be; fails if that takes longer than a minute. */
  readonly until: (
    what: string,
    holds: (alerts: ReadonlyArray<ActiveAlert>) => boolean
  ) => Effect.Effect<ReadonlyArray<ActiveAlert>, NotInTime>
}

const freePort = Effect.async<number>((resume) => {
  const socket = Net.createServer()
  socket.listen(0, "127.0.0.1", () => {
    const address = socket.address()
    socket.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

const config = (target: string): string =>
  JSON.stringify({
    global: { scrape_interval: "1s", scrape_timeout: "1s", evaluation_interval: "1s" },
    rule_files: ["rules.yml"],
    scrape_configs: [{ job_name: "shop", static_configs: [{ targets: [target] }] }]
  })

/** Ends a process that this test started, by force if it does not go. */
const end = (child: ChildProcess): Effect.Effect<void> =>
  Effect.async<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    const force = setTimeout(() => child.kill("SIGKILL"), 5_000)
    child.once("exit", () => {
      clearTimeout(force)
      resume(Effect.void)
    })
    child.kill("SIGTERM")
  })

const ask = <A>(url: string): Effect.Effect<A, NotInTime> =>
  Effect.tryPromise({
    try: async (signal) => {
      const response = await fetch(url, { signal })
      const { data }: { readonly data: A } = JSON.parse(await response.text())
      return data
    },
    catch: (cause) => new NotInTime({ what: `${url} did not answer: ${String(cause)}` })
  })

/** Asks again and again, for a minute at most. */
const poll = <A>(
  what: string,
  question: Effect.Effect<A, NotInTime>,
  holds: (answer: A) => boolean
): Effect.Effect<A, NotInTime> => {
  let last = "nothing"
  const once: Effect.Effect<A, NotInTime> = Effect.matchEffect(question, {
    onFailure: ({ what: why }) => again(why),
    onSuccess: (answer) => (holds(answer) ? Effect.succeed(answer) : again(JSON.stringify(answer)))
  })
  const again = (seen: string): Effect.Effect<A, NotInTime> => {
    last = seen
    return Effect.zipRight(Effect.sleep("200 millis"), once)
  }
  return Effect.timeoutFail(once, {
    duration: "60 seconds",
    onTimeout: () => new NotInTime({ what: `${what}: not within a minute; seen last: ${last}` })
  })
}

/** Starts a process that ends with the scope; the effect fails, with what it printed, once it has ended by itself. */
const start = (
  tool: string,
  args: ReadonlyArray<string>
): Effect.Effect<Effect.Effect<never, NotInTime>, never, Scope.Scope> =>
  Effect.gen(function* () {
    let printed = ""
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => spawn(find(tool), args, { stdio: ["ignore", "ignore", "pipe"] })),
      end
    )
    child.stderr.setEncoding("utf8").on("data", (text: string) => (printed += text))
    return Effect.async<never, NotInTime>((resume) => {
      const ended = () => resume(Effect.fail(new NotInTime({ what: `${tool} ended: ${printed}` })))
      if (child.exitCode !== null) return ended()
      child.once("exit", ended)
      return Effect.sync(() => child.off("exit", ended))
    })
  })

/**
 * A Prometheus that scrapes `target`, host and port, every second under the job "shop", and evaluates the rules as often as
 * they say.
 */
export const serve = (target: string, rules: string): Effect.Effect<Server, NotInTime, Scope.Scope> =>
  Effect.gen(function* () {
    const home = yield* folder
    writeFileSync(join(home, "rules.yml"), rules)
    writeFileSync(join(home, "prometheus.yml"), config(target))
    const port = yield* freePort
    const url = `http://127.0.0.1:${port}`
    const ended = yield* start("prometheus", [
      `--config.file=${join(home, "prometheus.yml")}`,
      `--storage.tsdb.path=${join(home, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
      "--log.level=warn"
    ])
    const alerts = Effect.map(
      ask<{ readonly alerts: ReadonlyArray<ActiveAlert> }>(`${url}/api/v1/alerts`),
      (data) => data.alerts
    )
    const targets = ask<{ readonly activeTargets: ReadonlyArray<{ readonly health: string }> }>(`${url}/api/v1/targets`)
    yield* poll("a first scrape", targets, ({ activeTargets }) =>
      activeTargets.every(({ health }) => health === "up")
    ).pipe(Effect.raceFirst(ended))
    return {
      url,
      alerts,
      names: ask<ReadonlyArray<string>>(`${url}/api/v1/label/__name__/values`),
      until: (what, holds) => Effect.raceFirst(poll(what, alerts, holds), ended)
    }
  })
