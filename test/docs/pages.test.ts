import { afterAll, describe, expect, it } from "@effect/vitest"
import { expectedOutput, markdownBlocks } from "../../scripts/code-blocks.js"
import { root, trackedFiles } from "../../scripts/source-files.js"
import { runProgram, writePrograms } from "../support/programs.js"

const blocks = trackedFiles(root)
  .filter((file) => file.path.endsWith(".md"))
  .flatMap(markdownBlocks)

const programs = writePrograms(blocks)

afterAll(programs.remove)

describe("the programs in the pages", () => {
  it("there is one in the README", () => {
    expect(blocks.filter((block) => block.path === "README.md")).not.toEqual([])
  })

  for (const block of blocks) {
    it(`${block.path}:${block.line} runs, and prints what it says`, async () => {
      const ended = await runProgram(programs.pathOf(block))
      expect(ended.code, ended.output).toBe(0)
      expect(ended.output).toBe(expectedOutput(block.code) ?? ended.output)
    })
  }
})
