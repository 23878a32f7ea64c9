import type { Mutant } from "./mutants.js"

/** Mutants that nobody can tell from the code, as `test/machines/equivalent-mutants.md` lists them. */
export interface Equivalent {
  readonly file: string
  readonly within: string
  /** Part of the code around the change, with the place between brackets. */
  readonly context: string
  readonly after: ReadonlyArray<string>
  readonly reason: string
}

const entry = /^- (\w+) `(\w+)`: `([^`]*⟦[^`]*⟧[^`]*)` → ((?:`[^`]+`(?:, )?)+): (.+)$/

/** An item that reads: file, declaration, code with the place, what it becomes, why. It may go over several lines. */
const parse = (item: string): Equivalent => {
  const [, file, within, context, after, reason] = entry.exec(item) ?? []
  if (file === undefined || within === undefined || context === undefined || after === undefined) {
    throw new Error(`this lists no mutant: ${item}`)
  }
  return {
    file: `${file}.ts`,
    within,
    context,
    after: [...after.matchAll(/`([^`]+)`/g)].map(([, text]) => text ?? ""),
    reason: reason ?? ""
  }
}

/** The items of a page, one for each line that begins with a dash. */
export const equivalentsIn = (page: string): ReadonlyArray<Equivalent> =>
  page
    .replaceAll(/\n {2,}/g, " ")
    .split("\n")
    .filter((line) => line.startsWith("- "))
    .map(parse)

/** Found by its code, not by its line, so that what is edited elsewhere does not matter. */
export const lists = (listed: Equivalent, mutant: Mutant): boolean =>
  listed.file === mutant.file &&
  listed.within === mutant.within &&
  mutant.context.includes(listed.context) &&
  listed.after.includes(mutant.after)
