import { describe, expect, it } from "@effect/vitest"
import { importRules } from "../../scripts/import-rules.js"

const messages = (path: string, text: string) => importRules([{ path, text }]).map((problem) => problem.message)

describe("import rules", () => {
  it.each([
    ["packages/machines/src/Window.ts", `import { x } from "effect"`, "machines may not import effect"],
    ["packages/machines/src/Window.ts", `import { x } from "node:fs"`, "machines may not import node:fs"],
    [
      "packages/machines/src/Window.ts",
      `export { x } from "@effect-resilience/core"`,
      "machines may not import @effect-resilience/core"
    ],
    [
      "packages/core/src/Retry.ts",
      `import { x } from "@effect-resilience/http"`,
      "core may not import @effect-resilience/http"
    ],
    [
      "packages/core/src/Retry.ts",
      `import { x } from "@effect-resilience/core"`,
      "core may not import @effect-resilience/core"
    ],
    ["packages/core/src/Retry.ts", `import { x } from "@effect/platform"`, "core may not import @effect/platform"],
    ["packages/core/src/Retry.ts", `const x = await import("undici")`, "core may not import undici"],
    ["packages/new/src/Thing.ts", `import { x } from "effect"`, "package new has no place in the order of packages yet"]
  ])("%s: %s points the wrong way", (path, text, message) => {
    expect(messages(path, text)).toEqual([message])
  })

  it.each([
    ["packages/core/src/Retry.ts", `import { x } from "effect"\nimport type { y } from "effect/Duration"`],
    ["packages/core/src/Retry.ts", `import { x } from "@effect-resilience/machines"`],
    [
      "packages/http/src/RetryAfter.ts",
      `import { x } from "@effect/platform"\nimport { y } from "@effect-resilience/core"`
    ],
    ["packages/core/src/Retry.ts", `// import { x } from "undici"\nimport { y } from "./Backoff.js"`],
    ["examples/01-first.ts", `import { x } from "@effect-resilience/core"\nimport { y } from "node:http"`],
    ["examples/order-service/src/start.ts", `import { x } from "../dependencies/payment.js"`],
    ["test/core/Retry.test.ts", `import { x } from "../../examples/order-service/src/Orders.js"`]
  ])("%s may say %s", (path, text) => {
    expect(messages(path, text)).toEqual([])
  })

  it("a file does not import its own package's index, by either spelling", () => {
    expect(messages("packages/core/src/Retry.ts", `import { x } from "./index.js"`)).toHaveLength(1)
    expect(messages("packages/core/src/inner/Retry.ts", `import { x } from "../index.js"`)).toHaveLength(1)
  })

  it("a relative import stays in its package or example, and has its .js", () => {
    expect(messages("packages/core/src/Retry.ts", `import { x } from "../../machines/src/Window.js"`)).toHaveLength(1)
    expect(messages("examples/01-first.ts", `import { x } from "../packages/core/src/Retry.js"`)).toHaveLength(1)
    expect(messages("examples/order-service/src/start.ts", `import { x } from "../../01-first.js"`)).toHaveLength(1)
    expect(messages("packages/core/src/Retry.ts", `import { x } from "./Backoff"`)).toHaveLength(1)
  })

  it("only the public entry point of a package is for others", () => {
    expect(messages("examples/01-first.ts", `import { x } from "@effect-resilience/core/src/Retry.js"`)).toEqual([
      "imports @effect-resilience/core/src/Retry.js, which is not a public entry point"
    ])
  })

  it("an index holds namespaces and nothing else", () => {
    const index = "packages/core/src/index.ts"
    expect(messages(index, `export * as Retry from "./Retry.js"\nexport * as Backoff from "./Backoff.js"\n`)).toEqual(
      []
    )
    for (const text of [
      `export * from "./Retry.js"`,
      `export { retry } from "./Retry.js"`,
      `export * as Other from "./Retry.js"`,
      `export const retry = 1`
    ]) {
      expect(messages(index, text)).toEqual([`an index holds only: export * as Name from "./Name.js"`])
    }
  })

  it("says in which line", () => {
    const text = `import { y } from "./Backoff.js"\n\nimport { x } from "undici"\n`
    expect(importRules([{ path: "packages/core/src/Retry.ts", text }])).toMatchObject([{ line: 3 }])
  })
})
