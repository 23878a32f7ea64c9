/** `npm test` alone must notice a type that went wrong, and only the compiler can see one. */
import { describe, expect, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { readdirSync } from "node:fs"
import { basename, join } from "node:path"
import { promisify } from "node:util"
import { root } from "../../scripts/source-files.js"

const folder = join(root, "test", "types")

/** Prints what the compiler says of these files alone, with the options of all tests. */
const compile = `
import ts from "typescript"
const [config, ...files] = process.argv.slice(1)
const { options } = ts.getParsedCommandLineOfConfigFile(config, { incremental: false, tsBuildInfoFile: undefined }, ts.sys)
const program = ts.createProgram(files, options)
const found = files.flatMap((file) => program.getSemanticDiagnostics(program.getSourceFile(file)))
console.log(found.map((one) => one.file.fileName + ": " + ts.flattenDiagnosticMessageText(one.messageText, " ")).join("\\n"))
`

describe("the tests of types", () => {
  it("compile, every error that they expect included", async () => {
    const others = readdirSync(folder).filter((name) => name !== basename(import.meta.filename))
    const files = others.map((name) => join(folder, name))
    const args = ["--input-type=module", "--eval", compile, join(root, "test", "tsconfig.json"), ...files]
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root })
    expect(stdout.trim()).toBe("")
  })
})
