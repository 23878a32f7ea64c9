import { beforeAll, describe, expect, it } from "@effect/vitest"
import { exampleBlocks, expectedOutput } from "../../scripts/code-blocks.js"
import { root, trackedFiles } from "../../scripts/source-files.js"
import { type Ended, patienceMillis, runSources } from "../support/programs.js"

const blocks = trackedFiles(root)
  .filter((file) => /^packages\/[^/]+\/src\/.*\.ts$/.test(file.path))
  .flatMap(exampleBlocks)

describe("the examples in doc comments", () => {
  let ended: ReadonlyArray<Ended> = []

  beforeAll(async () => {
    ended = await runSources(blocks.map((block) => block.code))
  }, patienceMillis)

  it("there are some", () => {
    expect(blocks).not.toEqual([])
  })

  for (const [i, block] of blocks.entries()) {
    it(`${block.path}:${block.line} runs, and prints what it says`, () => {
      const promised = expectedOutput(block.code)
      expect(ended[i]).toEqual({ ok: true, output: promised ?? ended[i]?.output })
    })
  }
})
