import { join } from "node:path"
import { diagnostics } from "./diagnostics.js"
import { docExamples } from "./doc-examples.js"
import { importRules } from "./import-rules.js"
import { libraryRules } from "./library-rules.js"
import { lineBudget } from "./line-budget.js"
import { pagePrograms } from "./page-programs.js"
import { runTool } from "./processes.js"
import { type Problem, root, showProblem, type SourceFile, trackedFiles, trackedPaths } from "./source-files.js"
import { standsAlone } from "./stands-alone.js"
import { packageNames } from "./workspace.js"

export interface Check {
  readonly name: string
  readonly about: string
  /** Everything that is wrong; nothing when the check passes. */
  readonly run: () => ReadonlyArray<string>
}

const tool = (name: string, about: string, command: string, ...args: ReadonlyArray<string>): Check => ({
  name,
  about,
  run: () => {
    const result = runTool(command, args)
    return result.ok ? [] : [result.output === "" ? `${command} failed without a word` : result.output]
  }
})

const rule = (
  name: string,
  about: string,
  find: (files: ReadonlyArray<SourceFile>) => ReadonlyArray<Problem>
): Check => ({
  name,
  about,
  run: () => find(trackedFiles(root)).map(showProblem)
})

/** Everything that `npm run check` runs, in the order in which it does. */
export const checks: ReadonlyArray<Check> = [
  tool("types", "everything type-checks, also tests, examples and scripts", "tsc", "-b", "--pretty", "false"),
  tool("lint", "oxlint", "oxlint", "--deny-warnings"),
  tool("format", "oxfmt; `npm run format` repairs it", "oxfmt", "--check", "."),
  { name: "diagnostics", about: "no floating effects, no missing yield*", run: diagnostics },
  tool("exports", "nothing is exported, depended on, or left over for nobody", "knip"),
  {
    name: "examples",
    about: "doc comments type-check and run",
    run: () => packageNames.flatMap((name) => docExamples(name, join(root, "packages", name, "src")))
  },
  {
    name: "pages",
    about: "the programs in README and other pages type-check",
    run: () => pagePrograms(trackedFiles(root))
  },
  rule("lines", "a file has at most 300 lines, a test 400, a numbered example 60", lineBudget),
  rule(
    "imports",
    "machines <- core <- { http, chaos, observability }, files import files, public entry points",
    importRules
  ),
  rule("library", "no clock, chance, or hole in the types from outside Effect", libraryRules),
  rule("alone", "nothing refers outside the tree, no link is dead", (files) => standsAlone(files, trackedPaths(root)))
]
