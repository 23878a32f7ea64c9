import { describe, expect, it } from "@effect/vitest"
import { runSources } from "../support/programs.js"

describe("running programs", () => {
  it("tells them apart: what each printed, when, on which stream, and which failed", async () => {
    const ended = await runSources([
      `setTimeout(() => console.log("late"), 50)\nconsole.log("early")`,
      `console.error("to the other stream")`,
      `throw new Error("at once")`,
      `void Promise.reject(new Error("unnoticed"))`,
      `setTimeout(() => { throw new Error("later") }, 10)`,
      `await new Promise(() => {})`,
      `const n: number = 1\nconsole.log(n)`
    ])
    expect(ended).toEqual([
      { ok: true, output: "early\nlate" },
      { ok: true, output: "to the other stream" },
      { ok: false, output: expect.stringContaining("at once") },
      { ok: false, output: expect.stringContaining("unnoticed") },
      { ok: false, output: expect.stringContaining("later") },
      { ok: false, output: expect.stringContaining("never happens") },
      { ok: true, output: "1" }
    ])
  })

  it("a program that ends the process fails, and so do those after it", async () => {
    const ended = await runSources([`console.log("one")`, `process.exit(3)`, `console.log("three")`])
    expect(ended.map(({ ok }) => ok)).toEqual([true, false, false])
  })
})
