import { Criticality } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Option } from "effect"

describe("criticality", () => {
  it.effect("is CRITICAL where nothing was said", () =>
    Effect.map(Criticality.current, (of) => expect(of).toBe("CRITICAL"))
  )

  it.effect("is what the nearest around said, in forks too, and what it was afterwards", () =>
    Effect.gen(function* () {
      const forked = Effect.flatMap(Effect.fork(Criticality.current), Fiber.join)
      const daemon = Effect.flatMap(Effect.forkDaemon(Criticality.current), Fiber.join)
      const inner = Criticality.withClass(Effect.all([Criticality.current, forked, daemon]), "SHEDDABLE")
      const seen = yield* Effect.all([Criticality.current, inner, forked]).pipe(Criticality.withClass("CRITICAL_PLUS"))
      expect(seen).toEqual(["CRITICAL_PLUS", ["SHEDDABLE", "SHEDDABLE", "SHEDDABLE"], "CRITICAL_PLUS"])
      expect(yield* Criticality.current).toBe("CRITICAL")
    })
  )

  it.effect("does not outlast work that fails, dies or is interrupted", () =>
    Effect.gen(function* () {
      for (const work of [Effect.fail("no"), Effect.die("a defect"), Effect.interrupt]) {
        const exit = yield* Effect.exit(Criticality.withClass(work, "SHEDDABLE"))
        expect(Exit.isFailure(exit)).toBe(true)
        expect(yield* Criticality.current).toBe("CRITICAL")
      }
    })
  )

  it("is read from its name however that is written, and from nothing else", () => {
    for (const of of Criticality.classes) {
      const written = [of, of.toLowerCase(), of.replace("_", "-"), ` ${of.toLowerCase().replace("_", "-")} `]
      for (const text of written) expect(Criticality.fromString(text)).toEqual(Option.some(of))
    }
    for (const text of ["", "CRITICAL+", "CRITICAL PLUS", "constructor"]) {
      expect(Criticality.fromString(text)).toEqual(Option.none())
    }
  })
})
