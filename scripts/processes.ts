import { spawnSync } from "node:child_process"
import { delimiter, join } from "node:path"
import { root } from "./source-files.js"

export interface Finished {
  readonly ok: boolean
  readonly output: string
}

const bin = join(root, "node_modules", ".bin")

/** The environment of the tools: the pinned ones come first, and nothing of them is coloured. */
const toolEnvironment = (): NodeJS.ProcessEnv => ({
  ...process.env,
  NO_COLOR: "1",
  FORCE_COLOR: undefined,
  PATH: `${bin}${delimiter}${process.env["PATH"] ?? ""}`
})

/** Runs a tool of the workspace to its end. Both of its streams come back as one text. */
export const runTool = (tool: string, args: ReadonlyArray<string>, cwd: string = root): Finished => {
  const result = spawnSync(tool, args, { cwd, encoding: "utf8", env: toolEnvironment(), maxBuffer: 64 * 1024 * 1024 })
  const output = [result.stdout, result.stderr, result.error?.message]
    .map((text) => text?.trim() ?? "")
    .filter((text) => text !== "")
    .join("\n")
  return { ok: result.status === 0, output }
}

/** The same for a tool without which nothing can go on. */
export const requireTool = (tool: string, args: ReadonlyArray<string>, cwd: string = root): string => {
  const result = runTool(tool, args, cwd)
  if (!result.ok) throw new Error(`${[tool, ...args].join(" ")} failed in ${cwd}\n${result.output}`)
  return result.output
}
