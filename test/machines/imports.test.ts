import { readFileSync, readdirSync } from "node:fs"
import { fileURLToPath } from "node:url"
import ts from "typescript"
import { describe, expect, it } from "vitest"

const root = new URL("../../packages/machines/", import.meta.url)
const files = readdirSync(new URL("src/", root), { recursive: true, encoding: "utf8" }).filter((name) => name !== ".")
const textOf = (file: string): string => readFileSync(new URL(`src/${file}`, root), "utf8")

describe("the machines package", () => {
  it("lists no dependency of any kind", () => {
    const manifest: unknown = JSON.parse(readFileSync(fileURLToPath(new URL("package.json", root)), "utf8"))
    const fields = Object.keys(manifest ?? {})
    expect(fields).toContain("exports")
    expect(fields.filter((field) => /dependenc/i.test(field))).toEqual([])
  })

  it("imports nothing but its own files, never through its index", () => {
    expect(files).toContain("CircuitBreaker.ts")
    const imports = files.flatMap((file) =>
      ts.preProcessFile(textOf(file), true, true).importedFiles.map((imported) => `${file}: ${imported.fileName}`)
    )
    expect(imports).toContain("TripPolicy.ts: ./Window.js")
    expect(imports.filter((line) => !/: \.\/(?!index\.js)[A-Za-z]+\.js$/.test(line))).toEqual([])
  })

  it("asks no clock, no randomness and no timer", () => {
    const impure = /\bDate\b|Math\.random|\bperformance\b|\bprocess\b|\bset(Timeout|Interval|Immediate)\b|\brequire\b/
    expect(files.filter((file) => impure.test(textOf(file)))).toEqual([])
  })
})
