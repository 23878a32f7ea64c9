/**
 * A fake dependency that a test drives call by call: a script says what each call of each method does, and calls that are
 * held wait until the test says how they end. Calls, how many were under way at a time, and interruptions are counted,
 * arguments and times of arrival recorded.
 *
 * Use it where a test is about the calls themselves: how many, when, with what. For a dependency that works but for some
 * faults, put `FaultInjection` around a working one.
 *
 * Other calls than the script has fail the test: a call too many, or with other arguments than expected, dies with
 * `ScriptMismatch`; a call that never came is told when the scope closes. The error is a table of what was expected and
 * what arrived.
 *
 * Calls are matched by their number within their method; the order of calls of different methods is in `calls`, but not in
 * the script. An overloaded method is scripted by its last signature. Members that are Streams are not scripted but given.
 */
import { InvalidOptions } from "@effect-resilience/core"
import { type Context, Effect, Effectable, Layer, Queue, type Scope } from "effect"
import { type AnyHeld, CallLog, type Counts, type HeldCall, type Line } from "./scripted/CallLog.js"
import type { Arrived, ScriptMismatch } from "./scripted/Mismatch.js"
import {
  type ArgsOf,
  checked,
  type EffectScript,
  type ErrorOf,
  type GivenOthers,
  type Methods,
  type Script,
  type SuccessOf
} from "./scripted/Script.js"
import type { Step } from "./scripted/Step.js"

export type { Counts, HeldCall } from "./scripted/CallLog.js"
export { type Arrived, type Row, ScriptMismatch } from "./scripted/Mismatch.js"
export type {
  ArgsOf,
  EffectScript,
  ErrorOf,
  GivenOthers,
  Methods,
  Others,
  Script,
  SuccessOf
} from "./scripted/Script.js"
export {
  after,
  type After,
  always,
  type Always,
  answer,
  type Answer,
  die,
  type Die,
  expecting,
  type Expecting,
  fail,
  type Fail,
  hang,
  type Hang,
  hold,
  type Hold,
  type Step,
  succeed,
  type Succeed
} from "./scripted/Step.js"

/** A scripted service and what it has seen. */
export interface Scripted<I, S> {
  readonly service: S
  readonly layer: Layer.Layer<I>
  /** All calls of a method, oldest first. */
  readonly callsTo: <K extends Methods<S>>(method: K) => Effect.Effect<ReadonlyArray<Arrived<ArgsOf<S[K]>>>>
  /** All calls, oldest first. */
  readonly calls: Effect.Effect<ReadonlyArray<Arrived>>
  readonly counts: Effect.Effect<Counts>
  /**
   * The next call of a method that is held, in the order in which they came; waits for it. Dies if the script of the
   * method holds no other call, for then it would wait for ever.
   */
  readonly next: <K extends Methods<S>>(
    method: K
  ) => Effect.Effect<HeldCall<ArgsOf<S[K]>, SuccessOf<S[K]>, ErrorOf<S[K]>>>
  /** Fails if other calls have arrived by now than the script has. Done by itself when the scope closes. */
  readonly verify: Effect.Effect<void, ScriptMismatch>
}

/** The script of a member that is an effect, and not a function that gives one. */
export const effect = <A, E>(...steps: ReadonlyArray<Step<readonly [], A, E>>): EffectScript<A, E> => ({ steps })

/** A call of a member that no script names, which may be a function or an effect: it is both. */
const uncalledFor = (perform: (args: ReadonlyArray<unknown>) => Effect.Effect<unknown, unknown>): unknown =>
  Object.assign((...args: ReadonlyArray<unknown>) => perform(args), Effectable.CommitPrototype, {
    commit: () => perform([])
  })

const serviceOf = <S extends object>(log: CallLog, others: object): S => {
  const service: S = Object.create(null)
  Object.assign(service, others)
  for (const [method, { script }] of log.lines) {
    const perform = (...args: ReadonlyArray<unknown>) => log.perform(method, args)
    Reflect.set(service, method, script.isEffect ? Effect.suspend(perform) : perform)
  }
  return new Proxy(service, {
    get: (target, key) =>
      typeof key === "symbol" || Reflect.has(target, key) || key === "then"
        ? Reflect.get(target, key)
        : uncalledFor((args) => log.perform(key, args))
  })
}

/** The log keeps what any method was called with; its script gives each the types that it has. */
function handleOf<I, S>(tag: Context.Tag<I, S>, service: S, log: CallLog): Scripted<I, S>
function handleOf<I, S>(tag: Context.Tag<I, S>, service: S, log: CallLog): unknown {
  const { calls, callsTo, counts, next, verify } = log
  return { service, layer: Layer.succeed(tag, service), calls, callsTo, counts, next, verify }
}

/**
 * A service that follows a script, call by call of each method. `others` are the members that make no call, where it has
 * such. The service comes first and by itself, so that the compiler knows its methods when it reads the script.
 *
 * When the scope closes, other calls than the script has are a defect, `ScriptMismatch`. Dies with `InvalidOptions`
 * for a delay below 0 or above 24.8 days, and for `always` before the end of a script.
 *
 * @example
 * ```ts
 * import { ScriptedService } from "@effect-resilience/chaos"
 * import { Context, Data, Effect } from "effect"
 *
 * class Down extends Data.TaggedError("Down") {}
 * class Payments extends Context.Tag("app/Payments")<
 *   Payments,
 *   { readonly charge: (cents: number) => Effect.Effect<string, Down> }
 * >() {}
 *
 * const program = Effect.gen(function* () {
 *   const payments = yield* ScriptedService.make(Payments)({
 *     charge: [ScriptedService.fail(new Down()), ScriptedService.hold]
 *   })
 *   const charge = Effect.retry(Effect.flatMap(Payments, (service) => service.charge(100)), { times: 1 })
 *   const fiber = yield* Effect.fork(Effect.provide(charge, payments.layer))
 *   const second = yield* payments.next("charge")
 *   yield* second.succeed(`charged ${second.args[0]}`)
 *   return [yield* fiber, (yield* payments.counts).calls]
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * ```
 */
export const make =
  <I, S extends object>(tag: Context.Tag<I, S>) =>
  (script: Script<S>, ...[others]: GivenOthers<S>): Effect.Effect<Scripted<I, S>, never, Scope.Scope> =>
    Effect.gen(function* () {
      const scripts = yield* InvalidOptions.orDie(tag.key, checked(script))
      const lines = new Map<string, Line>()
      for (const [method, one] of scripts) {
        lines.set(method, { script: one, held: yield* Queue.unbounded<AnyHeld>(), asked: 0 })
      }
      const log = new CallLog(tag.key, lines)
      yield* Effect.addFinalizer(log.close)
      return handleOf(tag, serviceOf<S>(log, others ?? {}), log)
    })

/**
 * As `make`, as a Layer: for a test that only wants the calls to be those of the script.
 *
 * @example
 * ```ts
 * import { ScriptedService } from "@effect-resilience/chaos"
 * import { Context, Effect } from "effect"
 *
 * class Clients extends Context.Tag("app/Clients")<Clients, { readonly count: Effect.Effect<number> }>() {}
 *
 * const layer = ScriptedService.layer(Clients)({ count: ScriptedService.effect(ScriptedService.succeed(3)) })
 * const program = Effect.flatMap(Clients, (clients) => clients.count)
 * Effect.runPromise(Effect.provide(program, layer)).then(console.log)
 * ```
 */
export const layer =
  <I, S extends object>(tag: Context.Tag<I, S>) =>
  (script: Script<S>, ...others: GivenOthers<S>): Layer.Layer<I> =>
    Layer.unwrapScoped(Effect.map(make(tag)(script, ...others), (scripted) => scripted.layer))
