import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { markdownBlocks } from "./code-blocks.js"
import { runTool } from "./processes.js"
import { root, type SourceFile } from "./source-files.js"

const config = { extends: "../../tsconfig.base.json", compilerOptions: { noEmit: true, incremental: false } }

/** Type-checks the programs in the pages as strictly as the repository itself; test/docs runs them. */
export const pagePrograms = (files: ReadonlyArray<SourceFile>): ReadonlyArray<string> => {
  const blocks = files.filter((file) => file.path.endsWith(".md")).flatMap(markdownBlocks)
  const folder = join(root, ".build", "pages")
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  for (const block of blocks) writeFileSync(join(folder, `${block.name}.ts`), block.code)
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config))
  const result = runTool("tsc", ["-p", folder, "--pretty", "false"])
  return result.ok ? [] : [result.output]
}
