/**
 * What the script of a service may say of each of its members, by type, and the checks that types cannot make.
 */
import { type Effect, Either } from "effect"
import { InvalidOptions, type ServiceMembers } from "@effect-resilience/core"
import type { MethodScript } from "./Mismatch.js"
import { type AnyStep, layersOf, type Step } from "./Step.js"

/** The script of a member that is an effect, and not a function that gives one. */
export interface EffectScript<out A, out E> {
  readonly steps: ReadonlyArray<Step<readonly [], A, E>>
}

/** Whether it is an effect by nature, and not data that is one by type only (Option, Ref, Deferred, ...). */
type IsEffect<T> = [T] extends [Effect.Effect<infer _A, infer _E, infer _R>]
  ? ServiceMembers.IsData<T> extends true
    ? false
    : true
  : false

/** The script of a member; never for a member that makes no call. */
type MemberScript<M> = [M] extends [(...args: infer Args) => infer Out]
  ? IsEffect<Out> extends true
    ? ReadonlyArray<Step<Args, SuccessOf<M>, ErrorOf<M>>>
    : never
  : IsEffect<M> extends true
    ? EffectScript<SuccessOf<M>, ErrorOf<M>>
    : never

/** The names of the members that are effects or functions that give them. */
export type Methods<S> = { [K in keyof S]-?: [MemberScript<S[K]>] extends [never] ? never : K }[keyof S] & string

/** The steps of each method, call by call. A method that is left out is expected not to be called. */
export type Script<S> = { readonly [K in Methods<S>]?: MemberScript<S[K]> }

/** The members that make no call, which are given as they are: plain values, data, Streams, functions that give those. */
export type Others<S> = Omit<S, Methods<S>>

/** The other members, where there are any. */
export type GivenOthers<S> = [keyof Others<S>] extends [never] ? readonly [] : readonly [others: Others<S>]

/** What a method is called with. */
export type ArgsOf<M> = M extends (...args: infer Args) => unknown ? Args : readonly []

type EffectOf<M> = M extends (...args: never) => infer Out ? Out : M
/** What a call of a method gives. */
export type SuccessOf<M> = EffectOf<M> extends Effect.Effect<infer A, infer _E, infer _R> ? A : never
/** What a call of a method fails with. */
export type ErrorOf<M> = EffectOf<M> extends Effect.Effect<infer _A, infer E, infer _R> ? E : never

/** The script of one method, checked. */
export interface CheckedScript extends MethodScript {
  /** Whether the member is an effect, and not a function that gives one. */
  readonly isEffect: boolean
}

const checkedStep = (option: string, step: AnyStep, isLast: boolean): InvalidOptions.Checked<AnyStep> => {
  const inner = layersOf(step)
  const delays = inner.flatMap((each) =>
    each._tag === "After" ? [InvalidOptions.span(`${option}.after`, each.delay, 0)] : []
  )
  const once = InvalidOptions.also(
    InvalidOptions.valid(step),
    () => isLast || inner.every((each) => each._tag !== "Always"),
    () => ({ option, value: "always", allowed: "the last step of its method" })
  )
  return InvalidOptions.map(InvalidOptions.all<unknown>([...delays, once]), () => step)
}

const checkedMethod = (name: string, script: ReadonlyArray<AnyStep> | EffectScript<unknown, unknown>) => {
  const isEffect = "steps" in script
  const steps = isEffect ? script.steps : script
  const checks = steps.map((step, index) => checkedStep(`${name}[${index}]`, step, index === steps.length - 1))
  return InvalidOptions.map(InvalidOptions.all(checks), (all): CheckedScript => {
    const last = all.at(-1)
    return last !== undefined && layersOf(last).some((each) => each._tag === "Always")
      ? { isEffect, steps: all.slice(0, -1), rest: last }
      : { isEffect, steps: all, rest: undefined }
  })
}

/** A script of any service. */
export type AnyScript = Readonly<Record<string, ReadonlyArray<AnyStep> | EffectScript<unknown, unknown> | undefined>>

/** The scripts of all methods by name, or all that is wrong with them. */
export const checked = (script: AnyScript): InvalidOptions.Checked<ReadonlyMap<string, CheckedScript>> =>
  Either.map(
    InvalidOptions.all(
      Object.entries(script).flatMap(([name, one]) =>
        one === undefined
          ? []
          : [InvalidOptions.map(checkedMethod(name, one), (all): readonly [string, CheckedScript] => [name, all])]
      )
    ),
    (all) => new Map(all)
  )
