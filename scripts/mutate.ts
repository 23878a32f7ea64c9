/**
 * Breaks the machines in small ways, one at a time, and says which of these mutants no test notices.
 *
 *     npx tsx scripts/mutate.ts [--file Window[:173]] [--sample 100] [--seed 1] [--verbose]
 *
 * No file is touched: a mutant exists only in the memory of the tests that run against it. It is killed when a test
 * fails or does not end. Those that `test/machines/equivalent-mutants.md` lists cannot be killed by any test; a sample
 * is drawn from the others. Exits 1 when fewer than 95 % of the others are killed, or when all of them were tried and
 * one is neither killed nor listed.
 */
import { readFileSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { createVitest } from "vitest/node"
import { equivalentsIn, lists } from "./mutation/equivalents.js"
import type { Task } from "./mutation/judge.js"
import { hash, type Mutant, mutantsOf, sample, show } from "./mutation/mutants.js"
import type { Result } from "./mutation/suite.js"
import { root } from "./source-files.js"

const { values } = parseArgs({
  options: {
    file: { type: "string" },
    sample: { type: "string" },
    seed: { type: "string" },
    verbose: { type: "boolean", default: false }
  }
})

const requiredShare = 0.95
const sources = join(root, "packages/machines/src")
const page = join(root, "test/machines/equivalent-mutants.md")

const judged = async (mutants: ReadonlyArray<Mutant>): Promise<ReadonlyArray<Result>> => {
  const task: Task = { root, mutants, verbose: values.verbose }
  const vitest = await createVitest("test", {
    root,
    config: false,
    watch: false,
    include: ["scripts/mutation/judge.ts"],
    provide: { task },
    testTimeout: 0,
    disableConsoleIntercept: true,
    reporters: [{}]
  })
  await vitest.start()
  const [test] = vitest.state.getFiles().flatMap((file) => file.tasks)
  const errors = [...(test?.result?.errors ?? []), ...vitest.state.getUnhandledErrors()]
  await vitest.close()
  process.exitCode = 0
  if (test?.meta.verdicts === undefined) throw new Error("nothing was judged", { cause: errors })
  return test.meta.verdicts
}

const [name, line] = values.file?.split(":") ?? []
const texts = readdirSync(sources).map((file) => [file, readFileSync(join(sources, file), "utf8")] as const)
const all = texts
  .filter(([file]) => name === undefined || file === `${name}.ts`)
  .flatMap(([file, text]) => mutantsOf(file, text))
  .filter((mutant) => line === undefined || mutant.line === Number(line))
const equivalents = equivalentsIn(readFileSync(page, "utf8"))
const isListed = (mutant: Mutant): boolean => equivalents.some((listed) => lists(listed, mutant))

// The same sources give the same sample, and a change of them another one.
const seed = Number(values.seed ?? hash(texts.join("\n")))
const unlisted = all.filter((mutant) => !isListed(mutant))
const tried = values.sample === undefined ? all : sample(unlisted, Number(values.sample), seed)
if (tried.length === 0) throw new Error(`there is nothing to mutate in ${values.file ?? sources}`)
if (values.sample !== undefined) console.log(`${tried.length} of ${unlisted.length} mutants, --seed ${seed}`)

const verdicts = await judged(tried)
const withVerdict = tried.map((mutant, place) => ({ mutant, verdict: verdicts[place], listed: isListed(mutant) }))
const killed = withVerdict.filter(({ listed, verdict }) => !listed && verdict !== "passed")
const listed = withVerdict.filter((each) => each.listed)
const survivors = withVerdict.filter((each) => !each.listed && each.verdict === "passed")
const endless = killed.filter(({ verdict }) => verdict === "endless").length

for (const { mutant, verdict } of listed) {
  if (verdict !== "passed") console.log(`listed as equivalent, and yet killed: ${show(mutant)}`)
}
for (const unused of equivalents) {
  const isThere = all.some((mutant) => lists(unused, mutant))
  if (name === undefined && !isThere) console.log(`listed as equivalent, and no mutant: ${unused.context}`)
}
survivors.forEach(({ mutant }) => console.log(`lives: ${show(mutant)}`))

for (const [file] of texts) {
  const of = (some: typeof withVerdict) => some.filter(({ mutant }) => mutant.file === file).length
  if (of(withVerdict) === 0) continue
  const counts = `${of(killed)} killed, ${of(listed)} listed as equivalent, ${of(survivors)} unlisted survivors`
  console.log(`${file}: ${of(withVerdict)} mutants, ${counts}`)
}
const share = killed.length / (killed.length + survivors.length)
const counts = `${killed.length} killed (${endless} of them endless), ${listed.length} listed as equivalent`
const percent = (100 * share).toFixed(1)
console.log(
  `${tried.length} mutants, ${counts}, ${survivors.length} unlisted survivors; ${percent} % of the unlisted killed`
)
if (share < requiredShare || (values.sample === undefined && survivors.length > 0)) process.exitCode = 1
