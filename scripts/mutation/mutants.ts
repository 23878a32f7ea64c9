import ts from "typescript"
import { replacements } from "./operators.js"

/** One small change of one file. */
export interface Mutant {
  /** The name of the file, without a folder. */
  readonly file: string
  /** The outermost declaration around the change. */
  readonly within: string
  readonly line: number
  /** The code around the change on one line, the place itself between brackets. */
  readonly context: string
  /** What the place becomes. */
  readonly after: string
  /** The whole file with the change made. */
  readonly text: string
}

const onOneLine = (text: string): string => text.replace(/\s+/g, " ").trim()

const shortened = (text: string): string =>
  text.length <= 80 ? text : `${text.slice(0, 40).trim()} … ${text.slice(-30).trim()}`

/** The lines of the place, which is between brackets; its middle is left out where it is long. */
const contextOf = (text: string, start: number, end: number): string => {
  const from = text.lastIndexOf("\n", start) + 1
  const to = text.indexOf("\n", end)
  const place = shortened(onOneLine(text.slice(start, end)))
  const rest = text.slice(end, to === -1 ? undefined : to)
  return `${text.slice(from, start).trimStart()}⟦${place}⟧${rest.trimEnd()}`
}

const isCode = (node: ts.Node): boolean =>
  !ts.isTypeNode(node) &&
  !ts.isInterfaceDeclaration(node) &&
  !ts.isTypeAliasDeclaration(node) &&
  !ts.isImportDeclaration(node)

const nameOf = (statement: ts.Statement): string =>
  ts.isVariableStatement(statement) ? (statement.declarationList.declarations[0]?.name.getText() ?? "") : ""

/** Every mutant of a file, in the order of the code; two changes with the same result are one mutant. */
export const mutantsOf = (file: string, text: string): ReadonlyArray<Mutant> => {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true)
  const found = new Map<string, Mutant>()
  const visit = (node: ts.Node, within: string): void => {
    if (!isCode(node)) return
    for (const [target, after] of replacements(node)) {
      const [start, end] = [target.getStart(), target.end]
      const mutated = text.slice(0, start) + after + text.slice(end)
      if (found.has(mutated)) continue
      const line = source.getLineAndCharacterOfPosition(start).line + 1
      const context = contextOf(text, start, end)
      found.set(mutated, { file, within, line, context, after: shortened(onOneLine(after)), text: mutated })
    }
    ts.forEachChild(node, (child) => visit(child, within))
  }
  source.statements.forEach((statement) => visit(statement, nameOf(statement)))
  return [...found.values()]
}

export const show = ({ after, context, file, line }: Mutant): string => `${file}:${line}  ${context}  ->  ${after}`

const fnv = (sum: number, letter: string): number => Math.imul(sum ^ (letter.codePointAt(0) ?? 0), 16_777_619)

/** A number for any text, which shares nothing with that of a text next to it: FNV-1a, mixed as MurmurHash ends. */
export const hash = (text: string): number => {
  const sum = [...text].reduce(fnv, -2_128_831_035)
  const half = Math.imul(sum ^ (sum >>> 16), -2_048_144_789)
  const mixed = Math.imul(half ^ (half >>> 13), -1_028_477_387)
  return (mixed ^ (mixed >>> 16)) >>> 0
}

/** So many of the items, the same ones for the same seed. */
export const sample = <A>(items: ReadonlyArray<A>, size: number, seed: number): ReadonlyArray<A> =>
  items
    .map((item, place) => [hash(`${seed} ${place}`), item] as const)
    .toSorted(([a], [b]) => a - b)
    .slice(0, size)
    .map(([, item]) => item)
