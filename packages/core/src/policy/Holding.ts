/**
 * Work that leaves something behind which goes on occupying what was taken for it: a response whose body is still to be
 * read, a transaction that is still open.
 */
import { Context, Effect } from "effect"
import { collecting, holdersIn, Occupancy } from "../Occupancy.js"
import { withReference } from "../Region.js"

/**
 * Takes hold of all that stands between `protectHolding` and the work: permits of bulkheads, the place in a Keyed. What it
 * gives lets go again; only its first call counts.
 */
export type Hold = () => () => void

/**
 * Runs work under policies (a `protect` of theirs), and lets it keep what they have taken for it for longer than it runs. `hold`, called while the
 * work runs, keeps that until what it gives is called, which must happen whatever becomes of the work; a retry outside may
 * run the work again, and each run holds for itself. A hedge makes no second copy of it.
 *
 * @example
 * ```ts
 * import { Bulkhead, Policy } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const bulkhead = yield* Bulkhead.make("files", { maxConcurrent: 2 })
 *   const open = (hold: Policy.Hold) => Effect.sync(() => ({ close: hold() }))
 *   const file = yield* Policy.protectHolding(bulkhead.protect, open)
 *   const whileOpen = yield* bulkhead.snapshot
 *   file.close()
 *   return [whileOpen.active, (yield* bulkhead.snapshot).active]
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * ```
 */
export const protectHolding = <A, E, R, E2>(
  under: <A1, E1, R1>(work: Effect.Effect<A1, E1, R1>) => Effect.Effect<A1, E1 | E2, R1>,
  work: (hold: Hold) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | E2, R> =>
  Effect.withFiberRuntime<A, E | E2, R>((caller) => {
    const around = Context.get(caller.currentContext, Occupancy)
    const outside = holdersIn(around)
    const inside = Effect.withFiberRuntime<A, E, R>((fiber) => {
      const holders = holdersIn(Context.get(fiber.currentContext, Occupancy))
      const taken = holders.filter((holder) => !outside.includes(holder))
      return work(() => {
        let holds = taken.map((holder) => holder.hold())
        return () => {
          const held = holds
          holds = []
          for (const letGo of held) letGo()
        }
      })
    })
    const looked = under(inside)
    return around.wanted && around.isAlone === true
      ? looked
      : withReference(looked, Occupancy, collecting(caller, outside))
  })
