/**
 * Enough of YAML to write files of Prometheus: block mappings and sequences, every text quoted.
 */

/** What can be written. */
export type Yaml = string | number | ReadonlyArray<Yaml> | { readonly [key: string]: Yaml | undefined }

/** What YAML does not take as it is, though JSON does. */
const unprintable = /[\u007F-\u009F\u2028\u2029\uFEFF]/g

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`

const doubleQuoted = (text: string): string => JSON.stringify(text).replaceAll(unprintable, escaped)

/** In single quotes where that saves escapes and nothing in the text needs one. */
const quoted = (text: string): string => {
  const double = doubleQuoted(text)
  const plain = double.slice(1, -1).replaceAll(`\\"`, `"`).replaceAll("\\\\", "\\") === text
  return plain && text.includes(`"`) ? `'${text.replaceAll("'", "''")}'` : double
}

const isSequence = (value: Yaml): value is ReadonlyArray<Yaml> => Array.isArray(value)

/** A value on the line of its key, or the lines below it. */
const under = (value: Yaml): string | ReadonlyArray<string> => {
  if (typeof value === "string") return quoted(value)
  if (typeof value === "number") return String(value)
  const lines = linesOf(value)
  return lines.length === 0 ? (isSequence(value) ? "[]" : "{}") : lines.map((line) => `  ${line}`)
}

const entryLines = (key: string, value: Yaml): ReadonlyArray<string> => {
  const below = under(value)
  return typeof below === "string" ? [`${key}: ${below}`] : [`${key}:`, ...below]
}

const itemLines = (value: Yaml): ReadonlyArray<string> => {
  const below = under(value)
  if (typeof below === "string") return [`- ${below}`]
  return below.map((line, i) => (i === 0 ? `- ${line.slice(2)}` : line))
}

const linesOf = (value: ReadonlyArray<Yaml> | { readonly [key: string]: Yaml | undefined }): ReadonlyArray<string> =>
  isSequence(value)
    ? value.flatMap(itemLines)
    : Object.entries(value).flatMap(([key, each]) => (each === undefined ? [] : entryLines(key, each)))

/** A document. Keys are written as they are: they must be words. */
export const format = (value: { readonly [key: string]: Yaml | undefined }): string => `${linesOf(value).join("\n")}\n`
