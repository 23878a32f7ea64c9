import { questions } from "./questions.js"

const width = Math.max(...questions.map(({ question }) => question.length))

const row = (number: string, question: string, goal: string, result: string): string =>
  `${number.padStart(2)}  ${question.padEnd(width)}  ${goal.padEnd(12)}  ${result}`

if (process.argv.includes("--json")) {
  console.log("[]")
} else {
  console.log(row("#", "question", "goal", "result"))
  for (const { goal, number, question } of questions) console.log(row(`${number}`, question, goal, "not measured yet"))
}
