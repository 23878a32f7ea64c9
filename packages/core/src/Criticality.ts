/**
 * How much a request matters, carried through the call tree, so that whoever runs short of capacity refuses what matters
 * least: a `LoadShedder`, and over HTTP the services behind this one.
 *
 * Set it once, at the edge, by the route or by what a caller whom one trusts says of itself; every fork inherits it. What
 * is done beside a request (refreshing a cache, recommendations on a product page) is worth lowering. If everything is
 * critical nothing is: keep `CRITICAL_PLUS` for what a user waits for and money hangs on, provision for `CRITICAL` and it.
 *
 * Source: "Site Reliability Engineering", 2016, chapter 21, "Criticality".
 */
import { LoadShedder as Machine } from "@effect-resilience/machines"
import { Context, Effect, Option } from "effect"
import { dual } from "effect/Function"
import { type AnyFiber, isProvided } from "./FiberTime.js"
import { withReference } from "./Region.js"

/**
 * How much a request matters: `CRITICAL_PLUS`, served as long as anything is; `CRITICAL`, the default, whose refusal users
 * see; `SHEDDABLE_PLUS`, which may be refused for minutes and is tried again (batches); `SHEDDABLE`, often or altogether.
 */
export type Criticality = Machine.Class

/** All classes, what matters most first. */
export const classes: ReadonlyArray<Criticality> = Machine.classes

/** What a request is that says nothing of itself. */
const usual: Criticality = "CRITICAL"

/** The class of the request that is being served; `CRITICAL` where nothing was said. */
export class CurrentCriticality extends Context.Reference<CurrentCriticality>()("@effect-resilience/core/Criticality", {
  defaultValue: (): Criticality => usual
}) {}

/** The class in force in a fiber. */
export const inForce = (fiber: AnyFiber): Criticality =>
  isProvided(fiber, CurrentCriticality) ? Context.get(fiber.currentContext, CurrentCriticality) : usual

/** The class in force; `CRITICAL` where nothing was said. */
export const current: Effect.Effect<Criticality> = Effect.withFiberRuntime((fiber) => Effect.succeed(inForce(fiber)))

/**
 * Runs the effect as a request of this class, and so all that it calls and forks.
 *
 * @example
 * ```ts
 * import { Criticality } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = Criticality.current.pipe(Criticality.withClass("SHEDDABLE"))
 * Effect.runPromise(program).then(console.log)
 * ```
 */
export const withClass: {
  (of: Criticality): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, of: Criticality): Effect.Effect<A, E, R>
} = dual(2, <A, E, R>(self: Effect.Effect<A, E, R>, of: Criticality) => withReference(self, CurrentCriticality, of))

/** The class that a text names, in upper or lower case, with `_` or `-`: `critical-plus`. None if it names none. */
export const fromString = (text: string): Option.Option<Criticality> => {
  const name = text.trim().toUpperCase().replaceAll("-", "_")
  return Option.fromNullable(classes.find((each) => each === name))
}
