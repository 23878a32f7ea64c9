import ts from "typescript"
import { isCode, lineAt, type Problem, type SourceFile } from "./source-files.js"

/** Members that a library may not touch, and what stands in for them. */
const members: Readonly<Record<string, string>> = {
  "Date.now": "read Clock",
  "Math.random": "use Random",
  "performance.now": "read Clock",
  "process.hrtime": "read Clock",
  "Effect.runSync": "return the effect",
  "Effect.runPromise": "return the effect",
  "Effect.Service": "services are Context.Tag classes"
}

const globals: ReadonlyArray<string> = ["setTimeout", "setInterval", "setImmediate", "queueMicrotask"]

/** The one file that may arm a timer beside Clock. */
const liveTimers = "packages/core/src/LiveTimers.ts"

const isCastToUnknown = (node: ts.Node): boolean =>
  ts.isAsExpression(node) &&
  ts.isAsExpression(node.expression) &&
  node.expression.type.kind === ts.SyntaxKind.UnknownKeyword

const messageFor = (node: ts.Node, path: string): string | undefined => {
  if (node.kind === ts.SyntaxKind.AnyKeyword) return "any: give it a type"
  if (isCastToUnknown(node)) return "as unknown as: hides a hole in the types"
  if (ts.isNonNullExpression(node)) return "!: handle the absent value"
  if (ts.isPropertyAccessExpression(node)) {
    const name = node.getText().replaceAll(/\s/g, "")
    const instead = Object.hasOwn(members, name) ? members[name] : undefined
    return instead === undefined ? undefined : `${name}: ${instead}`
  }
  if (ts.isNewExpression(node) && node.expression.getText() === "Date" && (node.arguments?.length ?? 0) === 0) {
    return "new Date(): read Clock"
  }
  if (ts.isIdentifier(node) && globals.includes(node.text) && ts.isCallExpression(node.parent) && path !== liveTimers) {
    return `${node.text}: sleep through Clock`
  }
  return undefined
}

const walk = (node: ts.Node, visit: (node: ts.Node) => void): void => {
  visit(node)
  ts.forEachChild(node, (child) => walk(child, visit))
}

const suppressions = (file: SourceFile): ReadonlyArray<Problem> =>
  [...file.text.matchAll(/@ts-(?:ignore|nocheck|expect-error)\b/g)].map((found) => ({
    path: file.path,
    line: lineAt(file.text, found.index),
    message: `${found[0]}: fix what the compiler says`
  }))

/** What the source of a package never says: time and chance from outside Effect, and holes in the types. */
export const libraryRules = (files: ReadonlyArray<SourceFile>): ReadonlyArray<Problem> =>
  files
    .filter((file) => isCode(file.path) && /^packages\/[^/]+\/src\//.test(file.path))
    .flatMap((file) => {
      const problems: Array<Problem> = []
      const source = ts.createSourceFile(file.path, file.text, ts.ScriptTarget.Latest, true)
      walk(source, (node) => {
        const message = messageFor(node, file.path)
        if (message !== undefined) {
          problems.push({ path: file.path, line: lineAt(file.text, node.getStart(source)), message })
        }
      })
      return [...problems, ...suppressions(file)]
    })
