import { execFile } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { CodeBlock } from "../../scripts/code-blocks.js"
import { root } from "../../scripts/source-files.js"

export interface Ended {
  readonly code: number
  readonly output: string
}

/** A program that has not ended by then hangs. */
const limitMillis = 50_000

const execute = (args: ReadonlyArray<string>): Promise<Ended> =>
  new Promise((resolve) => {
    const options = { cwd: root, timeout: limitMillis, env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: undefined } }
    execFile(process.execPath, args, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1
      resolve({ code, output: `${stdout}${stderr}`.trimEnd() })
    })
  })

/** Runs a TypeScript program the way a user does. */
export const runProgram = (path: string): Promise<Ended> => execute(["--import", "tsx", path])

/** Writes the programs where they resolve the packages, and hands over their paths; `remove` cleans up. */
export const writePrograms = (blocks: ReadonlyArray<CodeBlock>) => {
  const parent = join(root, ".build")
  mkdirSync(parent, { recursive: true })
  const directory = mkdtempSync(join(parent, "programs-"))
  const paths = new Map(blocks.map((block) => [block.name, join(directory, `${block.name}.ts`)]))
  for (const block of blocks) writeFileSync(join(directory, `${block.name}.ts`), block.code)
  return {
    pathOf: (block: CodeBlock): string => paths.get(block.name) ?? directory,
    directory,
    remove: (): void => rmSync(directory, { recursive: true, force: true })
  }
}

const oneAfterTheOther = (paths: ReadonlyArray<string>): string => `
let current = ""
const failed = (error: unknown): void => {
  console.error("failed:", current, error)
  process.exitCode = 1
}
process.on("unhandledRejection", failed)
for (const path of ${JSON.stringify(paths)}) {
  current = path
  await import(path).catch(failed)
}
`

/** Runs many small programs in one process, which spares loading Effect for each; the output names what failed. */
export const runPrograms = (directory: string, paths: ReadonlyArray<string>): Promise<Ended> => {
  const entry = join(directory, "one-after-the-other.mts")
  writeFileSync(entry, oneAfterTheOther(paths))
  return runProgram(entry)
}
