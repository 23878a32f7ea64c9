/**
 * A timeline as text.
 */
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

const aligned = (lines: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)))
  const padded = (cell: string, column: number) =>
    column === 0 ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)
  return lines.map((line) => line.map(padded).join("  ").trimEnd()).join("\n")
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
  const lines = runsOf(rows, isSame).map((run) => {
    const { at, detail, event, policy, state } = run.row
    return [seconds(at), policy, event, state, ...(details ? [detail] : []), count(run)].map(inLine)
  })
  return aligned([["time", "policy", "event", "state", ...(details ? ["detail"] : []), ""], ...lines])
}
