import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import ts from "typescript"
import { markdownBlocks } from "./code-blocks.js"
import { requireTool } from "./processes.js"
import { root } from "./source-files.js"

/** Versions that the README tells users to install; the peers that npm finds by itself would be for Effect 4. */
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
const peers = ["effect", "@effect/platform"].map((name) => `${name}@${manifest.devDependencies[name]}`)

const program = (): string => {
  const first = markdownBlocks({ path: "README.md", text: readFileSync(join(root, "README.md"), "utf8") })[0]
  if (first === undefined) throw new Error("README.md holds no ```ts block to try the tarballs with")
  return first.code
}

const compilerOptions = {
  strict: true,
  noEmit: true,
  module: "NodeNext",
  target: "ES2022",
  // The declarations of the packages are checked too: they must compile where nothing of this repository is.
  skipLibCheck: false,
  lib: ["ES2022", "DOM", "DOM.AsyncIterable"],
  types: []
}

/** Installs the tarballs into an empty project and runs the README's first program there, with plain npm and node. */
const tryTarballs = (project: string): string => {
  const folder = join(root, "tarballs")
  const tarballs = existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : []
  if (tarballs.length === 0) throw new Error("there are no tarballs; run npm run pack")
  const code = program()
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "empty-project", private: true, type: "module" }))
  requireTool("npm", ["install", "--no-audit", "--no-fund", ...tarballs, ...peers], project)
  writeFileSync(join(project, "program.ts"), code)
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["program.ts"] }))
  requireTool("tsc", ["-p", "."], project)
  const { outputText } = ts.transpileModule(code, {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, verbatimModuleSyntax: true }
  })
  writeFileSync(join(project, "program.js"), outputText)
  return requireTool("node", ["program.js"], project)
}

const project = mkdtempSync(join(tmpdir(), "effect-resilience-"))
try {
  const output = tryTarballs(project)
  console.log(`the tarballs install into an empty project, and the README's first program runs there:\n${output}`)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
} finally {
  rmSync(project, { recursive: true, force: true })
}
