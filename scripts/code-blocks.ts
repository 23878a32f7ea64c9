import { lineAt, type SourceFile } from "./source-files.js"

/** A program inside a page or a doc comment. */
export interface CodeBlock {
  /** Unique, and usable as a file name. */
  readonly name: string
  readonly path: string
  readonly line: number
  readonly code: string
}

const fileName = (path: string, line: number): string => `${path.replaceAll(/[^\w]+/g, "-")}-line-${line}`

const block = (file: SourceFile, offset: number, code: string): CodeBlock => {
  const line = lineAt(file.text, offset)
  return { name: fileName(file.path, line), path: file.path, line, code }
}

/** The blocks of a page fenced as exactly ```ts: those are programs. Fragments are fenced as ```typescript. */
export const markdownBlocks = (file: SourceFile): ReadonlyArray<CodeBlock> =>
  [...file.text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map((found) => block(file, found.index, found[1] ?? ""))

/** The ```ts blocks of the doc comments of a source file, without the comment's margin. */
export const exampleBlocks = (file: SourceFile): ReadonlyArray<CodeBlock> =>
  [...file.text.matchAll(/^ *\/\*\*[\s\S]*?\*\//gm)].flatMap((comment) =>
    [...comment[0].matchAll(/^ *\* ?```ts\n([\s\S]*?)^ *\* ?```$/gm)].map((found) =>
      block(file, comment.index + found.index, (found[1] ?? "").replaceAll(/^ *\* ?/gm, ""))
    )
  )

/** What a program says that it prints: the comment that ends it, when it ends with one. */
export const expectedOutput = (code: string): string | undefined => {
  const ending = /(?:^|\n)((?:\/\/[^\n]*\n)*\/\/[^\n]*)$/.exec(code.trimEnd())?.[1]
  return ending?.replaceAll(/^\/\/ ?/gm, "")
}
