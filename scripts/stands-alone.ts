import { posix } from "node:path"
import { isCode, lineAt, type Problem, type SourceFile } from "./source-files.js"

interface TextRule {
  readonly applies: (path: string) => boolean
  readonly pattern: RegExp
  readonly message: string
}

const everywhere = (): boolean => true

const rules: ReadonlyArray<TextRule> = [
  { applies: everywhere, pattern: /\.\.\/shared\b/g, message: "refers outside the tree" },
  {
    applies: everywhere,
    pattern: /(?<![\w.\-:/])\/(?:work|home|root|Users|tmp|opt|srv|mnt)\/[\w.]/g,
    message: "an absolute path of one machine"
  },
  {
    applies: everywhere,
    pattern: /registry\.(?:npmjs|yarnpkg)\.|npm\.pkg\.github|\b(?:npmmirror|jsr)\.\w+/g,
    message: "names a registry's host"
  },
  { applies: (path) => path === "pnpm-lock.yaml", pattern: /\w+:\/\//g, message: "the lockfile holds no addresses" },
  { applies: isCode, pattern: /\b(?:TO[D]O|FIX[M]E|X[X]X)\b/g, message: "open ends belong into an issue" }
]

const textProblems = (file: SourceFile): ReadonlyArray<Problem> =>
  rules
    .filter((rule) => rule.applies(file.path))
    .flatMap((rule) =>
      [...file.text.matchAll(rule.pattern)].map((found) => ({
        path: file.path,
        line: lineAt(file.text, found.index),
        message: `${found[0]}: ${rule.message}`
      }))
    )

const withoutFences = (markdown: string): string =>
  markdown.replaceAll(/^(```+)[^\n]*\n[\s\S]*?^\1\s*$/gm, (fence) => fence.replaceAll(/[^\n]/g, " "))

const linkTargets = (markdown: string): ReadonlyArray<{ readonly href: string; readonly offset: number }> =>
  [...withoutFences(markdown).matchAll(/\]\(\s*([^)\s]+)|\b(?:src|href|srcset)="([^"]+)"/g)].map((found) => ({
    href: found[1] ?? found[2] ?? "",
    offset: found.index
  }))

const linkProblems = (file: SourceFile, paths: ReadonlySet<string>): ReadonlyArray<Problem> => {
  if (!file.path.endsWith(".md")) return []
  return linkTargets(file.text)
    .filter(({ href }) => !/^(?:\w+:|#)/.test(href))
    .flatMap(({ href, offset }) => {
      const path = posix.join(posix.dirname(file.path), href.split("#")[0] ?? "").replace(/\/$/, "")
      const exists = paths.has(path) || [...paths].some((candidate) => candidate.startsWith(`${path}/`))
      return exists
        ? []
        : [{ path: file.path, line: lineAt(file.text, offset), message: `links to ${href}, which is not in the tree` }]
    })
}

/** Nothing in the tree refers outside it, and every relative link of a page leads to a file of the tree. */
export const standsAlone = (
  files: ReadonlyArray<SourceFile>,
  allPaths: ReadonlyArray<string>
): ReadonlyArray<Problem> => {
  const paths = new Set([...allPaths, "."])
  return files.flatMap((file) => [...textProblems(file), ...linkProblems(file, paths)])
}
