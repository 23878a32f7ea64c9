import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join, relative } from "node:path"
import ts from "typescript"
import { runTool } from "./processes.js"
import { root } from "./source-files.js"

/** The projects that the root's tsconfig.json refers to. */
const projects = (rootConfig: string): ReadonlyArray<string> => {
  const { config } = ts.parseConfigFileTextToJson("tsconfig.json", rootConfig)
  const references: ReadonlyArray<{ readonly path: string }> = config.references
  return references.map((reference) => reference.path)
}

/**
 * Runs the diagnostics of the Effect language service over one project.
 *
 * A project's own tsconfig.json would bring in those that it refers to. Then every package is checked again with each
 * of its users, and the tool, which keeps one language service at a time, can crash when it goes from one project to the
 * next. A configuration that extends the project's has the same files and no references.
 */
const diagnose = (project: string, folder: string): ReadonlyArray<string> => {
  const config = join(folder, `${project.replaceAll("/", "-")}.json`)
  writeFileSync(config, JSON.stringify({ extends: relative(folder, join(root, project, "tsconfig.json")) }))
  const options = ["--project", config, "--strict", "--severity", "error,warning", "--format", "text"]
  const result = runTool("effect-language-service", ["diagnostics", ...options])
  return result.ok ? [] : [`${project}\n${result.output}`]
}

/** What the language service has to say of every project: floating effects, a forgotten `yield*`, and the like. */
export const diagnostics = (): ReadonlyArray<string> => {
  const folder = join(root, ".build", "diagnostics")
  mkdirSync(folder, { recursive: true })
  return projects(readFileSync(join(root, "tsconfig.json"), "utf8")).flatMap((project) => diagnose(project, folder))
}
