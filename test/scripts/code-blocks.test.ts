import { describe, expect, it } from "@effect/vitest"
import { exampleBlocks, expectedOutput, markdownBlocks } from "../../scripts/code-blocks.js"

describe("code blocks", () => {
  it("takes the ```ts blocks of a page, and no others", () => {
    const text =
      "# A\n\n```ts\nconst a = 1\n```\n\n```typescript\nfragment\n```\n\n```sh\nls\n```\n\n```ts\nconst b = 2\n```\n"
    expect(markdownBlocks({ path: "docs/a.md", text })).toEqual([
      { name: "docs-a-md-line-3", path: "docs/a.md", line: 3, code: "const a = 1\n" },
      { name: "docs-a-md-line-15", path: "docs/a.md", line: 15, code: "const b = 2\n" }
    ])
  })

  it("takes the blocks of doc comments, without the margin, however far indented", () => {
    const text = [
      "/**",
      " * One.",
      " *",
      " * @example",
      " * ```ts",
      " * const a = {",
      " *   b: 1",
      " * }",
      " *",
      " * ```",
      " */",
      "export const a = {",
      "  /**",
      "   * ```ts",
      "   * const c = 1",
      "   * ```",
      "   */",
      "  c: 1",
      "}",
      "const text = ````ts",
      "no",
      "```"
    ].join("\n")
    expect(exampleBlocks({ path: "src/A.ts", text }).map(({ code, line }) => ({ code, line }))).toEqual([
      { line: 5, code: "const a = {\n  b: 1\n}\n\n" },
      { line: 14, code: "const c = 1\n" }
    ])
  })

  it("reads the output that a program promises from the comment that ends it", () => {
    expect(expectedOutput("const a = 1\n")).toBeUndefined()
    expect(expectedOutput("// first\nconst a = 1\n")).toBeUndefined()
    expect(expectedOutput("const a = 1 // not this\n")).toBeUndefined()
    expect(expectedOutput("// first\nconst a = 1\n\n// one\n//\n//   two\n")).toBe("one\n\n  two")
  })
})
