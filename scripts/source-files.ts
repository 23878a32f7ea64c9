import { execFileSync } from "node:child_process"
import { existsSync, lstatSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

/** A file of the tree, with the path as git prints it: relative to the root, `/` between the parts. */
export interface SourceFile {
  readonly path: string
  readonly text: string
}

/** What a rule found, and where. */
export interface Problem {
  readonly path: string
  readonly line?: number
  readonly message: string
}

/** The root of the repository. */
export const root = fileURLToPath(new URL("..", import.meta.url))

/** Every file that is tracked, or would be by the next `git add`: a new file is checked before it is committed. */
export const trackedPaths = (directory: string): ReadonlyArray<string> =>
  execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: directory,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024
  })
    .split("\0")
    .filter((path) => path !== "" && existsSync(join(directory, path)))

/** The tracked text files; symbolic links and files with a NUL byte are left out. */
export const trackedFiles = (directory: string): ReadonlyArray<SourceFile> =>
  trackedPaths(directory)
    .filter((path) => lstatSync(join(directory, path)).isFile())
    .map((path) => ({ path, text: readFileSync(join(directory, path), "utf8") }))
    .filter((file) => !file.text.includes("\0"))

export const isCode = (path: string): boolean => /\.(?:[cm]?[jt]s|[jt]sx)$/.test(path)

/** The line, counted from 1, of an offset into a text. */
export const lineAt = (text: string, offset: number): number => text.slice(0, offset).split("\n").length

export const showProblem = (problem: Problem): string =>
  `${problem.path}${problem.line === undefined ? "" : `:${problem.line}`}  ${problem.message}`
