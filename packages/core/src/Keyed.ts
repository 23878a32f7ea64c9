/**
 * One policy for each key (a host, a tenant, a shard), made at the first call for it, so that one that is ill does not
 * open the circuit or take the permits of all the others.
 *
 * Bounded: at `capacity` the instance that was used least recently goes, and one that nobody has used for
 * `idleTimeToLive` goes when a call, for whatever key, comes by; there is no timer. Two kinds never go: one that a call,
 * or what a call has abandoned, is still using; and one with a circuit that is not closed before its next probe is due,
 * or set by hand, because otherwise whoever can choose keys could flush open circuits. Circuits are found in breakers,
 * standard policies and `Policy.all` of them; not in a policy that was written by hand around one. When an opening that
 * kept an instance is over, that counts as a use of it.
 *
 * Where all must stay, keys that have none share one more instance, which the lookup makes for the first such key (so it
 * carries that key's name) and which stays as long as the Keyed: their calls are protected, though not from each other.
 * `snapshot` counts them; if they are many, the capacity is too small.
 *
 * An instance is made once however many wait for it, in a fiber of the Keyed's own and in the context that `make` ran in,
 * outside any caller's deadline; nobody is hurt if the first to ask gives up. It has a scope of its own, which closes when
 * it goes. Instances are not in the `PolicyRegistry`, where they would be as many as there are keys: the Keyed itself is,
 * under its name, and has them as `entries`. A call after the Keyed's scope has closed is interrupted.
 */
import { Context, type Duration, Effect, type Exit, Predicate, Scope } from "effect"
import { dual } from "effect/Function"
import { detached } from "./Deadline.js"
import { Instances, type Made, type Snapshot } from "./Instances.js"
import * as InvalidOptions from "./InvalidOptions.js"
import * as Occupancy from "./Occupancy.js"
import { onEnd, outside, region } from "./Region.js"
import { Base, type Policy } from "./policy/Model.js"
import * as PolicyRegistry from "./PolicyRegistry.js"

export type { Snapshot } from "./Instances.js"

/** How instances are made, and when they go. */
export interface Options<K, P, R> {
  /** Makes the policy of a key, whose scope closes when it goes. If it dies, all who waited get its defect. */
  readonly lookup: (key: K) => Effect.Effect<P, never, Scope.Scope | R>
  /** How many instances are kept at most, the shared one not counted. From 1. */
  readonly capacity: number
  /** How long an instance is kept that nobody uses. From 1 ms. */
  readonly idleTimeToLive: Duration.DurationInput
}

const KeyedTypeId: unique symbol = Symbol.for("@effect-resilience/core/Keyed")

/** What there is to be seen of a Keyed. */
export interface Readable<out K, out P> {
  readonly [KeyedTypeId]: typeof KeyedTypeId
  readonly name: string
  readonly snapshot: Effect.Effect<Snapshot>
  /** The instances that are kept, in no order; the shared one is not among them. */
  readonly entries: Effect.Effect<ReadonlyArray<readonly [key: K, policy: P]>>
}

/** A policy for each key. Keys are compared by `Equal`: strings, numbers, or `Data`. */
export interface Keyed<K, P> extends Readable<K, P> {
  /** Run the effect under the policy of this key, which stays until it has ended. */
  readonly protect: (key: K) => <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | Policy.Error<P>, R>
  /** Run an effect that is made of the policy of this key, which stays until it has ended. */
  readonly use: <A, E, R>(key: K, f: (policy: P) => Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/** Whether this is a Keyed, to look at. */
export const isKeyed = (u: unknown): u is Readable<unknown, Policy<unknown>> => Predicate.hasProperty(u, KeyedTypeId)

class KeyedPolicies<K, E, P extends Policy<E>> {
  readonly [KeyedTypeId]: typeof KeyedTypeId = KeyedTypeId
  constructor(
    readonly name: string,
    private readonly instances: Instances<K, P>
  ) {}

  readonly protect =
    (key: K) =>
    <A, E2, R>(self: Effect.Effect<A, E2, R>): Effect.Effect<A, E | E2, R> =>
      this.use(key, (policy) => policy.protect(self))

  readonly use = <A, E2, R>(key: K, f: (policy: P) => Effect.Effect<A, E2, R>): Effect.Effect<A, E2, R> =>
    region<A, E2, R>((fiber, restore) => {
      if (this.instances.isClosed) return Effect.interrupt
      const { before, instance } = this.instances.pin(fiber, key)
      const holder = Occupancy.make(() => this.instances.unpin(fiber, instance))
      const end = (exit: Exit.Exit<A, E2>) => {
        holder.letGo()
        return exit
      }
      // Late, because making the policy may be what says that somebody may take hold; and a policy may throw.
      const under = ({ policy }: Made<P>) => Effect.suspend(() => Occupancy.publishedIfWanted(fiber, f(policy), holder))
      const { made } = instance
      if (made !== undefined && before.length === 0) return outside(under(made), end)
      const ready = made === undefined ? restore(instance.wait) : Effect.succeed(made)
      const call = Effect.flatMap(ready, (of) => restore(under(of)))
      return onEnd(Effect.zipRight(Effect.all(before, { discard: true }), call), end)
    })

  get snapshot(): Effect.Effect<Snapshot> {
    return Effect.sync(() => this.instances.snapshot)
  }
  get entries(): Effect.Effect<ReadonlyArray<readonly [key: K, policy: P]>> {
    return Effect.sync(() => this.instances.entries)
  }
}

/**
 * Makes a policy for each key, at the first call for it. Dies with `InvalidOptions` if an option is out of range.
 *
 * @example
 * ```ts
 * import { CircuitBreaker, Keyed } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const hosts = yield* Keyed.make("webhooks", {
 *     lookup: (host: string) => CircuitBreaker.make(host, { tripPolicy: CircuitBreaker.consecutive(1) }),
 *     capacity: 1000,
 *     idleTimeToLive: "10 minutes"
 *   })
 *   yield* Effect.exit(Effect.die("no answer").pipe(hosts.protect("a.example")))
 *   return yield* Effect.succeed("delivered").pipe(hosts.protect("b.example"))
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * ```
 */
export function make<K, P extends Policy<unknown>, R = never>(
  name: string,
  options: Options<K, P, R>
): Effect.Effect<Keyed<K, P>, never, Scope.Scope | R>
export function make<K, E, P extends Policy<E>, R>(
  name: string,
  { capacity, idleTimeToLive, lookup }: Options<K, P, R>
): Effect.Effect<KeyedPolicies<K, E, P>, never, Scope.Scope | R> {
  const settings = InvalidOptions.every({
    capacity: InvalidOptions.integer("capacity", capacity, 1),
    idleMillis: InvalidOptions.span("idleTimeToLive", idleTimeToLive)
  })
  const registry = { live: new Set<PolicyRegistry.Entry>(), keyed: name }
  return Effect.flatMap(InvalidOptions.orDie(name, settings), ({ capacity: most, idleMillis }) =>
    Effect.flatMap(Effect.context<Scope.Scope | R>(), (context) => {
      const inside = Context.add(context, PolicyRegistry.PolicyRegistry, registry)
      const policyOf = (key: K, scope: Scope.Scope) =>
        Effect.mapInputContext<P, never, Scope.Scope | R, never>(detached(Effect.suspend(() => lookup(key))), () =>
          Context.add(inside, Scope.Scope, scope)
        )
      const instances = Effect.map(Scope.make(), (scope) => new Instances(most, idleMillis, policyOf, scope))
      return Effect.flatMap(
        Effect.acquireRelease(instances, (each, exit) => each.close(exit)),
        (each) => PolicyRegistry.register(new KeyedPolicies<K, E, P>(name, each))
      )
    })
  )
}

/**
 * Runs the effect under the policy of a key.
 *
 * @example
 * ```ts
 * import { Bulkhead, Keyed } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const tenants = yield* Keyed.make("reports", {
 *     lookup: (tenant: string) => Bulkhead.make(tenant, { maxConcurrent: 5 }),
 *     capacity: 100,
 *     idleTimeToLive: "1 hour"
 *   })
 *   return yield* Effect.succeed("rendered").pipe(Keyed.protect(tenants, "acme"))
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * ```
 */
export const protect: {
  <K, P extends Policy<unknown>>(
    keyed: Keyed<K, P>,
    key: K
  ): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | Policy.Error<P>, R>
  <A, E, R, K, P extends Policy<unknown>>(
    self: Effect.Effect<A, E, R>,
    keyed: Keyed<K, P>,
    key: K
  ): Effect.Effect<A, E | Policy.Error<P>, R>
} = dual(3, <A, E, R, K, P extends Policy<unknown>>(self: Effect.Effect<A, E, R>, keyed: Keyed<K, P>, key: K) =>
  keyed.protect(key)(self)
)

class OfKey<E> extends Base implements Policy<E> {
  readonly protect: Policy<E>["protect"]
  constructor(name: string, under: Policy<E>["protect"]) {
    super(name)
    this.protect = under
  }
}

/**
 * The policy of a key as a value, for what takes a policy: `Policy.all`, `Policy.protectStream`. It asks the Keyed at each
 * call, so it may be kept when the instance has gone. Its name is that of the Keyed.
 *
 * @example
 * ```ts
 * import { Bulkhead, Keyed, Policy } from "@effect-resilience/core"
 * import { Effect, Stream } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const tenants = yield* Keyed.make("exports", {
 *     lookup: (tenant: string) => Bulkhead.make(tenant, { maxConcurrent: 2 }),
 *     capacity: 100,
 *     idleTimeToLive: "1 hour"
 *   })
 *   const rows = Stream.make("row 1", "row 2").pipe(Policy.protectStream(Keyed.forKey(tenants, "acme")))
 *   return yield* Stream.runCollect(rows)
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * ```
 */
export const forKey = <K, P extends Policy<unknown>>(keyed: Keyed<K, P>, key: K): Policy<Policy.Error<P>> =>
  new OfKey<Policy.Error<P>>(keyed.name, keyed.protect(key))
