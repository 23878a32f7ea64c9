import { spawn } from "node:child_process"
import { text } from "node:stream/consumers"
import { describe, expect, it } from "vitest"
import { root } from "../../scripts/source-files.js"

/** Runs the benchmarks with these options; tells how they ended, and what they printed on standard output. */
const bench = async (...options: ReadonlyArray<string>) => {
  const child = spawn(process.execPath, ["--import", "tsx", "bench/main.ts", ...options], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"]
  })
  const code = new Promise((resolve) => child.once("close", resolve))
  const [printed, complaint] = await Promise.all([text(child.stdout), text(child.stderr)])
  return { code: await code, printed, complaint }
}

const isNumber = (value: unknown): boolean => typeof value === "number" && Number.isFinite(value) && value >= 0

describe("npm run bench -- --suite load --json", () => {
  it("prints a list of results and nothing else, each with the same fields", async () => {
    const { code, printed } = await bench("--suite", "load", "--json", "--only", "throttling,shedding")
    const rows: ReadonlyArray<Readonly<Record<string, unknown>>> = JSON.parse(printed)
    expect(code).toBe(0)
    expect(rows.length).toBe(10)
    for (const row of rows) {
      expect(Object.keys(row)).toEqual(["scenario", "policy", "goodput", "p50", "p99", "refused", "limit"])
      const { goodput, limit, p50, p99, policy, refused, scenario } = row
      expect([typeof scenario, typeof policy]).toEqual(["string", "string"])
      expect([goodput, p50, p99, refused].every(isNumber)).toBe(true)
      expect(limit === null || isNumber(limit)).toBe(true)
    }
    expect(new Set(rows.map(({ limit }) => limit === null)).size).toBe(2)
    expect(rows[0]).toMatchObject({
      scenario: "throttle: 1000/s to a dependency of 100/s",
      policy: "adaptive throttle"
    })
  })

  it("prints nothing there when it is asked for what there is not, and fails", async () => {
    const { code, complaint, printed } = await bench("--suite", "load", "--json", "--only", "weather")
    expect([code, printed]).toEqual([2, ""])
    expect(complaint).toContain("there is no simulation weather")
  })
})
