/** What the tests make of each mutant. Vitest runs this as a file of tests, which is how what they assert with is there. */
import type * as fc from "fast-check"
import { readFileSync, readdirSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { setImmediate } from "node:timers/promises"
import { inject, it } from "vitest"
import { type Mutant, show } from "./mutants.js"
import { attempt, collect, type Result, type Test, workedMillis } from "./suite.js"

export interface Task {
  readonly root: string
  readonly mutants: ReadonlyArray<Mutant>
  /** Whether each verdict is shown as soon as it is known. */
  readonly verbose: boolean
}

declare module "vitest" {
  interface ProvidedContext {
    readonly task: Task
  }
  interface TaskMeta {
    verdicts?: ReadonlyArray<Result>
  }
}

const { mutants, root, verbose } = inject("task")
const sources = join(root, "packages/machines/src")
const folder = join(root, "test/machines")
const machines = "@effect-resilience/machines"
const packages = { [machines]: join(sources, "index.ts") }

/** The tests that a mutant can break: those that run a machine. */
const testFiles = readdirSync(folder).filter(
  (file) => file.endsWith(".test.ts") && readFileSync(join(folder, file), "utf8").includes(`"${machines}"`)
)

/** A machine's own tests, and the others. */
const testFilesFor = (machine: string): ReadonlyArray<ReadonlyArray<string>> => {
  const isOwn = (file: string): boolean => file.startsWith(machine.replace(".ts", ""))
  return [testFiles.filter(isOwn), testFiles.filter((file) => !isOwn(file))]
}

/** How long each test works without a mutant, in milliseconds. */
type Spans = ReadonlyMap<string, number>

/** A loop without end works longer than this. */
const limitMillis = (usual: number | undefined): number => (usual === undefined ? 60_000 : 2000 + 10 * usual)

/** What becomes of the tests until one does not pass, of each group the quick ones first; and how long they worked. */
const outcome = (
  groups: ReadonlyArray<ReadonlyArray<string>>,
  replaced: ReadonlyMap<string, string>,
  known: Spans
): { readonly verdict: Result; readonly spans: Spans } => {
  const spans = new Map<string, number>()
  const usual = (test: Test): number => known.get(test.name) ?? 0
  for (const files of groups) {
    let tests: ReadonlyArray<Test> = []
    const paths = files.map((file) => join(folder, file))
    const collected = attempt(() => {
      tests = collect(paths, replaced, packages)
    }, limitMillis(undefined))
    if (collected !== "passed") return { verdict: collected, spans }
    for (const test of tests.toSorted((a, b) => usual(a) - usual(b))) {
      const startedMillis = workedMillis()
      const verdict = attempt(test.run, limitMillis(known.get(test.name)))
      if (verdict !== "passed") return { verdict, spans }
      spans.set(test.name, workedMillis() - startedMillis)
    }
  }
  return { verdict: "passed", spans }
}

it("judges", async ({ task }) => {
  // What matters is that a law fails, not the smallest case in which it does. The tests get fast-check by `require`.
  const lawyer: typeof fc = createRequire(import.meta.url)("fast-check")
  lawyer.configureGlobal({ endOnFailure: true })
  const { spans } = outcome([testFiles], new Map(), new Map())
  if (outcome([testFiles], new Map(), spans).verdict !== "passed") throw new Error("the tests fail without a mutant")
  const verdicts: Array<Result> = []
  for (const mutant of mutants) {
    const replaced = new Map([[join(sources, mutant.file), mutant.text]])
    const { verdict } = outcome(testFilesFor(mutant.file), replaced, spans)
    if (verbose) console.log(`${verdict === "passed" ? "lives" : verdict}  ${show(mutant)}`)
    verdicts.push(verdict)
    // Vitest takes a worker that never listens for dead.
    await setImmediate()
  }
  task.meta.verdicts = verdicts
})
