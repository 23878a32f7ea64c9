import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Options from "../../../examples/order-service/demo/Options.js"

describe("the demo's options", () => {
  it.effect("have defaults", () =>
    Effect.gen(function* () {
      expect(yield* Options.parse([])).toEqual({
        quick: false,
        pool: 100,
        seed: 1,
        json: undefined,
        svg: undefined,
        help: false
      })
    })
  )

  it.effect("are read, also after the -- that package managers pass on", () =>
    Effect.gen(function* () {
      const options = yield* Options.parse(["--", "--quick", "--pool", "unlimited", "--seed=3", "--json", "a.json"])
      expect(options).toMatchObject({ quick: true, pool: "unlimited", seed: 3, json: "a.json" })
    })
  )

  it.effect("that make no sense are refused with a sentence that says what does", () =>
    Effect.gen(function* () {
      for (const args of [
        ["--pool", "0"],
        ["--pool", "many"],
        ["--seed", "1.5"],
        ["--sed", "1"],
        ["x"],
        ["--json"],
        ["--json="]
      ]) {
        const error = yield* Effect.flip(Options.parse(args))
        expect(error._tag).toBe("BadOption")
        expect(error.message).toContain("--help")
      }
      const error = yield* Effect.flip(Options.parse(["--pool", "0"]))
      expect(error.message).toContain("--pool must be a whole number from 1 to 65535")
    })
  )

  it("are all in the help", () => {
    for (const flag of ["--quick", "--pool", "--seed", "--json", "--svg", "--help"])
      expect(Options.help).toContain(flag)
  })
})
