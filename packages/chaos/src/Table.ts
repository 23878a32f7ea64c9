/** Text in columns. */

const widthOf = (rows: ReadonlyArray<ReadonlyArray<string>>, column: number): number =>
  rows.reduce((widest, row) => Math.max(widest, row[column]?.length ?? 0), 0)

/** Rows of cells as lines, each column as wide as its widest cell, the last one ragged. */
export const aligned = (rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const widths = (rows[0] ?? []).map((_, column) => widthOf(rows, column))
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd()
  )
}
