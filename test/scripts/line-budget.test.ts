import { describe, expect, it } from "@effect/vitest"
import { countLines, lineBudget } from "../../scripts/line-budget.js"

const file = (path: string, lines: number) => ({ path, text: "x\n".repeat(lines) })

const found = (path: string, lines: number) => lineBudget([file(path, lines)]).map((problem) => problem.message)

describe("line budget", () => {
  it("counts a last line with and without its end", () => {
    expect([countLines(""), countLines("a"), countLines("a\n"), countLines("a\nb"), countLines("a\n\n")]).toEqual([
      0, 1, 1, 2, 2
    ])
  })

  it.each([
    ["packages/core/src/Policy.ts", 300],
    ["examples/order-service/src/Orders.ts", 300],
    ["scripts/check.ts", 300],
    ["bench/main.ts", 300],
    ["test/core/Policy.test.ts", 400],
    ["examples/01-first.ts", 60]
  ])("lets %s have %i lines and not one more", (path, lines) => {
    expect(found(path, lines)).toEqual([])
    expect(found(path, lines + 1)).toEqual([`has ${lines + 1} lines, its budget is ${lines}`])
  })

  it("leaves pages and data alone", () => {
    expect(found("packages/core/README.md", 900)).toEqual([])
    expect(found("pnpm-lock.yaml", 9000)).toEqual([])
  })
})
