import { describe, expect, it } from "@effect/vitest"
import { libraryRules } from "../../scripts/library-rules.js"

const messages = (text: string, path = "packages/core/src/Retry.ts") =>
  libraryRules([{ path, text }]).map((problem) => problem.message)

describe("library rules", () => {
  it.each([
    "const now = Date.now()",
    "const now = Date\n  .now()",
    "const read = Date.now",
    "const now = new Date()",
    "const chance = Math.random()",
    "const now = performance.now()",
    "setTimeout(() => {}, 10)",
    "const timer = setInterval(() => {}, 10)",
    "setImmediate(() => {})",
    "const x: any = 1",
    "const f = (x: Array<any>) => x",
    "const x = 1 as unknown as string",
    "const x = map.get(1)!",
    "// @ts-ignore\nconst x = 1",
    "// @ts-expect-error\nconst x = 1",
    "const x = Effect.runSync(effect)",
    "class X extends Effect.Service<X>()('x', {}) {}"
  ])("a package may not say: %s", (text) => {
    expect(messages(text)).toHaveLength(1)
  })

  it.each([
    "const when = new Date(0)",
    "// Date.now() is not for libraries, and any is not a type",
    'const text = "Math.random()"',
    "const kinds = ['a', 'b'] as const",
    "const setTimeout = 1",
    "const x: unknown = 1",
    "const differs = a !== b"
  ])("a package may say: %s", (text) => {
    expect(messages(text)).toEqual([])
  })

  it("examples, tests and scripts may", () => {
    expect(messages("const now = Date.now()", "examples/order-service/demo/load.ts")).toEqual([])
    expect(messages("const now = Date.now()", "test/core/Retry.test.ts")).toEqual([])
  })

  it("says in which line", () => {
    const text = "/** Why. */\nconst one = 1\nconst now = Date.now()\n"
    expect(libraryRules([{ path: "packages/core/src/Retry.ts", text }])).toMatchObject([{ line: 3 }])
  })

  it("one file may arm a timer beside Clock", () => {
    expect(messages("setTimeout(() => {}, 10)", "packages/core/src/LiveTimers.ts")).toEqual([])
    expect(messages("const now = Date.now()", "packages/core/src/LiveTimers.ts")).toHaveLength(1)
  })
})
