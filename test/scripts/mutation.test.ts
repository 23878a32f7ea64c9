import { describe, expect, it } from "@effect/vitest"
import { equivalentsIn, lists } from "../../scripts/mutation/equivalents.js"
import { mutantsOf, sample } from "../../scripts/mutation/mutants.js"

/** What becomes of a piece of code: the text between its brackets and what stands there instead. */
const changes = (code: string): ReadonlyArray<string> =>
  mutantsOf("Some.ts", code).map(({ after, context }) => `${/⟦(.*)⟧/.exec(context)?.[1]} -> ${after}`)

describe("mutants", () => {
  it.each([
    ["const f = a < b", ["< -> <=", "< -> >="]],
    ["const f = a === b", ["=== -> !=="]],
    ["const f = a && b", ["&& -> ||"]],
    ["const f = !a", ["!a -> a"]],
    ["const f = a + 7", ["+ -> -", "7 -> (8)", "7 -> (6)"]],
    ["const f = true", ["true -> false"]],
    ["const f = Math.min(a, b)", ["Math.min -> Math.max"]],
    ["const f = () => { a++ }", ["a++ -> ;", "a++ -> a--"]],
    ["const f = () => { a += b }", ["a += b -> ;", "+= -> -="]],
    ["const f = a ? b : c", ["a -> !(a)", "a ? b : c -> (b)", "a ? b : c -> (c)"]],
    ["const f = { ...a, b, c: d }", ["...a -> ...{}", "b -> ...{}", "c: d -> ...{}"]],
    ["const f = [...a, b]", ["...a -> ...[]", "b -> ...[]"]]
  ])("of %s", (code, expected) => {
    expect(changes(code)).toEqual(expected)
  })

  it("negate a condition, or let it always hold, and leave a guard out", () => {
    const guard = "if (a) return b;"
    expect(changes(`const f = () => { ${guard} return c }`)).toEqual(["a -> !(a)", "a -> true", `${guard} -> ;`])
  })

  it("keep the state as it was, with the answer or without a transition", () => {
    const step = (answer: string, end: string) => changes(`const f = (state: S): readonly [${answer}, S] => ${end}`)
    expect(step("Decision", "[decision, next]")).toEqual(["next -> state"])
    expect(step("Transition | undefined", "a.b ? [undefined, state] : trip(state)")).toEqual([
      "trip(state) -> [undefined, state]",
      "a.b -> !(a.b)",
      "a.b ? [undefined, state] : trip(state) -> ([undefined, state])",
      "a.b ? [undefined, state] : trip(state) -> (trip(state))"
    ])
    expect(changes("const f = (window: W, by: number): W => { return moved(window) }")).toEqual([
      "moved(window) -> window"
    ])
  })

  it("say nothing instead of something", () => {
    expect(changes("const f = (by: number): Breach | undefined => found(by)")).toEqual(["found(by) -> undefined"])
  })

  it("leave types and imports alone", () => {
    expect(changes('import { a } from "b"\ntype T = 1 | 2\ninterface I { readonly a: 3 }\nlet t: 4')).toEqual([])
  })
})

describe("a sample", () => {
  it("is the same for the same seed, and another one for another", () => {
    const items = Array.from({ length: 100 }, (_, n) => n)
    expect(sample(items, 10, 1)).toEqual(sample(items, 10, 1))
    expect(sample(items, 10, 1)).not.toEqual(sample(items, 10, 2))
    expect(new Set(sample(items, 10, 3)).size).toBe(10)
  })
})

describe("a list of equivalents", () => {
  const page = "# Title\n\nText.\n\n- Some `f`: `a ⟦<⟧ b` → `<=`, `>=`: what\n  goes on\n"

  it("names file, declaration, place, changes and reason, also over several lines", () => {
    expect(equivalentsIn(page)).toEqual([
      { file: "Some.ts", within: "f", context: "a ⟦<⟧ b", after: ["<=", ">="], reason: "what goes on" }
    ])
    expect(() => equivalentsIn("- Some: nothing\n")).toThrow("lists no mutant")
  })

  it("finds its mutants wherever their line is, and no others", () => {
    const listed = equivalentsIn(page)
    const isListed = (code: string) =>
      mutantsOf("Some.ts", code).map((mutant) => listed.some((each) => lists(each, mutant)))
    expect(isListed("\n\nconst f = (a < b)")).toEqual([true, true])
    expect(isListed("const g = a < b")).toEqual([false, false])
    expect(isListed("const f = a > b")).toEqual([false, false])
  })
})
