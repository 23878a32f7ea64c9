/** `npm test` alone must notice a type that went wrong, and only the compiler can see one. */
import { describe, expect, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { basename, join } from "node:path"
import { root } from "../../scripts/source-files.js"
import { typeCheck, writePrograms } from "../support/programs.js"

const folder = join(root, "test", "types")

describe("the tests of types", () => {
  it("compile, every error that they expect included", async () => {
    const names = readdirSync(folder).filter((name) => name !== basename(import.meta.filename))
    const files = names.map((name) => ({ name, code: readFileSync(join(folder, name), "utf8") }))
    const copies = writePrograms(files)
    try {
      expect(await typeCheck(copies.directory)).toEqual({ code: 0, output: "" })
    } finally {
      copies.remove()
    }
  })
})
