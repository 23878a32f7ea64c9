import { posix } from "node:path"
import ts from "typescript"
import { isCode, lineAt, type Problem, type SourceFile } from "./source-files.js"

const scope = "@effect-resilience/"

/** What each package may import besides its own files. A package names only packages that stand before it. */
const packages: Readonly<Record<string, { readonly internal: ReadonlyArray<string>; readonly external: RegExp }>> = {
  machines: { internal: [], external: /^$/ },
  core: { internal: ["machines"], external: /^effect(?:\/|$)/ },
  http: { internal: ["machines", "core"], external: /^(?:effect|@effect\/platform)(?:\/|$)/ },
  chaos: { internal: ["machines", "core"], external: /^effect(?:\/|$)/ },
  observability: { internal: ["machines", "core"], external: /^(?:effect|@effect\/platform)(?:\/|$)/ }
}

/** What one entry point of a package may import besides: what it needs of its platform. */
const entries: Readonly<Record<string, RegExp>> = {
  "http/node": /^@effect\/platform-node(?:\/|$)/,
  "observability/node": /^(?:@effect\/platform-node(?:\/|$)|node:http$)/
}

interface Import {
  readonly specifier: string
  readonly line: number
}

const importsOf = (file: SourceFile): ReadonlyArray<Import> =>
  ts.preProcessFile(file.text, true, true).importedFiles.map((found) => ({
    specifier: found.fileName,
    line: lineAt(file.text, found.pos)
  }))

const isRelative = (specifier: string): boolean => specifier.startsWith(".")

const target = (file: SourceFile, specifier: string): string => posix.join(posix.dirname(file.path), specifier)

/** Where a file's own unit starts: relative imports stay inside it. */
const unitOf = (path: string): string | undefined =>
  [/^packages\/[^/]+\/src\//, /^examples\/[^/]+\//, /^examples\//, /^bench\//]
    .map((pattern) => pattern.exec(path)?.[0])
    .find((unit) => unit !== undefined)

const relativeProblem = (file: SourceFile, specifier: string): string | undefined => {
  const unit = unitOf(file.path)
  const path = target(file, specifier)
  if (unit !== undefined && !path.startsWith(unit)) return `imports ${specifier}, outside ${unit}`
  if (!specifier.endsWith(".js") && !specifier.endsWith(".json")) return `imports ${specifier} without its .js`
  if (/^packages\/[^/]+\/src\/index\.js$/.test(path)) return `imports a package's index; import the file itself`
  return undefined
}

const entryOf = (path: string): RegExp | undefined => {
  const [, name, entry] = /^packages\/([^/]+)\/src\/([^/]+)\//.exec(path) ?? []
  return entries[`${name}/${entry}`]
}

const packageProblem = (file: SourceFile, specifier: string): string | undefined => {
  const name = /^packages\/([^/]+)\/src\//.exec(file.path)?.[1]
  if (name === undefined) return undefined
  const rule = packages[name]
  if (rule === undefined) return `package ${name} has no place in the order of packages yet`
  const allowed = specifier.startsWith(scope)
    ? rule.internal.includes(specifier.slice(scope.length))
    : rule.external.test(specifier) || entryOf(file.path)?.test(specifier) === true
  return allowed ? undefined : `${name} may not import ${specifier}`
}

const entryPointProblem = (specifier: string): string | undefined =>
  specifier.startsWith(scope) &&
  specifier.slice(scope.length).includes("/") &&
  entries[specifier.slice(scope.length)] === undefined
    ? `imports ${specifier}, which is not a public entry point`
    : undefined

const indexProblems = (file: SourceFile): ReadonlyArray<Problem> => {
  if (!/^packages\/[^/]+\/src\/index\.ts$/.test(file.path)) return []
  const source = ts.createSourceFile(file.path, file.text, ts.ScriptTarget.Latest, true)
  return source.statements
    .filter((statement) => {
      const text = statement.getText(source).replace(/;$/, "")
      const name = /^export \* as (\w+) from "\.\/(\w+)\.js"$/.exec(text)
      return name === null || name[1] !== name[2]
    })
    .map((statement) => ({
      path: file.path,
      line: lineAt(file.text, statement.getStart(source)),
      message: `an index holds only: export * as Name from "./Name.js"`
    }))
}

/** Dependencies point one way, a file imports files, and examples use what users can use. */
export const importRules = (files: ReadonlyArray<SourceFile>): ReadonlyArray<Problem> =>
  files
    .filter((file) => isCode(file.path))
    .flatMap((file) => [
      ...importsOf(file).flatMap(({ line, specifier }) => {
        const message = isRelative(specifier)
          ? relativeProblem(file, specifier)
          : (packageProblem(file, specifier) ?? entryPointProblem(specifier))
        return message === undefined ? [] : [{ path: file.path, line, message }]
      }),
      ...indexProblems(file)
    ])
