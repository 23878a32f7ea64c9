/**
 * Every live policy by name, for health checks, gauges at scrape time and dashboards. A policy is in the registry from
 * its `make` until its scope closes.
 *
 * By default there is one registry for the process; `layer` gives a program, or a test, one of its own.
 */
import { Context, Effect, Layer, MutableRef, type Scope } from "effect"
import type { Policy } from "./policy/Model.js"

/** A live policy. What kind it is, its own module tells (`CircuitBreaker.isCircuitBreaker`). */
export interface Entry {
  readonly name: string
  readonly policy: Policy<unknown>
}

/** Holds what is registered. */
export interface Registry {
  readonly cell: MutableRef.MutableRef<ReadonlyArray<Entry>>
}

/** The registry in force. */
export class PolicyRegistry extends Context.Reference<PolicyRegistry>()("@effect-resilience/core/PolicyRegistry", {
  defaultValue: (): Registry => ({ cell: MutableRef.make<ReadonlyArray<Entry>>([]) })
}) {}

/** A registry of its own for the program that it is provided to. */
export const layer: Layer.Layer<never> = Layer.effectContext(
  Effect.sync(() => Context.make(PolicyRegistry, { cell: MutableRef.make<ReadonlyArray<Entry>>([]) }))
)

/** Every live policy, in the order they were made. */
export const entries: Effect.Effect<ReadonlyArray<Entry>> = Effect.map(PolicyRegistry, ({ cell }) =>
  MutableRef.get(cell)
)

/** Registers a policy while the scope lives, and gives it back. */
export const register = <P extends Policy<unknown>>(policy: P): Effect.Effect<P, never, Scope.Scope> =>
  Effect.flatMap(PolicyRegistry, ({ cell }) => {
    const entry: Entry = { name: policy.name, policy }
    return Effect.acquireRelease(
      Effect.sync(() => {
        MutableRef.update(cell, (all) => [...all, entry])
        return policy
      }),
      () => Effect.sync(() => MutableRef.update(cell, (all) => all.filter((each) => each !== entry)))
    )
  })
