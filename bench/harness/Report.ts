import type { Answer, Finding } from "./Measure.js"
import type { Unit } from "./Question.js"

const amount = (cost: number, unit: Unit): string =>
  unit === "ns" ? `${(cost / 1000).toPrecision(3)} us` : `${Math.round(cost)} B`
const times = (ratio: number): string => `${ratio.toPrecision(3)}x`

/** Columns under each other; the first to the left, the others to the right. */
export const table = (rows: ReadonlyArray<ReadonlyArray<string>>, indent: string): string => {
  const width = (column: number): number => Math.max(...rows.map((row) => row[column]?.length ?? 0))
  const widths = (rows[0] ?? []).map((_, column) => width(column))
  return rows
    .map((row) =>
      row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
    )
    .map((row) => indent + row.join("  ").trimEnd())
    .join("\n")
}

/** Every case of a question. */
export const details = ({ id, rows, title, unit }: Answer): string =>
  `${id}  ${title}\n${table(
    [
      ["", unit === "ns" ? "wall" : "heap", "quartiles", "times", "cpu", "times"],
      ...rows.map(({ cpu, cpuTimes, name, times: ratio, wall }) => [
        name,
        amount(wall.median, unit),
        `${amount(wall.q1, unit)} .. ${amount(wall.q3, unit)}`,
        times(ratio),
        amount(cpu.median, "ns"),
        times(cpuTimes)
      ])
    ],
    "   "
  )}\n`

const line = ({ id, unit }: Answer, finding: Finding): ReadonlyArray<string> => [
  `${String(id).padStart(2)}  ${finding.question}`,
  amount(finding.ours, unit),
  finding.peer,
  amount(finding.theirs, unit),
  times(finding.ratio.median),
  `${times(finding.ratio.q1)} .. ${times(finding.ratio.q3)}`,
  `<= ${times(finding.goal)}`,
  finding.verdict
]

/** Every goal, and whether it was met. */
export const summary = (answers: ReadonlyArray<Answer>): string =>
  table(
    [
      [" #  question", "ours", "peer", "theirs", "ratio", "quartiles", "goal", ""],
      ...answers.flatMap((answer) => answer.findings.map((finding) => line(answer, finding)))
    ],
    ""
  )

/** The same for machines. */
export const json = (answers: ReadonlyArray<Answer>): string =>
  JSON.stringify(
    answers.flatMap(({ findings, id }) =>
      findings.map(({ goal, ours, peer, question, ratio, theirs, verdict }) => ({
        id,
        question,
        ours,
        peer,
        theirs,
        ratio: ratio.median,
        goal,
        met: verdict === "met"
      }))
    ),
    null,
    2
  )
