import { beforeAll, describe, expect, it } from "@effect/vitest"
import { expectedOutput, markdownBlocks } from "../../scripts/code-blocks.js"
import { root, trackedFiles } from "../../scripts/source-files.js"
import { type Ended, patienceMillis, runSources } from "../support/programs.js"

const blocks = trackedFiles(root)
  .filter((file) => file.path.endsWith(".md"))
  .flatMap(markdownBlocks)

describe("the programs in the pages", () => {
  let ended: ReadonlyArray<Ended> = []

  beforeAll(async () => {
    ended = await runSources(blocks.map((block) => block.code))
  }, patienceMillis)

  it("there is one in the README", () => {
    expect(blocks.filter((block) => block.path === "README.md")).not.toEqual([])
  })

  for (const [i, block] of blocks.entries()) {
    it(`${block.path}:${block.line} runs, and prints what it says`, () => {
      const promised = expectedOutput(block.code)
      expect(ended[i]).toEqual({ ok: true, output: promised ?? ended[i]?.output })
    })
  }
})
