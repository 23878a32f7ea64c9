/**
 * Every live policy by name, for health checks, gauges at scrape time and dashboards. A policy is in the registry from
 * its `make` until its scope closes. The policies of a `Keyed` are not in it one by one: the Keyed is, and has them.
 *
 * By default there is one registry for the process; `layer` gives a program, or a test, one of its own.
 */
import { Context, Effect, Layer, Scope } from "effect"

/** What has a name: a policy, or a Keyed. */
interface Named {
  readonly name: string
}

/** A live policy, or a Keyed. What kind it is, its own module tells (`CircuitBreaker.isCircuitBreaker`). */
export interface Entry {
  readonly name: string
  readonly policy: Named
}

/** Holds what is registered, in the order of making. A set that is mutated: a copy for each entry made n entries cost n * n. */
export interface Registry {
  readonly live: Set<Entry>
  /** The Keyed whose policies are in it, by name. */
  readonly keyed?: string | undefined
}

const empty = (): Registry => ({ live: new Set() })

/** The registry in force. */
export class PolicyRegistry extends Context.Reference<PolicyRegistry>()("@effect-resilience/core/PolicyRegistry", {
  defaultValue: empty
}) {}

/** A registry of its own for the program that it is provided to. */
export const layer: Layer.Layer<never> = Layer.effectContext(Effect.sync(() => Context.make(PolicyRegistry, empty())))

/** Every live policy, in the order they were made. */
export const entries: Effect.Effect<ReadonlyArray<Entry>> = Effect.map(PolicyRegistry, ({ live }) => [...live])

/** The name of the Keyed that policies are made for here, if they are. */
export const keyed: Effect.Effect<string | undefined> = Effect.map(PolicyRegistry, (registry) => registry.keyed)

const nothing = () => {}

/**
 * Registers a policy while the scope lives, and gives it back; at the end `close` is called. Not by `acquireRelease`, whose
 * finalizer keeps a copy of the fiber's references, which a Keyed would have for each key.
 */
export const register = <P extends Named>(
  policy: P,
  close: () => void = nothing
): Effect.Effect<P, never, Scope.Scope> =>
  Effect.uninterruptible(
    Effect.flatMap(Effect.zip(PolicyRegistry, Effect.scope), ([{ live }, scope]) => {
      const entry: Entry = { name: policy.name, policy }
      live.add(entry)
      const end = Effect.sync(() => {
        live.delete(entry)
        close()
      })
      return Effect.as(Scope.addFinalizer(scope, end), policy)
    })
  )
