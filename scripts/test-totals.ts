import type { Reporter, TestModule } from "vitest/node"

/** What the totals need to know of a test file. */
export interface TestFile {
  /** The file itself broke: it did not load, held no test, or a hook of it threw. */
  readonly broken: boolean
  readonly results: ReadonlyArray<"passed" | "failed" | "skipped" | "pending">
}

export interface Totals {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

/**
 * A broken file counts as one failure, and so does an error outside every test. A test that was started and never
 * ended counts as a failure too.
 */
export const totals = (files: ReadonlyArray<TestFile>, errorsOutsideTests: number): Totals => {
  const results = files.flatMap((file) => file.results)
  const count = (...wanted: ReadonlyArray<TestFile["results"][number]>): number =>
    results.filter((result) => wanted.includes(result)).length
  return {
    passed: count("passed"),
    failed: count("failed", "pending") + files.filter((file) => file.broken).length + errorsOutsideTests,
    skipped: count("skipped")
  }
}

/** The line that closes a run. */
export const showTotals = (found: Totals): string =>
  `${found.passed} passed, ${found.failed} failed${found.skipped === 0 ? "" : `, ${found.skipped} skipped`}`

/** A run without any test shows nothing, so it did not succeed. */
export const succeeded = (found: Totals): boolean => found.failed === 0 && found.passed > 0

const testFile = (module: TestModule): TestFile => ({
  broken: module.errors().length > 0 || [...module.children.allSuites()].some((suite) => suite.errors().length > 0),
  results: [...module.children.allTests()].map((test) => test.result().state)
})

/** Prints `N passed, N failed` alone on a line after everything else, and fails a run in which no test passed. */
export default class TestTotals implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>, errors: ReadonlyArray<unknown>): void {
    const found = totals(modules.map(testFile), errors.length)
    if (!succeeded(found)) process.exitCode = 1
    // The default reporter writes its summary after this hook.
    process.once("exit", () => process.stdout.write(`\n${showTotals(found)}\n`))
  }
}
