/**
 * Runs tests on replaced sources many times a second: modules are compiled here and run as functions, so nothing has to
 * be started again for the next mutant. `describe` and `it` only collect; what the tests assert with is real.
 */
import { existsSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import vm from "node:vm"
import ts from "typescript"
import { expect } from "vitest"

/** What became of a test: it ended well, it failed, or it did not end in time. */
export type Result = "passed" | "failed" | "endless"

export interface Test {
  readonly name: string
  readonly run: () => unknown
}

const compilerOptions: ts.CompilerOptions = {
  module: ts.ModuleKind.CommonJS,
  target: ts.ScriptTarget.ES2022,
  esModuleInterop: true
}

const compile = (text: string): string => ts.transpileModule(text, { compilerOptions }).outputText

const compiled = new Map<string, string>()

/** Every file as it was when it was first read: somebody may be editing it. */
const compiledFile = (path: string): string => {
  const code = compiled.get(path) ?? compile(readFileSync(path, "utf8"))
  compiled.set(path, code)
  return code
}

/** Only what the tests of machines use; anything else is not there, and the first run without a mutant fails. */
const collector = (tests: Array<Test>) => {
  let path: ReadonlyArray<string> = []
  const describe = (name: string, body: () => void) => {
    const outer = path
    path = [...path, name]
    body()
    path = outer
  }
  const each =
    (rows: ReadonlyArray<ReadonlyArray<unknown>>) =>
    (name: string, body: (...row: ReadonlyArray<unknown>) => void): void =>
      rows.forEach((row) => describe(`${name} ${String(row[0])}`, () => body(...row)))
  const it = (name: string, run: () => unknown) => tests.push({ name: [...path, name].join(" > "), run })
  return { describe: Object.assign(describe, { each }), it, expect }
}

/**
 * The tests of these files, collected anew, with some sources replaced; `packages` says where a package of the project
 * begins.
 */
export const collect = (
  files: ReadonlyArray<string>,
  replaced: ReadonlyMap<string, string>,
  packages: Readonly<Record<string, string>>
): ReadonlyArray<Test> => {
  const modules = new Map<string, object>()
  const tests: Array<Test> = []
  const load = (path: string): object => {
    const known = modules.get(path)
    if (known !== undefined) return known
    const exports = {}
    modules.set(path, exports)
    const external = createRequire(path)
    const replacement = replaced.get(path)
    const code = replacement === undefined ? compiledFile(path) : compile(replacement)
    vm.compileFunction(code, ["require", "exports"], { filename: path })((specifier: string): unknown => {
      const source = packages[specifier] ?? join(dirname(path), specifier.replace(/\.js$/, ".ts"))
      if (specifier === "vitest") return collector(tests)
      return existsSync(source) ? load(source) : external(specifier)
    }, exports)
    return exports
  }
  files.forEach(load)
  return tests
}

/** Not by its class, which is that of another realm. */
const isTimeout = (error: unknown): boolean =>
  typeof error === "object" && error !== null && "code" in error && error.code === "ERR_SCRIPT_EXECUTION_TIMEOUT"

const once = (body: () => unknown, limitMillis: number): Result => {
  let result: Result = "endless"
  const run = () => {
    try {
      result = body() instanceof Promise ? "failed" : "passed"
    } catch {
      result = "failed"
    }
  }
  try {
    vm.runInNewContext("run()", { run }, { timeout: Math.ceil(limitMillis) })
  } catch (error) {
    if (!isTimeout(error)) throw error
  }
  return result
}

/** The time that this process has had for itself: on a busy machine the clock on the wall says little. */
export const workedMillis = (): number => {
  const { system, user } = process.cpuUsage()
  return (system + user) / 1000
}

/** How it ends; also a loop without end does, when it has worked for so long. */
export const attempt = (body: () => unknown, limitMillis: number): Result => {
  for (let wallMillis = 1.5 * limitMillis; ; wallMillis *= 2) {
    const startedMillis = workedMillis()
    const result = once(body, wallMillis)
    if (result !== "endless" || workedMillis() - startedMillis >= limitMillis) return result
  }
}
