/**
 * A timeline as text.
 */
import { aligned } from "../Table.js"
import type { Row } from "./Rows.js"

/** How a table is laid out. */
export interface TableOptions {
  /** Whether rows that follow each other and differ by nothing but their time become one, with how many they were. Default true. */
  readonly collapse?: boolean | undefined
  /** Whether the numbers of each event are a column of their own. Default false. */
  readonly details?: boolean | undefined
}

interface Run {
  readonly row: Row
  readonly times: number
  readonly untilMillis: number
}

const runsOf = (rows: ReadonlyArray<Row>, isSame: (one: Row, other: Row) => boolean): ReadonlyArray<Run> => {
  const runs: Array<Run> = []
  for (const row of rows) {
    const last = runs.at(-1)
    if (last !== undefined && isSame(last.row, row)) {
      runs[runs.length - 1] = { row: last.row, times: last.times + 1, untilMillis: row.at }
    } else runs.push({ row, times: 1, untilMillis: row.at })
  }
  return runs
}

const seconds = (millis: number): string => (millis / 1000).toFixed(3)

const count = ({ row, times, untilMillis }: Run): string => {
  if (times === 1) return ""
  return untilMillis === row.at ? `x ${times}` : `x ${times} until ${seconds(untilMillis)}`
}

/** Cells of one column, all as wide as the widest, with what they say at the right. */
const rightmost = (cells: ReadonlyArray<string>): ReadonlyArray<string> => {
  const width = cells.reduce((widest, cell) => Math.max(widest, cell.length), 0)
  return cells.map((cell) => cell.padStart(width))
}

/** Keeps a cell on its line. */
const inLine = (text: string): string => text.replaceAll(/\s+/g, " ")

/**
 * The rows as a table with the columns time (in seconds), policy, event and state. Byte by byte the same for the same rows.
 *
 * @example
 * ```ts
 * import { Timeline } from "@effect-resilience/chaos"
 *
 * const refused = { policy: "payment", event: "CallRejected", from: "Open", state: "Open", detail: "" }
 * console.log(Timeline.table([250, 300, 1250].map((at) => ({ ...refused, at }))))
 * ```
 */
export const table = (rows: ReadonlyArray<Row>, options: TableOptions = {}): string => {
  const details = options.details ?? false
  const collapse = options.collapse ?? true
  const isSame = (one: Row, other: Row) =>
    collapse &&
    one.policy === other.policy &&
    one.event === other.event &&
    one.state === other.state &&
    (!details || one.detail === other.detail)
  const runs = runsOf(rows, isSame)
  const [head = "", ...times] = rightmost(["time", ...runs.map(({ row }) => seconds(row.at))])
  const lines = runs.map((run, i) => {
    const { detail, event, policy, state } = run.row
    return [times[i] ?? "", ...[policy, event, state, ...(details ? [detail] : []), count(run)].map(inLine)]
  })
  return aligned([[head, "policy", "event", "state", ...(details ? ["detail"] : []), ""], ...lines]).join("\n")
}
