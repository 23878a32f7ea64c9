import { isCode, type Problem, type SourceFile } from "./source-files.js"

/** The folders with a budget and the lines that a file in them may have; the first that fits decides. */
const budgets: ReadonlyArray<{ readonly folder: RegExp; readonly lines: number }> = [
  { folder: /^examples\/[^/]+$/, lines: 60 },
  { folder: /^(?:packages|examples|scripts|bench)\//, lines: 300 },
  { folder: /^test\//, lines: 400 }
]

export const countLines = (text: string): number =>
  text === "" ? 0 : text.split("\n").length - (text.endsWith("\n") ? 1 : 0)

/** A file that outgrew its budget does more than one thing: split it by what the parts are for. */
export const lineBudget = (files: ReadonlyArray<SourceFile>): ReadonlyArray<Problem> =>
  files.flatMap((file) => {
    const budget = isCode(file.path) ? budgets.find((candidate) => candidate.folder.test(file.path)) : undefined
    const lines = countLines(file.text)
    return budget === undefined || lines <= budget.lines
      ? []
      : [{ path: file.path, message: `has ${lines} lines, its budget is ${budget.lines}` }]
  })
