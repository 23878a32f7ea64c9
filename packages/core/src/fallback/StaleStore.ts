/**
 * A bounded store of the last good values, for a tier that serves an older one while the dependency is down.
 *
 * `remember(key)` stands around the primary and its policy. Callers of one key at a time share one run of it: the first of
 * them begins it, in a fiber of its own and outside any caller's deadline, and all get what it ends with, failures and
 * defects too. The run goes on while anybody waits for it, whoever has left; when the last one leaves it is interrupted,
 * and that one waits until it has ended. Then the next caller begins anew. What the run succeeds with is remembered.
 *
 * A failure refreshes nothing and is not repeated in the background: when to ask an ill dependency again is for its
 * circuit to say. So a value is as old as the last success, and `maxAge` says how much of an outage it lasts for.
 *
 * Limits. The run has the services, references and span of the caller who began it, so the key must name everything that
 * the value depends on: the user, the tenant, the language. A run that hangs is shared by all who come: give the primary
 * a policy, or a timeout, inside `remember`. References that the run sets are not seen by its callers. An answer that is
 * `Served` and degraded already is handed on and not remembered, or it would be taken for a fresh one.
 */
import { Deferred, Duration, Effect, Exit, Fiber, MutableHashMap, Option } from "effect"
import { detached } from "../Deadline.js"
import { type AnyFiber, nowMillis } from "../FiberTime.js"
import * as InvalidOptions from "../InvalidOptions.js"
import { type Answering, answer, isServed, type Served, step, type Tags } from "./Chain.js"
import { StaleValues } from "./StaleValues.js"

/** How much a store keeps, and for how long. */
export interface StaleOptions {
  /** How many values are kept at most; the one that was neither remembered nor served for longest goes first. From 1. */
  readonly capacity: number
  /** How old a value may be when it is served, since the primary gave it. From 1 ms. */
  readonly maxAge: Duration.DurationInput
}

/** What a stale tier is for. */
export interface StaleTierOptions<T extends string> {
  /** The tags of the errors that it is for; others go on to the next tier, or out. Default: all. */
  readonly when?: T | ReadonlyArray<T> | undefined
  /** Its name in `Served` and in telemetry; default `"stale"`. */
  readonly name?: string | undefined
}

/** What a store is doing. */
export interface StaleSnapshot {
  /** How many values it has, those included that are too old by now and were not asked for since. */
  readonly size: number
  /** How many runs of the primary are under way. */
  readonly running: number
}

/** A bounded store of the last good values. Keys are compared by `Equal`: strings, numbers, or `Data`. */
export interface StaleStore<in K, in out A, in out E> {
  /**
   * Remembers what the primary succeeds with. Those who call it for one key at a time share one run, so the errors of all
   * primaries of a store are of one type.
   */
  readonly remember: (key: K) => <R>(primary: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /**
   * A tier that serves what was remembered for the key, and says how old it is. Where there is nothing, the error that it
   * was asked for goes on unchanged, to the next tier or out, and telemetry has a `FallbackFailed` of `NothingRemembered`.
   */
  readonly tier: {
    (key: K): <B, E2, R>(self: Effect.Effect<Served<B>, E2, R>) => Effect.Effect<Served<A | B>, E2, R>
    <E2, const T extends Tags<E2>>(
      key: K,
      options: StaleTierOptions<T>
    ): <B, R>(self: Effect.Effect<Served<B>, E2, R>) => Effect.Effect<Served<A | B>, E2, R>
  }
  readonly snapshot: Effect.Effect<StaleSnapshot>
}

/** A run of the primary, and how many wait for it. */
class Flight<A, E> {
  waiting = 0
  isOver = false
  fiber: Fiber.Fiber<void> | undefined
  readonly end: Deferred.Deferred<A, E>
  constructor(first: AnyFiber) {
    this.end = Deferred.unsafeMake(first.id())
  }
}

const nothingRemembered = () => "NothingRemembered"

class Store<K, A, E> implements StaleStore<K, A, E> {
  private readonly flights = MutableHashMap.empty<K, Flight<A, E>>()
  constructor(private readonly values: StaleValues<K, A>) {}

  readonly remember =
    (key: K) =>
    <R>(primary: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      Effect.uninterruptibleMask((restore) =>
        Effect.withFiberRuntime<A, E, R>((fiber) => {
          const known = Option.getOrUndefined(MutableHashMap.get(this.flights, key))
          const flight = known ?? new Flight<A, E>(fiber)
          flight.waiting++
          const wait = Effect.onExit(restore(Deferred.await(flight.end)), () => this.leave(key, flight))
          if (known !== undefined) return wait
          MutableHashMap.set(this.flights, key, flight)
          return Effect.flatMap(Effect.forkDaemon(this.run(key, flight, primary)), (run) => {
            flight.fiber = run
            return wait
          })
        })
      )

  /** Forked where nothing interrupts, so that it settles even if it is interrupted before it has begun. */
  private run<R>(key: K, flight: Flight<A, E>, primary: Effect.Effect<A, E, R>): Effect.Effect<void, never, R> {
    return Effect.flatMap(Effect.exit(Effect.interruptible(detached(primary))), (exit) =>
      Effect.withFiberRuntime((fiber) => {
        // Of a run that was given up on the result comes too late: there may be a newer one.
        if (this.forget(key, flight) && Exit.isSuccess(exit)) this.keep(fiber, key, exit.value)
        flight.isOver = true
        Deferred.unsafeDone(flight.end, exit)
        return Effect.void
      })
    )
  }

  private keep(fiber: AnyFiber, key: K, value: A): void {
    if (isServed(value) && value.degraded) return
    this.values.remember(key, value, nowMillis(fiber))
  }

  /** Takes a run out, if it is still that of its key. */
  private forget(key: K, flight: Flight<A, E>): boolean {
    if (Option.getOrUndefined(MutableHashMap.get(this.flights, key)) !== flight) return false
    MutableHashMap.remove(this.flights, key)
    return true
  }

  /** One who waited has gone. */
  private leave(key: K, flight: Flight<A, E>): Effect.Effect<void> {
    return Effect.suspend(() => {
      flight.waiting--
      if (flight.waiting > 0 || flight.isOver || flight.fiber === undefined) return Effect.void
      this.forget(key, flight)
      return Effect.asVoid(Fiber.interrupt(flight.fiber))
    })
  }

  readonly tier =
    (key: K, { name = "stale", when }: StaleTierOptions<string> = {}) =>
    <B, E2, R>(self: Effect.Effect<Served<B>, E2, R>): Effect.Effect<Served<A | B>, E2, R> =>
      step(self, this.answering<E2>(key, name, when))

  private answering<E2>(key: K, name: string, when: StaleTierOptions<string>["when"]): Answering<E2, A, E2, never> {
    return {
      name,
      options: { when, kind: "stale" },
      run: (fiber, _, cause) => {
        const recalled = this.values.recall(key, nowMillis(fiber))
        return recalled === undefined
          ? Effect.failCause(cause)
          : Effect.succeed(answer(name, "stale", recalled.value, Option.some(Duration.millis(recalled.ageMillis))))
      },
      failureTag: nothingRemembered
    }
  }

  get snapshot(): Effect.Effect<StaleSnapshot> {
    return Effect.sync(() => ({ size: this.values.size, running: MutableHashMap.size(this.flights) }))
  }
}

/**
 * Makes a bounded store of a primary's last good values: `remember` around the primary, `tier` in the chain. `K` is what
 * keys are, `A` and `E` what the primary gives and fails with. Dies with `InvalidOptions` if an option is out of range.
 *
 * @example
 * ```ts
 * import { Fallback } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const ratings = yield* Fallback.stale<string, number, "down">({ capacity: 1000, maxAge: "1 hour" })
 *   const rating = (id: string, ask: Effect.Effect<number, "down">) =>
 *     ask.pipe(ratings.remember(id), Fallback.primary, ratings.tier(id))
 *   yield* rating("p7", Effect.succeed(4.5))
 *   return yield* rating("p7", Effect.fail("down" as const))
 * })
 * Effect.runPromise(program).then(({ degraded, tier, value }) => console.log(tier, degraded, value))
 * ```
 */
export const stale = <K, A, E>({ capacity, maxAge }: StaleOptions): Effect.Effect<StaleStore<K, A, E>> => {
  const settings = InvalidOptions.every({
    capacity: InvalidOptions.integer("capacity", capacity, 1),
    maxAgeMillis: InvalidOptions.span("maxAge", maxAge)
  })
  return Effect.map(
    InvalidOptions.orDie("stale", settings),
    (checked) => new Store<K, A, E>(new StaleValues(checked.capacity, checked.maxAgeMillis))
  )
}
