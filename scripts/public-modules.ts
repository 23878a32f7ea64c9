import { posix } from "node:path"
import ts from "typescript"

const handedOn = (path: string, text: string) =>
  ts.createSourceFile(path, text, ts.ScriptTarget.Latest).statements.flatMap((statement) => {
    if (!ts.isExportDeclaration(statement)) return []
    const { moduleSpecifier } = statement
    return moduleSpecifier !== undefined && ts.isStringLiteral(moduleSpecifier)
      ? [{ from: moduleSpecifier.text, start: statement.pos, end: statement.end }]
      : []
  })

/** The files from which a file exports again what they export: `export ... from "./Name.js"`. */
const exportedFrom = (path: string, text: string): ReadonlyArray<string> =>
  handedOn(path, text)
    .filter(({ from }) => from.startsWith("."))
    .map(({ from }) => posix.join(posix.dirname(path), from.replace(/\.js$/, ".ts")))

/** The text of a file without what it hands on from others. */
export const withoutHandedOn = (path: string, text: string): string =>
  handedOn(path, text).reduceRight((rest, { end, start }) => rest.slice(0, start) + rest.slice(end), text)

/** The files that users see through a package's index, or that for Node, also those whose exports another file hands on. */
export const publicModules = (files: ReadonlyMap<string, string>): ReadonlySet<string> => {
  const reached = new Set<string>()
  const visit = (path: string): void => {
    const text = files.get(path)
    if (text === undefined || reached.has(path)) return
    reached.add(path)
    exportedFrom(path, text).forEach(visit)
  }
  for (const entry of ["index.ts", "node/index.ts"]) {
    visit(entry)
    reached.delete(entry)
  }
  return reached
}
