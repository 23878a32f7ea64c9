/**
 * Asks the questions of this folder, each in a process of its own.
 *
 *     npm run bench [-- --suite load] [--only 1,5] [--quick] [--seed 1] [--json] [--help]
 */
import { fork } from "node:child_process"
import { parseArgs } from "node:util"
import { built } from "./harness/Build.js"
import type { Answer } from "./harness/Measure.js"
import { details, json, summary } from "./harness/Report.js"
import { loadSuite, scenarios } from "./load/suite.js"
import { questions } from "./questions.js"

const usage = `npm run bench -- [options]

  --only 1,5   ask these questions only (there are ${[...questions.keys()].join(", ")})
               of the simulations these only (there are ${[...scenarios.keys()].join(", ")})
  --quick      less than a minute in all, and less certain
  --suite load the simulations of load control instead: the same numbers on any machine
  --seed 1     the order of the cases in each round, or the chances of the simulations
  --json       the goals alone, for machines
  --help       this page`

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    suite: { type: "string" },
    quick: { type: "boolean", default: false },
    seed: { type: "string", default: "1" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false }
  }
})

const inProcess = (script: string, id: number): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const options = ["--question", String(id), "--seed", values.seed, ...(values.quick ? ["--quick"] : [])]
    const child = fork(script, options, {
      // Heap is counted after a collection; where time is, nothing calls for one.
      execArgv: ["--expose-gc"],
      // Whatever a peer prints goes to the other stream: this one is for the answers.
      stdio: ["ignore", 2, 2, "ipc"]
    })
    child.once("message", (found: Answer) => resolve(found))
    child.once("exit", (code) => reject(new Error(`question ${id} ended with ${code} and without an answer`)))
  })

const askAll = async (ids: ReadonlyArray<number>): Promise<void> => {
  const script = await built()
  const answers: Array<Answer> = []
  for (const id of ids) {
    try {
      const found = await inProcess(script, id)
      answers.push(found)
      if (!values.json) console.log(details(found))
    } catch (error) {
      console.error(`FAILED  ${error instanceof Error ? error.message : String(error)}`)
      process.exitCode = 1
    }
  }
  console.log(values.json ? json(answers) : summary(answers))
}

const isLoad = values.suite === "load"
const names = isLoad ? [...scenarios.keys()] : [...questions.keys()].map(String)
const selected = values.only?.split(",") ?? names
const unknown = selected.filter((name) => !names.includes(name))

if (values.help) console.log(usage)
else if (values.suite !== undefined && !isLoad) {
  console.error(`there is no suite ${values.suite}\n\n${usage}`)
  process.exitCode = 2
} else if (unknown.length > 0) {
  console.error(`there is no ${isLoad ? "simulation" : "question"} ${unknown.join(", ")}\n\n${usage}`)
  process.exitCode = 2
} else if (isLoad) console.log(loadSuite(selected, Number(values.seed), values.json))
else await askAll(selected.map(Number))
