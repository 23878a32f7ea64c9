/**
 * What any policy must do, whatever it decides: hand on what the work gives, run it no more often than there is reason to, let
 * it be interrupted, and leave nothing behind. For those who write policies of their own, and for compositions of policies.
 *
 * The laws hold for a policy that has no reason to refuse or delay a call, so give one with generous limits; what it does when
 * it has a reason is for tests of its own. A thousand calls are interrupted: a breaker, for one, must not take that for an
 * outage. Any test framework will do: `laws` are effects with names, `check` runs them all.
 *
 * They need no clock: what does not happen within a thousand turns is taken to never happen. A turn is one of the scheduler,
 * unless `turn` says otherwise. They cannot prove that a policy is right, nor find a leak that needs an interruption at a
 * point where none of the thousand falls.
 */
import type { Policy } from "@effect-resilience/core"
import { Data, Effect, type Scope } from "effect"
import { answers } from "./laws/Answers.js"
import { lifetimes } from "./laws/Lifetimes.js"
import { LawBroken, type Rule, Trial } from "./laws/Trial.js"

export { LawBroken } from "./laws/Trial.js"

/** How the policy that is checked is made; each law makes one of its own. */
export type Making = Effect.Effect<Policy.Policy<unknown>, never, Scope.Scope>

/** How the laws wait. */
export interface Options {
  /**
   * What happens while a law waits, again and again. Default `Effect.yieldNow()`, for policies that need neither time nor
   * anything from outside the process; `Effect.sleep("1 millis")` for one that does, `TestClock.adjust("10 millis")` for one
   * that needs time in a test.
   */
  readonly turn?: Effect.Effect<void> | undefined
}

/** A law by itself, for a framework that shows each as a test. */
export interface Law {
  readonly name: string
  readonly check: (make: Making, options?: Options) => Effect.Effect<void, LawBroken>
}

/** Some laws do not hold: each with what it expected and what was seen. */
export class LawsBroken extends Data.TaggedError("LawsBroken")<{ readonly broken: ReadonlyArray<LawBroken> }> {
  override get message(): string {
    return [`${this.broken.length} of ${laws.length} laws do not hold`, ...this.broken.map((law) => law.message)].join(
      "\n  "
    )
  }
}

const lawOf = (rule: Rule): Law => ({
  name: rule.name,
  check: (make, options = {}) =>
    Effect.scoped(rule.holds(new Trial(make, options.turn ?? Effect.yieldNow()))).pipe(
      Effect.mapError((complaint) => new LawBroken({ law: rule.name, ...complaint }))
    )
})

/** Every law, in the order in which `check` tries them. */
export const laws: ReadonlyArray<Law> = [...answers, ...lifetimes].map(lawOf)

/**
 * Tries every law on a policy, and fails with all that do not hold. A defect of the policy's own making, as of options that
 * cannot be meant, is not swallowed.
 *
 * @example
 * ```ts
 * import { PolicyLaws } from "@effect-resilience/chaos"
 * import { Policy } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = PolicyLaws.check(Policy.standard("search", { timeout: "1 minute", deadline: "1 hour" }))
 * Effect.runPromise(program).then(() => console.log(`${PolicyLaws.laws.length} laws hold`))
 * ```
 */
export const check = (make: Making, options: Options = {}): Effect.Effect<void, LawsBroken> =>
  Effect.flatMap(
    Effect.forEach(laws, (law) => Effect.either(law.check(make, options))),
    (results) => {
      const broken = results.flatMap((result) => (result._tag === "Left" ? [result.left] : []))
      return broken.length === 0 ? Effect.void : new LawsBroken({ broken })
    }
  )
