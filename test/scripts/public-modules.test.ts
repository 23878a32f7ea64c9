import { describe, expect, it } from "@effect/vitest"
import { publicModules, withoutHandedOn } from "../../scripts/public-modules.js"

describe("public modules", () => {
  it("are those of the index, and those that they hand on", () => {
    const files = new Map([
      ["index.ts", `export * as A from "./A.js"\nexport * as B from "./inner/B.js"\n`],
      ["A.ts", `import { c } from "./C.js"\nexport {\n  d\n} from "./D.js"\nexport const a = c\n`],
      ["inner/B.ts", `export type { E } from "../E.js"\nexport { x } from "effect"\n`],
      ["C.ts", ""],
      ["D.ts", ""],
      ["E.ts", `export * from "./A.js"`]
    ])
    expect([...publicModules(files)].toSorted()).toEqual(["A.ts", "D.ts", "E.ts", "inner/B.ts"])
  })

  it("are documented without what they hand on", () => {
    const text = `import { a } from "./A.js"\nexport { b } from "./B.js"\nexport {\n  c\n} from "./C.js"\nexport const d = a\nexport { d as e }\n`
    expect(withoutHandedOn("X.ts", text)).toBe(`import { a } from "./A.js"\nexport const d = a\nexport { d as e }\n`)
  })
})
