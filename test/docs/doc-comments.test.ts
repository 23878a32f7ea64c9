import { afterAll, describe, expect, it } from "@effect/vitest"
import { exampleBlocks } from "../../scripts/code-blocks.js"
import { root, trackedFiles } from "../../scripts/source-files.js"
import { runPrograms, writePrograms } from "../support/programs.js"

const blocks = trackedFiles(root)
  .filter((file) => /^packages\/[^/]+\/src\/.*\.ts$/.test(file.path))
  .flatMap(exampleBlocks)

const programs = writePrograms(blocks)

afterAll(programs.remove)

describe("the examples in doc comments", () => {
  it("there are some", () => {
    expect(blocks).not.toEqual([])
  })

  it("all run to their end without an error", async () => {
    const ended = await runPrograms(programs.directory, blocks.map(programs.pathOf))
    expect(ended.code, ended.output).toBe(0)
  })
})
