/**
 * An answer put together from several parts, of which some can be done without: a product page without its reviews is a
 * page, without its price it is none.
 *
 * The parts run at the same time. It fails only if a critical part does, with that part's error; the others are then
 * interrupted. Any other part that fails is left out, which the answer says (`degraded`) and telemetry too
 * (`PartDegraded`, with how much it matters). A part that is a chain of `Fallback` counts as degraded when a tier served it.
 *
 * Defects and interruption are not failures that a part can be left out for: they go out, whichever part they are in. It
 * waits for all parts, the optional ones too: how long each may take, its own policy says.
 */
import { type Cause, Effect, Exit, Fiber, Option } from "effect"
import { isServed } from "./fallback/Chain.js"
import { nowMillis } from "./FiberTime.js"
import * as Outcome from "./Outcome.js"
import { mayBeAsked } from "./telemetry/Owner.js"
import * as Telemetry from "./Telemetry.js"

/**
 * How much an answer needs a part. Without a `critical` one there is none. `important` and `optional` ones are left out
 * alike; which it was, telemetry says, so that one can wake somebody and the other need not.
 */
export type Criticality = "critical" | "important" | "optional"

/** A part of an answer. */
export interface Part<out C extends Criticality, out A, out E, out R> {
  readonly criticality: C
  readonly effect: Effect.Effect<A, E, R>
}

type Parts = Readonly<Record<string, Part<Criticality, unknown, unknown, unknown>>>

/** What can be told of the type of a part. */
export declare namespace Part {
  /** What it gives: what its effect gives if it is critical, otherwise that or nothing. */
  export type Value<P> =
    P extends Part<infer C, infer A, unknown, unknown> ? (C extends "critical" ? A : Option.Option<A>) : never
  /** What it makes the whole fail with. */
  export type Error<P> = P extends Part<"critical", unknown, infer E, unknown> ? E : never
  /** What it needs. */
  export type Context<P> = P extends Part<Criticality, unknown, unknown, infer R> ? R : never
}

/** An answer, and which of its parts are not what they should be. */
export interface Degraded<out V, out K> {
  readonly value: V
  /** In the order in which the parts were given; empty if all is well. */
  readonly degraded: ReadonlyArray<K>
}

/** A part without which there is no answer. */
export const critical = <A, E, R>(effect: Effect.Effect<A, E, R>): Part<"critical", A, E, R> => ({
  criticality: "critical",
  effect
})

/** A part that is left out when it fails, though somebody should know. */
export const important = <A, E, R>(effect: Effect.Effect<A, E, R>): Part<"important", A, E, R> => ({
  criticality: "important",
  effect
})

/** A part that is left out when it fails. */
export const optional = <A, E, R>(effect: Effect.Effect<A, E, R>): Part<"optional", A, E, R> => ({
  criticality: "optional",
  effect
})

interface Ended {
  readonly value: unknown
  readonly degraded: boolean
}

/** What becomes of a part that failed: it is left out, unless it holds a defect or no error at all. */
const leftOut =
  (part: string, criticality: "important" | "optional") =>
  (cause: Cause.Cause<unknown>): Effect.Effect<Ended, unknown> =>
    Option.match(Outcome.errorIn(cause), {
      onNone: () => Effect.failCause(cause),
      onSome: (error) =>
        Effect.withFiberRuntime((fiber) => {
          Telemetry.publish(fiber, () => ({
            _tag: "PartDegraded",
            ...Telemetry.ownerOf(error, "degrade"),
            at: nowMillis(fiber),
            part,
            criticality,
            error: Outcome.errorTag(error)
          }))
          return Effect.succeed({ value: Option.none(), degraded: true })
        })
    })

const ended = (name: string, { criticality, effect }: Parts[string]): Effect.Effect<Ended, unknown, unknown> => {
  const wrap = criticality === "critical" ? (value: unknown) => value : Option.some
  const told = Effect.map(effect, (value) => ({ value: wrap(value), degraded: isServed(value) && value.degraded }))
  return criticality === "critical" ? told : Effect.catchAllCause(told, leftOut(name, criticality))
}

const nothing = () => Exit.succeed([])

/**
 * All of them at the same time, each in a fiber of its own; the first that fails ends the others. Not by `Effect.all`, which
 * hangs for ever if its caller is interrupted before the fiber that it starts them from has had its first turn.
 */
const together = <A, E, R>(effects: ReadonlyArray<Effect.Effect<A, E, R>>): Effect.Effect<ReadonlyArray<A>, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(
      Effect.forEach(effects, (effect) => Effect.forkDaemon(restore(effect))),
      (fibers) => {
        const exits: Array<Exit.Exit<A, E>> = []
        let left = fibers.length
        const over = Effect.async<void>((resume) => {
          if (left === 0) resume(Effect.void)
          for (const [n, fiber] of fibers.entries()) {
            fiber.addObserver((exit) => {
              exits[n] = exit
              left--
              if (left === 0 || Exit.isFailure(exit)) resume(Effect.void)
            })
          }
        })
        return Effect.flatMap(Effect.exit(restore(over)), (waited) => {
          const settled = left === 0 ? Effect.void : Fiber.interruptAll(fibers)
          if (Exit.isFailure(waited)) return Effect.zipRight(settled, Effect.failCause(waited.cause))
          const changes = Effect.forEach(fibers, ({ inheritAll }) => inheritAll, { discard: true })
          const answer = Effect.suspend(() => Option.getOrElse(Exit.all(exits, { parallel: true }), nothing))
          return settled.pipe(Effect.zipRight(changes), Effect.zipRight(answer))
        })
      }
    )
  )

/**
 * All parts at the same time, those that cannot be had left out.
 *
 * @example
 * ```ts
 * import { Degrade } from "@effect-resilience/core"
 * import { Effect, Option } from "effect"
 *
 * const page = Degrade.all({
 *   product: Degrade.critical(Effect.succeed("a book")),
 *   stock: Degrade.important(Effect.succeed(3)),
 *   reviews: Degrade.optional(Effect.fail("reviews are down"))
 * })
 * Effect.runPromise(page).then(({ degraded, value }) =>
 *   console.log(value.product, Option.getOrNull(value.reviews), degraded)
 * )
 * ```
 */
export function all<const P extends Parts>(
  parts: P
): Effect.Effect<
  Degraded<{ readonly [K in keyof P]: Part.Value<P[K]> }, keyof P & string>,
  Part.Error<P[keyof P]>,
  Part.Context<P[keyof P]>
>
export function all(parts: Parts): Effect.Effect<Degraded<unknown, string>, unknown, unknown> {
  mayBeAsked()
  const each = Object.entries(parts).map(([name, part]) => Effect.map(ended(name, part), (end) => ({ name, end })))
  return Effect.map(together(each), (ends) => ({
    value: Object.fromEntries(ends.map(({ end, name }) => [name, end.value])),
    degraded: ends.filter(({ end }) => end.degraded).map(({ name }) => name)
  }))
}
