/**
 * What a scripted call does, as data.
 */
import { Duration, type Effect, Predicate } from "effect"

/** The call gives a value. */
export interface Succeed<out A> {
  readonly _tag: "Succeed"
  readonly value: A
}

/** The call fails with an error. */
export interface Fail<out E> {
  readonly _tag: "Fail"
  readonly error: E
}

/** The call dies of a defect. */
export interface Die {
  readonly _tag: "Die"
  readonly defect: unknown
}

/** The call never ends by itself. */
export interface Hang {
  readonly _tag: "Hang"
}

/** The call waits until the test says how it ends. */
export interface Hold {
  readonly _tag: "Hold"
}

/** The call does what a function of its arguments says. */
export interface Answer<in Args extends ReadonlyArray<unknown>, out A, out E> {
  readonly _tag: "Answer"
  readonly answer: (...args: Args) => Effect.Effect<A, E>
}

/** The call waits, then goes on with another step. */
export interface After<out S> {
  readonly _tag: "After"
  readonly delay: Duration.DurationInput
  readonly step: S
}

/** The call must have these arguments. */
export interface Expecting<out Args, out S> {
  readonly _tag: "Expecting"
  readonly args: Args
  readonly step: S
}

/** The call, and any number more of them, also none. */
export interface Always<out S> {
  readonly _tag: "Always"
  readonly step: S
}

/** What one call does, or, as the last of a script, any number of them. */
export type Step<Args extends ReadonlyArray<unknown>, A, E> =
  | Succeed<A>
  | Fail<E>
  | Die
  | Hang
  | Hold
  | Answer<Args, A, E>
  | After<Step<Args, A, E>>
  | Expecting<Readonly<Args>, Step<Args, A, E>>
  | Always<Step<Args, A, E>>

/** The call gives `value`. */
export const succeed = <A>(value: A): Succeed<A> => ({ _tag: "Succeed", value })

/** The call fails with `error`. */
export const fail = <E>(error: E): Fail<E> => ({ _tag: "Fail", error })

/** The call dies of `defect`. */
export const die = (defect: unknown): Die => ({ _tag: "Die", defect })

/** The call never ends by itself; it can be interrupted. */
export const hang: Hang = { _tag: "Hang" }

/** The call waits until the test, which gets it from `next`, says how it ends. */
export const hold: Hold = { _tag: "Hold" }

/** The call does what `answer` makes of its arguments. */
export const answer = <Args extends ReadonlyArray<unknown>, A, E>(
  f: (...args: Args) => Effect.Effect<A, E>
): Answer<Args, A, E> => ({ _tag: "Answer", answer: f })

/** The call waits for `delay`, from 0, then does `step`. */
export const after = <S>(delay: Duration.DurationInput, step: S): After<S> => ({ _tag: "After", delay, step })

/** The call must have arguments equal to these, or it is not the one that was expected. */
export const expecting = <const Args extends ReadonlyArray<unknown>, S>(args: Args, step: S): Expecting<Args, S> => ({
  _tag: "Expecting",
  args,
  step
})

/** Every further call does `step`, and there need not be any. Only as the last of a script. */
export const always = <S>(step: S): Always<S> => ({ _tag: "Always", step })

/** A step of any method. */
export type AnyStep = Step<ReadonlyArray<unknown>, unknown, unknown>

/** The steps inside a step, itself first. */
export const layersOf = (step: AnyStep): ReadonlyArray<AnyStep> =>
  Predicate.hasProperty(step, "step") ? [step, ...layersOf(step.step)] : [step]

/** A step in words. */
export const wordsOf = (step: AnyStep): string => {
  switch (step._tag) {
    case "Succeed":
      return "succeeds"
    case "Fail":
      return `fails with ${nameOf(step.error)}`
    case "Die":
      return `dies of ${nameOf(step.defect)}`
    case "Hang":
      return "hangs"
    case "Hold":
      return "is held"
    case "Answer":
      return "answers"
    case "After":
      return `${wordsOf(step.step)} after ${Duration.format(step.delay)}`
    case "Expecting":
    case "Always":
      return wordsOf(step.step)
  }
}

const nameOf = (error: unknown): string => {
  if (Predicate.hasProperty(error, "_tag")) return String(error._tag)
  return error instanceof Error ? error.name : typeof error === "string" ? JSON.stringify(error) : typeof error
}
