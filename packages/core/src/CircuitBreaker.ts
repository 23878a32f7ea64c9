/**
 * A circuit breaker: after enough failures it stops asking the dependency for a while, then lets a probe through, and
 * closes again when that succeeds.
 *
 * Use it on every call that leaves the process, outside the retry, so that a request counts once however often it was
 * repeated, and with a timeout inside: a breaker counts what has ended, and a call that hangs for ever never does.
 *
 * Calls that were admitted before the circuit opened go on, and what they end with changes nothing any more. There is no
 * timer: `state` and `snapshot` are computed from the clock when read, so an idle circuit reads half-open from the moment
 * a probe would be let through. A call cut short from outside (an interruption, or a deadline that a caller set) counts
 * as a failure only if the dependency had had its `patience`: a caller in a hurry cannot open the circuit for everybody.
 *
 * By hand a circuit is isolated, disabled, reset, or told only to observe: then it refuses nothing and counts what it
 * would have refused, so that a rule can be tried on real calls. `transitions` tells each change as it is taken.
 *
 * Source: Michael Nygard, "Release It!", 2nd edition, 2018. Names follow Effect 4's `CircuitBreaker`.
 */
import { Effect, Exit, Predicate, Random, type Scope, type Stream } from "effect"
import { dual } from "effect/Function"
import { Circuit, isPermit, type Permit, type State } from "./Circuit.js"
import type { CircuitOpen } from "./CircuitOpen.js"
import * as CircuitOptions from "./CircuitOptions.js"
import type { Snapshot } from "./CircuitSnapshot.js"
import { Classifier, type Judge, judgeBy } from "./Classifier.js"
import { type AnyFiber, nowMillis } from "./FiberTime.js"
import * as InvalidOptions from "./InvalidOptions.js"
import type * as Outcome from "./Outcome.js"
import { Base, partsOf, type Policy } from "./policy/Model.js"
import { callEnded, type Told, turnedAway } from "./policy/Told.js"
import { inRegion, outside, region } from "./Region.js"
import { settleExit, type Teller } from "./Settlement.js"
import * as Telemetry from "./Telemetry.js"
import * as PolicyRegistry from "./PolicyRegistry.js"
import type { Transition } from "./Transitions.js"

export type { Permit, State } from "./Circuit.js"
export { CircuitOpen, type Reason } from "./CircuitOpen.js"
export type { Snapshot } from "./CircuitSnapshot.js"
export type { HalfOpenOptions } from "./CircuitOptions.js"
export type { Observed } from "./Observation.js"
export type { OpenDuration } from "./Openings.js"
export type { Cause, Transition } from "./Transitions.js"
export {
  any,
  type AnyOf,
  type Consecutive,
  consecutive,
  count,
  type Rate,
  rate,
  type Rule,
  type Slow,
  slow,
  time,
  type TripPolicy,
  type WindowOptions
} from "./TripOptions.js"

/** The options of a circuit breaker. */
export interface Options extends CircuitOptions.Options {
  /** How an exit counts. Default `Outcome.classify`. */
  readonly classify?: Outcome.Classify | undefined
}

/** What a call can say for itself. */
export interface CallOptions<A, E> {
  /** How this call's exit counts, in place of the breaker's own classifier. */
  readonly classify?: ((exit: Exit.Exit<A, E>) => Outcome.Outcome) | undefined
}

const CircuitTypeId: unique symbol = Symbol.for("@effect-resilience/core/CircuitBreaker")

/** A circuit breaker: its one error is `CircuitOpen`; `state` and `snapshot` are as of the moment they are run. */
export interface CircuitBreaker extends Policy<CircuitOpen> {
  readonly [CircuitTypeId]: Circuit
  /** Of a circuit that only observes: what it would be. */
  readonly state: Effect.Effect<State>
  readonly snapshot: Effect.Effect<Snapshot>
  /**
   * Every transition as it is taken, beginning with the present state (`from` and `to` are that state, the cause is
   * `Present`). What the clock makes due is taken at the next call, with `at` the moment it became due. A follower that
   * is more than 64 transitions behind loses the oldest. Ends when the breaker's scope closes.
   */
  readonly transitions: Stream.Stream<Transition>
  /** By hand: every call is refused. Until `reset`, `disable` or `observe`. */
  readonly isolate: Effect.Effect<void>
  /** By hand: every call is let through and counted, and the circuit never opens. Until `reset`, `isolate` or `observe`. */
  readonly disable: Effect.Effect<void>
  /**
   * By hand: nothing is refused or kept from being repeated. The circuit goes on by the calls that it would have let
   * through; the others, and what became of them, are counted apart, in the snapshot's `observed`, and reported as
   * `RejectionObserved` and `ChangeObserved`. Until `reset`, `isolate` or `disable`.
   */
  readonly observe: Effect.Effect<void>
  /** By hand: closed, nothing counted, and what calls under way end with changes nothing; however the circuit was set. */
  readonly reset: Effect.Effect<void>
  /** Run the effect under this breaker, with options for this call. */
  readonly protectWith: <A, E, R>(
    self: Effect.Effect<A, E, R>,
    options: CallOptions<A, E>
  ) => Effect.Effect<A, E | CircuitOpen, R>
}

/** Whether this is a circuit breaker. */
export const isCircuitBreaker = (u: unknown): u is CircuitBreaker => Predicate.hasProperty(u, CircuitTypeId)

const toldOf = ({ keyed, name: policy }: Circuit): Told => ({ policy, keyed, operation: undefined, status: undefined })

/** Tells of a call through the breaker alone, where anybody hears of every call. */
const tellerOf = (fiber: AnyFiber, circuit: Circuit, permit: Permit): Teller | undefined => {
  const hub = Telemetry.hubOfCalls(fiber)
  return (
    hub && {
      settled: (at, exit, counted) => {
        const lasted = at - permit.startedMillis
        const numbers = { at, counted, duration: lasted, attempts: 1, lastAttempt: lasted }
        callEnded(hub, fiber, toldOf(circuit), exit, numbers)
      }
    }
  )
}

/** The circuit breakers that a policy has, itself included. */
export const breakersIn = (policy: Policy<unknown>): ReadonlyArray<CircuitBreaker> =>
  isCircuitBreaker(policy) ? [policy] : partsOf(policy).flatMap(breakersIn)

const through = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  circuit: Circuit,
  judge: Judge<A, E>
): Effect.Effect<A, E | CircuitOpen, R> => {
  const told = toldOf(circuit)
  const refusal = (fiber: AnyFiber) => {
    const refusing = circuit.isClosed ? undefined : circuit.refusing(fiber, nowMillis(fiber))
    return refusing && turnedAway(fiber, told, undefined, refusing)
  }
  return region<A, E | CircuitOpen, R>((fiber, restore) => {
    const admitted = (permit: Permit) => {
      const teller = tellerOf(fiber, circuit, permit)
      return outside(self, (exit) => {
        if (Exit.isFailure(exit)) Telemetry.ended(fiber, told, exit)
        return settleExit(fiber, circuit, permit, judge, exit, undefined, teller)
      })
    }
    const permit = circuit.acquire(fiber, nowMillis(fiber))
    if (isPermit(permit)) return admitted(permit)
    const asked = turnedAway(fiber, told, undefined, permit)
    return Effect.flatMap(asked, (granted) => inRegion(admitted(granted), restore))
  }, refusal)
}

class Breaker extends Base implements CircuitBreaker {
  readonly [CircuitTypeId]: Circuit
  constructor(
    circuit: Circuit,
    private readonly classifier: Classifier
  ) {
    super(circuit.name)
    this[CircuitTypeId] = circuit
  }
  readonly protect = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | CircuitOpen, R> =>
    through(self, this[CircuitTypeId], this.classifier.judge)
  readonly protectWith = <A, E, R>(self: Effect.Effect<A, E, R>, { classify }: CallOptions<A, E>) =>
    through(self, this[CircuitTypeId], classify === undefined ? this.classifier.judge : judgeBy(classify))
  get state(): Effect.Effect<State> {
    return Effect.map(this.snapshot, ({ state }) => state)
  }
  get snapshot(): Effect.Effect<Snapshot> {
    return Effect.withFiberRuntime((fiber) => Effect.succeed(this[CircuitTypeId].snapshot(fiber)))
  }
  get transitions(): Stream.Stream<Transition> {
    return this[CircuitTypeId].transitions
  }
  get isolate(): Effect.Effect<void> {
    return Effect.withFiberRuntime((fiber) => this[CircuitTypeId].isolate(fiber))
  }
  get disable(): Effect.Effect<void> {
    return Effect.withFiberRuntime((fiber) => this[CircuitTypeId].disable(fiber))
  }
  get observe(): Effect.Effect<void> {
    return Effect.withFiberRuntime((fiber) => this[CircuitTypeId].observe(fiber))
  }
  get reset(): Effect.Effect<void> {
    return Effect.withFiberRuntime((fiber) => this[CircuitTypeId].reset(fiber))
  }
}

/** Makes a breaker of settings that were checked, and registers it while the scope lives. */
export const fromSettings = (
  name: string,
  settings: CircuitOptions.Settings,
  classifier: Classifier
): Effect.Effect<CircuitBreaker, never, Scope.Scope> =>
  Effect.flatMap(
    Effect.all([CircuitOptions.numbers(name, settings), Random.next, PolicyRegistry.keyed]),
    ([numbers, random, keyed]) => {
      const circuit = new Circuit(name, numbers, random, keyed)
      return PolicyRegistry.register(new Breaker(circuit, classifier), () => circuit.close())
    }
  )

/** The circuit inside a breaker, for compositions that take its steps themselves. */
export const circuitOf = (breaker: CircuitBreaker): Circuit => breaker[CircuitTypeId]

/**
 * Makes a circuit breaker. Dies with `InvalidOptions` if an option is out of range.
 *
 * @example
 * ```ts
 * import { CircuitBreaker } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const breaker = yield* CircuitBreaker.make("payment", {
 *     tripPolicy: CircuitBreaker.consecutive(5),
 *     openDuration: "30 seconds"
 *   })
 *   yield* Effect.succeed("paid").pipe(breaker.protect)
 *   return yield* breaker.state
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * ```
 */
export const make = (name: string, options: Options = {}): Effect.Effect<CircuitBreaker, never, Scope.Scope> =>
  Effect.flatMap(
    Effect.zip(InvalidOptions.orDie(name, CircuitOptions.settings(options, "")), PolicyRegistry.keyed),
    ([settings, keyed]) => fromSettings(name, settings, new Classifier({ policy: name, keyed }, options.classify))
  )

/**
 * Runs the effect under a breaker; `classify` says how this call's exit counts.
 *
 * @example
 * ```ts
 * import { CircuitBreaker, Outcome } from "@effect-resilience/core"
 * import { Effect, Exit } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const breaker = yield* CircuitBreaker.make("search", { tripPolicy: CircuitBreaker.consecutive(1) })
 *   const answer = Effect.succeed({ status: "ill" })
 *   yield* CircuitBreaker.protect(answer, breaker, {
 *     classify: (exit) => (Exit.isSuccess(exit) && exit.value.status === "ill" ? Outcome.failure() : Outcome.success)
 *   })
 *   return yield* breaker.state
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * ```
 */
export const protect: {
  <A = unknown, E = unknown>(
    breaker: CircuitBreaker,
    options?: CallOptions<A, E>
  ): <A2 extends A, E2 extends E, R>(self: Effect.Effect<A2, E2, R>) => Effect.Effect<A2, E2 | CircuitOpen, R>
  <A, E, R>(
    self: Effect.Effect<A, E, R>,
    breaker: CircuitBreaker,
    options?: CallOptions<A, E>
  ): Effect.Effect<A, E | CircuitOpen, R>
} = dual(
  (args) => Effect.isEffect(args[0]),
  <A, E, R>(self: Effect.Effect<A, E, R>, breaker: CircuitBreaker, options: CallOptions<A, E> = {}) =>
    breaker.protectWith(self, options)
)

/** Asks for a permit, for calls that are not one effect. Whoever got one must `settle` it once, whatever happens. */
export const acquire = (breaker: CircuitBreaker): Effect.Effect<Permit, CircuitOpen> =>
  Effect.withFiberRuntime((fiber) => {
    const permit = circuitOf(breaker).acquire(fiber, nowMillis(fiber))
    return isPermit(permit) ? Effect.succeed(permit) : permit
  })

/** Says how the call that a permit was granted for has ended. */
export const settle = (breaker: CircuitBreaker, permit: Permit, outcome: Outcome.Outcome): Effect.Effect<void> =>
  Effect.withFiberRuntime((fiber) => circuitOf(breaker).settle(fiber, nowMillis(fiber), permit, outcome) ?? Effect.void)
