import { HttpOutcome } from "@effect-resilience/http"
import { describe, expect, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { root } from "../../scripts/source-files.js"
import { tableOf } from "../support/tables.js"

const page = "docs/http-client.md"
const header = ["| what came of the request | repeated | counts for the breaker as |", "|---|---|---|"]

const repeated: Readonly<Record<HttpOutcome.Repeated, string>> = {
  always: "yes, any method",
  repeatable: "if repeatable",
  reads: "GET and HEAD only",
  never: "no"
}

const expected = [
  ...header,
  ...HttpOutcome.table.map((row) => `| ${row.answer} | ${repeated[row.repeated]} | ${row.counts} |`)
].join("\n")

describe(page, () => {
  it("has the table of HttpOutcome: put what was expected in the place of what was found", () => {
    expect(tableOf(readFileSync(join(root, page), "utf8"), header[0] ?? "")).toBe(expected)
  })
})
