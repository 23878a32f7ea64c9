import { describe, expect, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { root } from "../../scripts/source-files.js"
import { showTotals, succeeded, type TestFile, totals } from "../../scripts/test-totals.js"

const file = (...results: TestFile["results"]): TestFile => ({ broken: false, results })

/** Runs vitest with the repository's configuration over planted test files: its exit code and its last line. */
const run = (tests: Readonly<Record<string, string>>) => {
  mkdirSync(join(root, ".build"), { recursive: true })
  const directory = mkdtempSync(join(root, ".build", "totals-"))
  mkdirSync(join(directory, "test"))
  for (const [name, text] of Object.entries(tests)) writeFileSync(join(directory, "test", name), text)
  const vitest = join(root, "node_modules", "vitest", "vitest.mjs")
  const args = [vitest, "run", "--root", directory, "--config", join(root, "vitest.config.ts")]
  return new Promise<{ readonly code: number; readonly lastLine: string | undefined }>((resolve) => {
    execFile(process.execPath, args, { env: { ...process.env, NO_COLOR: "1" } }, (error, stdout) => {
      rmSync(directory, { recursive: true, force: true })
      resolve({ code: error === null ? 0 : Number(error.code), lastLine: stdout.trimEnd().split("\n").at(-1) })
    })
  })
}

describe("test totals", () => {
  it("counts tests, broken files, and errors outside tests", () => {
    expect(totals([file("passed", "failed", "skipped"), file("passed")], 0)).toEqual({
      passed: 2,
      failed: 1,
      skipped: 1
    })
    expect(totals([{ broken: true, results: [] }, file("passed")], 0)).toEqual({ passed: 1, failed: 1, skipped: 0 })
    expect(totals([file("passed")], 2)).toEqual({ passed: 1, failed: 2, skipped: 0 })
    expect(totals([file("pending")], 0)).toEqual({ passed: 0, failed: 1, skipped: 0 })
  })

  it("mentions skipped tests only when there are any", () => {
    expect(showTotals({ passed: 3, failed: 0, skipped: 0 })).toBe("3 passed, 0 failed")
    expect(showTotals({ passed: 3, failed: 1, skipped: 2 })).toBe("3 passed, 1 failed, 2 skipped")
  })

  it("does not take a run without a test for a success", () => {
    expect(succeeded({ passed: 0, failed: 0, skipped: 4 })).toBe(false)
    expect(succeeded({ passed: 1, failed: 0, skipped: 0 })).toBe(true)
    expect(succeeded({ passed: 1, failed: 1, skipped: 0 })).toBe(false)
  })

  const passing = `import { expect, it } from "vitest"\nit("one", () => expect(1).toBe(1))\nit("two", () => {})\n`

  it("closes a real run with them, and fails it when a file does not load", async () => {
    const broken = `import "./not-there.js"\n${passing}`
    expect(await run({ "a.test.ts": passing, "b.test.ts": broken })).toEqual({
      code: 1,
      lastLine: "2 passed, 1 failed"
    })
  })

  it("fails a real run in which every test is skipped", async () => {
    const skipped = `import { it } from "vitest"\nit.skip("one", () => {})\n`
    expect(await run({ "a.test.ts": skipped })).toEqual({ code: 1, lastLine: "0 passed, 0 failed, 1 skipped" })
  })
})
