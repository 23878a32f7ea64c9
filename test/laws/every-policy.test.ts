/** What holds for any policy, and for any composition of policies, as long as it has no reason to refuse. */
import { PolicyLaws } from "@effect-resilience/chaos"
import { Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { Declined, Dependency } from "../support/Dependency.js"
import { everyPolicy } from "../support/EveryPolicy.js"

for (const [kind, making] of Object.entries(everyPolicy)) {
  describe(kind, () => {
    for (const law of PolicyLaws.laws) it.effect(law.name, () => law.check(making))

    it.scoped("runs an error that nobody calls transient once", () =>
      Effect.gen(function* () {
        const { protect } = yield* making
        const dependency = new Dependency()
        yield* Effect.exit(protect(dependency.ask(Effect.fail(new Declined({ reason: "no funds" })))))
        expect(dependency.asked).toBe(1)
      })
    )

    it.scoped("is no effect itself, has a name, and can be piped", () =>
      Effect.gen(function* () {
        const policy = yield* making
        expect(Effect.isEffect(policy)).toBe(false)
        expect(typeof policy.name).toBe("string")
        expect(policy.pipe((self) => self)).toBe(policy)
        expect(yield* Effect.succeed(1).pipe(Policy.protect(policy))).toBe(1)
      })
    )

    it.scoped("may stand inside itself", () =>
      Effect.gen(function* () {
        const { protect } = yield* making
        expect(yield* protect(protect(Effect.succeed("twice")))).toBe("twice")
      })
    )
  })
}
