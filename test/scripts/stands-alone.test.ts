import { describe, expect, it } from "@effect/vitest"
import { standsAlone } from "../../scripts/stands-alone.js"

const messages = (path: string, text: string, others: ReadonlyArray<string> = []) =>
  standsAlone([{ path, text }], [path, ...others]).map((problem) => problem.message)

/** Put together here, so that this file itself names nothing outside the tree. */
const spell = (...parts: ReadonlyArray<string>): string => parts.join("")

describe("stands alone", () => {
  it.each([
    ["README.md", spell("as ..", "/shared/design says"), "refers outside the tree"],
    ["scripts/a.ts", spell(`const path = "`, `/wo`, `rk/main"`), "an absolute path of one machine"],
    ["a.json", spell(`{ "path": "`, `/ho`, `me/somebody/x" }`), "an absolute path of one machine"],
    ["a.sh", spell("cd ", "/ro", "ot/x"), "an absolute path of one machine"],
    ["a.yaml", spell("from: https://", "registry", ".npmjs", ".org/effect"), "names a registry's host"],
    [
      "pnpm-lock.yaml",
      spell("resolution: { tarball: https:", "//example.com/a.tgz }"),
      "the lockfile holds no addresses"
    ],
    ["packages/core/src/A.ts", spell("// TO", "DO later"), "open ends belong into an issue"],
    ["test/a.test.ts", spell("// FIX", "ME"), "open ends belong into an issue"]
  ])("%s: %s", (path, text, message) => {
    expect(messages(path, text)).toEqual([expect.stringContaining(message)])
  })

  it.each([
    ["README.md", "see https://example.com/home/index.html and /orders/:id"],
    ["a.ts", `const pages = ["/products/p1", "./work/x.js", "../home/x.js"]`],
    ["pnpm-lock.yaml", "resolution: {integrity: sha512-abc}"]
  ])("%s may say: %s", (path, text) => {
    expect(messages(path, text)).toEqual([])
  })

  it("finds a link that leads nowhere, from where the page stands", () => {
    expect(messages("docs/a.md", "[b](./b.md) [c](../c.md#part) [x](https://example.com) [y](#here)")).toHaveLength(2)
    expect(messages("docs/a.md", "[b](./b.md) [c](../c.md#part)", ["docs/b.md", "c.md"])).toEqual([])
    expect(messages("README.md", `<img src="docs/outage.svg" alt="">`)).toHaveLength(1)
    expect(messages("README.md", "[packages](packages) [core](packages/core/)", ["packages/core/a.ts"])).toEqual([])
  })

  it("takes code in a page for code, and still counts its lines", () => {
    const text = "```ts\nconst x = list[0](1)\n```\n\n[gone](gone.md)\n"
    expect(standsAlone([{ path: "README.md", text }], ["README.md"])).toMatchObject([{ line: 5 }])
  })
})
