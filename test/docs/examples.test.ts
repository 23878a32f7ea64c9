import { beforeAll, describe, expect, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { expectedOutput } from "../../scripts/code-blocks.js"
import { root, trackedPaths } from "../../scripts/source-files.js"
import { type Ended, patienceMillis, runPrograms } from "../support/programs.js"

const examples = trackedPaths(root).filter((path) => /^examples\/[^/]+\.ts$/.test(path))

describe("the numbered examples", () => {
  let ended: ReadonlyArray<Ended> = []

  beforeAll(async () => {
    ended = await runPrograms(examples.map((path) => join(root, path)))
  }, patienceMillis)

  it("are numbered, each number once", () => {
    const numbers = examples.map((path) => /^examples\/(\d\d)-[a-z\d-]+\.ts$/.exec(path)?.[1] ?? path)
    expect([...new Set(numbers)].toSorted()).toEqual(examples.map((_, i) => `${i + 1}`.padStart(2, "0")))
  })

  for (const [i, path] of examples.entries()) {
    it(`${path} prints the output that its last comment shows`, () => {
      const promised = expectedOutput(readFileSync(join(root, path), "utf8"))
      expect(promised, "it ends with its output as a comment").toBeDefined()
      expect(ended[i]).toEqual({ ok: true, output: promised })
    })
  }
})
