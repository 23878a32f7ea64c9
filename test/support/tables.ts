/** The table of a page that begins with this line. */
export const tableOf = (text: string, firstLine: string): string => {
  const lines = text.split("\n")
  const start = lines.indexOf(firstLine)
  const length = lines.slice(start).findIndex((line) => !line.startsWith("|"))
  return lines.slice(start, start + length).join("\n")
}
