import { spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { root } from "../../scripts/source-files.js"

/** How a program ended, and what it printed, on both of its streams. */
export interface Ended {
  readonly ok: boolean
  readonly output: string
}

/** A program that takes longer than this hangs, in milliseconds. */
const limitMillis = 60_000

/** How long a test waits for many programs: until the last is known to hang or to have ended. */
export const patienceMillis = 600_000

const start = "\u001E"
const failure = "\u001F"

/**
 * The process that runs the programs: each starts when nothing of the one before is left to do, so what it prints is
 * its own. One process for all of them, because loading Effect takes longer than any of them runs.
 */
const runner = (paths: ReadonlyArray<string>): string => `
const paths = ${JSON.stringify(paths)}
let under = false
process.stderr.write = process.stdout.write.bind(process.stdout)
const failed = (error) => console.log(${JSON.stringify(failure)}, error)
process.on("unhandledRejection", failed)
process.on("uncaughtException", failed)
process.on("beforeExit", () => {
  if (under) failed("it waits for something that never happens")
  const path = paths.shift()
  if (path === undefined) return
  under = true
  process.stdout.write(${JSON.stringify(start)})
  import(path).catch(failed).finally(() => {
    under = false
  })
})
`

/** Everything that the process printed, killed when a program goes on for longer than the limit. */
const execute = (entry: string): Promise<string> =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, ["--import", "tsx", entry], {
      cwd: root,
      env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: undefined },
      stdio: ["ignore", "pipe", "pipe"]
    })
    let printed = ""
    const hangs = (): boolean => child.kill("SIGKILL")
    let limit = setTimeout(hangs, limitMillis)
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      printed += text
    })
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      printed += text
      if (!text.includes(start)) return
      clearTimeout(limit)
      limit = setTimeout(hangs, limitMillis)
    })
    child.on("close", (code) => {
      clearTimeout(limit)
      resolve(code === 0 ? printed : `${printed}${failure}the process ended with ${code ?? "a signal"}`)
    })
  })

/** A folder of this test's own, from which programs find the packages. */
const folder = (): string => {
  const parent = join(root, ".build")
  mkdirSync(parent, { recursive: true })
  return mkdtempSync(join(parent, "programs-"))
}

/** Runs TypeScript programs one after the other; the answers stand in the order of the paths. */
export const runPrograms = async (paths: ReadonlyArray<string>): Promise<ReadonlyArray<Ended>> => {
  const directory = folder()
  try {
    const entry = join(directory, "runner.mjs")
    writeFileSync(entry, runner(paths))
    const parts = (await execute(entry)).split(start).slice(1)
    return paths.map((_, i) => {
      const part = parts[i]
      if (part === undefined)
        return { ok: false, output: "it was not started: one before it hung or ended the process" }
      return { ok: !part.includes(failure), output: part.replaceAll(failure, "").trimEnd() }
    })
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** The same for programs that are not in files of their own. */
export const runSources = async (sources: ReadonlyArray<string>): Promise<ReadonlyArray<Ended>> => {
  const directory = folder()
  try {
    const paths = sources.map((_, i) => join(directory, `program-${i}.ts`))
    paths.forEach((path, i) => writeFileSync(path, sources[i] ?? ""))
    return await runPrograms(paths)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
