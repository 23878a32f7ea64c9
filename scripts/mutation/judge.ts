/** What the tests make of each mutant. Vitest runs this as a file of tests, which is how what they assert with is there. */
import type * as fc from "fast-check"
import { readFileSync, readdirSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { setImmediate } from "node:timers/promises"
import { inject, it } from "vitest"
import { type Mutant, show } from "./mutants.js"
import { attempt, type Result, suiteOf, type Test } from "./suite.js"

export type Verdict = Result

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
    verdicts?: ReadonlyArray<Verdict>
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

/** What becomes of the tests of these files, which stop at the first that does not pass, and how long each took. */
const outcome = (
  files: ReadonlyArray<string>,
  replaced: ReadonlyMap<string, string>,
  limitMillis: (test: string) => number
): { readonly verdict: Verdict; readonly spans: ReadonlyMap<string, number> } => {
  const suite = suiteOf(replaced, packages)
  const spans = new Map<string, number>()
  for (const file of files) {
    let tests: ReadonlyArray<Test> = []
    const collected = attempt(() => void (tests = suite.collect(join(folder, file))), limitMillis(file))
    if (collected !== "passed") return { verdict: collected, spans }
    for (const { name, run } of tests) {
      const startedMillis = performance.now()
      const verdict = attempt(run, limitMillis(name))
      if (verdict !== "passed") return { verdict, spans }
      spans.set(name, performance.now() - startedMillis)
    }
  }
  return { verdict: "passed", spans }
}

const ownFirst = (file: string): ReadonlyArray<string> =>
  testFiles.toSorted((a, b) => Number(b.startsWith(file)) - Number(a.startsWith(file)))

it("judges", async ({ task }) => {
  // What matters is that a law fails, not the smallest case in which it does. The tests get fast-check by `require`.
  const lawyer: typeof fc = createRequire(import.meta.url)("fast-check")
  lawyer.configureGlobal({ endOnFailure: true })
  const { spans } = outcome(testFiles, new Map(), () => 60_000)
  // A loop without end has taken a second, and ten times as long as the test did without it.
  const limitMillis = (test: string) => 1000 + 10 * (spans.get(test) ?? 0)
  const control = outcome(testFiles, new Map(), limitMillis).verdict
  if (control !== "passed") throw new Error("the tests do not pass before anything was mutated")
  const verdicts: Array<Verdict> = []
  for (const mutant of mutants) {
    const replaced = new Map([[join(sources, mutant.file), mutant.text]])
    const { verdict } = outcome(ownFirst(mutant.file.replace(".ts", "")), replaced, limitMillis)
    if (verbose) console.log(`${verdict === "passed" ? "lives" : verdict}  ${show(mutant)}`)
    verdicts.push(verdict)
    // Vitest takes a worker that never listens for dead.
    await setImmediate()
  }
  task.meta.verdicts = verdicts
})
