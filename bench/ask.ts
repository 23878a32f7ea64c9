/** Answers one question, in the process that `main.ts` starts for it. */
import { parseArgs } from "node:util"
import { answer, effortOf } from "./harness/Measure.js"
import { questions } from "./questions.js"

const { values } = parseArgs({
  options: {
    question: { type: "string", default: "" },
    quick: { type: "boolean", default: false },
    seed: { type: "string", default: "1" }
  }
})

const load = questions.get(Number(values.question))
if (load === undefined) throw new Error(`there is no question ${values.question}`)
const found = await answer(await load(), effortOf(Number(values.seed), values.quick))
process.send?.(found, () => process.exit())
