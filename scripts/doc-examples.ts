import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, sep } from "node:path"
import { runTool } from "./processes.js"
import { publicModules, withoutHandedOn } from "./public-modules.js"
import { root } from "./source-files.js"

const compilerOptions = {
  noEmit: true,
  strict: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: true,
  module: "ESNext",
  moduleResolution: "Bundler",
  moduleDetection: "force",
  target: "ES2022",
  lib: ["ES2023"],
  types: ["node"]
}

/** The sources of a package by their path in it. */
const sources = (directory: string): ReadonlyMap<string, string> =>
  new Map(
    readdirSync(directory, { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".ts"))
      .map((path) => [path.replaceAll(sep, "/"), readFileSync(join(directory, path), "utf8")])
  )

/**
 * Runs docgen over one package: every public module and export has a description, every `@example` type-checks and runs.
 *
 * It works on a copy, for three reasons. It insists on a `homepage` in package.json, and the packages have none. It
 * rewrites imports of the package that it documents to that package's source: under another name the examples go
 * through the public entry point, like those of a user. And it wants a second description for everything that a file
 * hands on with `export ... from`, which is described where it is declared.
 */
export const docExamples = (name: string, source: string): ReadonlyArray<string> => {
  const workplace = join(root, ".build", "docgen", name)
  rmSync(workplace, { recursive: true, force: true })
  mkdirSync(workplace, { recursive: true })
  const files = sources(source)
  const shown = publicModules(files)
  for (const [path, text] of files) {
    const copy = join(workplace, "src", path)
    mkdirSync(dirname(copy), { recursive: true })
    writeFileSync(copy, withoutHandedOn(path, text))
  }
  writeFileSync(
    join(workplace, "package.json"),
    JSON.stringify({ name: `${name}-under-docgen`, type: "module", homepage: "" })
  )
  writeFileSync(
    join(workplace, "docgen.json"),
    JSON.stringify({
      exclude: [...files.keys()].filter((path) => !shown.has(path)).map((path) => `src/${path}`),
      outDir: ".docs",
      enforceVersion: false,
      enforceDescriptions: true,
      parseCompilerOptions: compilerOptions,
      examplesCompilerOptions: compilerOptions
    })
  )
  const result = runTool("docgen", ["--run-examples", "--no-enforce-version", "--enforce-descriptions"], workplace)
  return result.ok ? [] : [`${source}\n${result.output}`]
}
