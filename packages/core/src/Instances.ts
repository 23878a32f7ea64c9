/**
 * The instances of a Keyed, and what is kept of them. Which of those that nobody uses goes first, `Eviction` says.
 */
import { Deferred, Effect, ExecutionStrategy, Exit, MutableHashMap, Option, Scope } from "effect"
import * as CircuitBreaker from "./CircuitBreaker.js"
import { detached } from "./Deadline.js"
import { Eviction, Resident } from "./Eviction.js"
import { type AnyFiber, nowMillis } from "./FiberTime.js"
import type { Policy } from "./policy/Model.js"

/** What a Keyed is doing, as of now. */
export interface Snapshot {
  /** Instances that are kept or being made, the shared one not counted. */
  readonly size: number
  /** Calls under way, those included that wait for their instance, or that were abandoned and still run. */
  readonly inFlight: number
  /** How many calls, in all, had to share an instance for want of room. */
  readonly overflowed: number
  /** How many instances have gone, in all. */
  readonly evicted: number
}

/** An instance that was made. */
export interface Made<P> {
  readonly policy: P
  readonly scope: Scope.CloseableScope
}

/** An instance that is being made, for those who wait for it. */
interface Making<P> {
  readonly answer: Deferred.Deferred<Made<P>>
}

/** A key's instance, from the first call on. Mutable, as all of a Keyed: each change is one synchronous step. */
export class Instance<K, P extends Policy<unknown>> extends Resident<Instance<K, P>> {
  /** How many calls are in flight. */
  users = 0
  constructor(
    readonly key: K,
    private of: Making<P> | Made<P>
  ) {
    super()
  }

  /** What was made, once it is there. */
  get made(): Made<P> | undefined {
    return "policy" in this.of ? this.of : undefined
  }

  /** What was made, for which this waits. */
  get wait(): Effect.Effect<Made<P>> {
    return "policy" in this.of ? Effect.succeed(this.of) : Deferred.await(this.of.answer)
  }

  /** Nobody will wait for it any more. */
  isMade(made: Made<P>): void {
    this.of = made
    this.breakers = CircuitBreaker.breakersIn(made.policy)
  }
}

/** The instances by key: which there are, which are in use, which go. */
export class Instances<K, P extends Policy<unknown>> {
  private readonly byKey = MutableHashMap.empty<K, Instance<K, P>>()
  private readonly eviction: Eviction<Instance<K, P>>
  private shared: Instance<K, P> | undefined
  /** Whether the scope of all has ended. */
  isClosed = false
  private inFlight = 0
  private overflowed = 0
  private evicted = 0

  constructor(
    private readonly capacity: number,
    idleMillis: number,
    private readonly lookup: (key: K, scope: Scope.Scope) => Effect.Effect<P>,
    private readonly scope: Scope.CloseableScope
  ) {
    this.eviction = new Eviction(idleMillis)
  }

  get snapshot(): Snapshot {
    const { evicted, inFlight, overflowed } = this
    return { size: MutableHashMap.size(this.byKey), inFlight, overflowed, evicted }
  }

  get entries(): ReadonlyArray<readonly [key: K, policy: P]> {
    return Array.from(this.byKey).flatMap(([key, { made }]) =>
      made === undefined ? [] : [[key, made.policy] as const]
    )
  }

  /** Ends all instances, and the making of those that are not there yet. */
  close(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.isClosed = true
      return Scope.close(this.scope, exit)
    })
  }

  /** Finds or begins the instance for a call, which keeps it until `unpin`; `before` is to be run first. */
  pin(
    fiber: AnyFiber,
    key: K
  ): { readonly instance: Instance<K, P>; readonly before: ReadonlyArray<Effect.Effect<unknown>> } {
    const now = nowMillis(fiber)
    const before: Array<Effect.Effect<unknown>> = []
    for (const idle of this.eviction.due(fiber, now)) before.push(this.evict(idle))
    const known = Option.getOrUndefined(MutableHashMap.get(this.byKey, key))
    const isDue = known !== undefined && this.eviction.isDue(fiber, known, now)
    if (isDue) before.push(this.evict(known))
    const instance = known === undefined || isDue ? this.admit(fiber, now, key, before) : known
    this.eviction.remove(instance)
    instance.users++
    this.inFlight++
    return { instance, before }
  }

  /** A call has ended. */
  unpin(fiber: AnyFiber, instance: Instance<K, P>): void {
    this.inFlight--
    instance.users--
    this.rest(instance, nowMillis(fiber))
  }

  /** Begins the instance of a new key, in place of another if need be; or the shared one, if none may go. */
  private admit(fiber: AnyFiber, now: number, key: K, before: Array<Effect.Effect<unknown>>): Instance<K, P> {
    const full = MutableHashMap.size(this.byKey) >= this.capacity
    const oldest = full ? this.eviction.next(fiber, now) : undefined
    if (oldest !== undefined) before.push(this.evict(oldest))
    if (!full || oldest !== undefined) {
      const instance = this.begin(fiber, key, before)
      MutableHashMap.set(this.byKey, key, instance)
      return instance
    }
    this.overflowed++
    return (this.shared ??= this.begin(fiber, key, before))
  }

  /** Has an instance made, apart from the call that asks for it. */
  private begin(fiber: AnyFiber, key: K, before: Array<Effect.Effect<unknown>>): Instance<K, P> {
    const answer = Deferred.unsafeMake<Made<P>>(fiber.id())
    const instance = new Instance<K, P>(key, { answer })
    const making = Effect.flatMap(Scope.fork(this.scope, ExecutionStrategy.sequential), (scope) =>
      Effect.flatMap(Effect.exit(Effect.interruptible(this.lookup(key, scope))), (exit) => {
        const made = Exit.map(exit, (policy) => ({ policy, scope }))
        if (Exit.isSuccess(made)) instance.isMade(made.value)
        else this.forget(instance)
        this.rest(instance, nowMillis(fiber))
        Deferred.unsafeDone(answer, made)
        return Exit.isSuccess(made) ? Effect.void : Scope.close(scope, made)
      })
    )
    before.push(Effect.forkIn(Effect.uninterruptible(making), this.scope))
    return instance
  }

  /** What could not be made is not kept, so that the next call tries again. */
  private forget(instance: Instance<K, P>): void {
    if (this.shared === instance) this.shared = undefined
    else MutableHashMap.remove(this.byKey, instance.key)
  }

  /** An instance that nobody uses may go from now on. */
  private rest(instance: Instance<K, P>, now: number): void {
    const mayGo = instance.users === 0 && instance.made !== undefined && instance !== this.shared
    if (mayGo) this.eviction.add(instance, now)
  }

  /** Takes an instance out; what it gives closes the instance's scope, for which no caller waits. */
  private evict(instance: Instance<K, P>): Effect.Effect<unknown> {
    this.eviction.remove(instance)
    MutableHashMap.remove(this.byKey, instance.key)
    this.evicted++
    const { made } = instance
    return made === undefined
      ? Effect.void
      : Effect.forkIn(Effect.uninterruptible(detached(Scope.close(made.scope, Exit.void))), this.scope)
  }
}
