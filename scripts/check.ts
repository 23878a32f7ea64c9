import { checks, type Check } from "./checks.js"

const selected = (names: ReadonlyArray<string>): ReadonlyArray<Check> =>
  names.length === 0 ? checks : checks.filter((check) => names.includes(check.name))

const run = (check: Check): boolean => {
  const started = process.hrtime.bigint()
  const problems = check.run()
  const seconds = (Number(process.hrtime.bigint() - started) / 1e9).toFixed(1)
  console.log(`${problems.length === 0 ? "ok  " : "FAIL"}  ${check.name}  ${check.about} (${seconds} s)`)
  for (const problem of problems) console.log(`${problem}`.replaceAll(/^/gm, "      "))
  return problems.length === 0
}

const names = process.argv.slice(2)
const unknown = names.filter((name) => checks.every((check) => check.name !== name))

if (unknown.length > 0) {
  console.error(`no check named ${unknown.join(", ")}; there are: ${checks.map((check) => check.name).join(", ")}`)
  process.exitCode = 2
} else {
  const results = selected(names).map((check) => ({ name: check.name, ok: run(check) }))
  const failed = results.filter((result) => !result.ok).map((result) => result.name)
  console.log(
    failed.length === 0
      ? `\nall ${results.length} checks passed`
      : `\n${failed.length} of ${results.length} checks failed: ${failed.join(", ")}`
  )
  if (failed.length > 0) process.exitCode = 1
}
