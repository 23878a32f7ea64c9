/**
 * A classifier at work for one policy: it never throws, and it reports each kind of error that the default classifier
 * knows nothing about, once.
 */
import { type Cause, Exit, Option } from "effect"
import { type AnyFiber, nowMillis } from "./FiberTime.js"
import * as Outcome from "./Outcome.js"
import * as Telemetry from "./Telemetry.js"

/** How an exit counts, and the exit itself: that of a classifier's own defect if it threw. */
export interface Verdict<A, E> {
  readonly outcome: Outcome.Outcome
  readonly exit: Exit.Exit<A, E>
}

/** Tells how an exit counts. */
export type Judge<A, E> = (fiber: AnyFiber, exit: Exit.Exit<A, E>) => Verdict<A, E>

/**
 * A judge by a classifier, or by what errors say of themselves. If that throws, or is no outcome, the exit counts for
 * nothing and the caller gets the defect.
 */
export const judgeBy =
  <A, E>(classify: (exit: Exit.Exit<A, E>) => Outcome.Outcome): Judge<A, E> =>
  (_, exit) => {
    try {
      const outcome = Outcome.asOutcome(classify(exit))
      if (outcome === undefined) throw new TypeError("a classifier must give an Outcome")
      return { outcome, exit }
    } catch (defect) {
      return { outcome: Outcome.ignored(), exit: Exit.die(defect) }
    }
  }

/** No more tags than this are remembered; the error types of a program are few. */
const mostTags = 1_000

export class Classifier {
  // Made when they are needed: a Keyed has as many classifiers as keys.
  private told: Set<string> | undefined
  private thrown: WeakSet<Cause.Cause<unknown>> | undefined
  constructor(
    private readonly of: Telemetry.Subject,
    private readonly own: Outcome.Classify | undefined
  ) {}

  /** Whether exits count as `Outcome.classify` says, so that a success is one. */
  get isDefault(): boolean {
    return this.own === undefined
  }

  /** The same, with another classifier for a call. */
  with(classify: Outcome.Classify | undefined): Classifier {
    return classify === undefined ? this : new Classifier(this.of, classify)
  }

  readonly judge = <A, E>(fiber: AnyFiber, exit: Exit.Exit<A, E>): Verdict<A, E> => {
    if (this.own !== undefined) return this.judgedBy(this.own, fiber, exit)
    if (exit._tag === "Success") return { outcome: Outcome.success, exit }
    return this.judgedBy((failed) => this.reported(fiber, failed), fiber, exit)
  }

  /** Retry and breaker both ask: a classifier's own defect, which the one has met, the other does not judge in turn. */
  private judgedBy<A, E>(own: Outcome.Classify, fiber: AnyFiber, exit: Exit.Exit<A, E>): Verdict<A, E> {
    if (exit._tag === "Failure" && this.thrown?.has(exit.cause) === true) return { outcome: Outcome.ignored(), exit }
    const verdict = judgeBy<A, E>(own)(fiber, exit)
    if (verdict.exit !== exit && verdict.exit._tag === "Failure") {
      this.thrown ??= new WeakSet()
      this.thrown.add(verdict.exit.cause)
    }
    return verdict
  }

  private reported(fiber: AnyFiber, exit: Exit.Exit<unknown, unknown>): Outcome.Outcome {
    const outcome = Outcome.classify(exit)
    // What the default knows nothing about counts as a permanent failure; nothing else is to be looked at.
    if (outcome._tag === "Failure" && !outcome.transient) this.report(fiber, exit)
    return outcome
  }

  private report(fiber: AnyFiber, exit: Exit.Exit<unknown, unknown>): void {
    this.told ??= new Set()
    if (this.told.size >= mostTags || this.told.has(Outcome.exitTag(exit))) return
    const tag = Outcome.unclassifiedTag(exit)
    if (Option.isNone(tag)) return
    this.told.add(tag.value)
    const { keyed, policy } = this.of
    Telemetry.publish(fiber, () => ({
      _tag: "UnclassifiedError",
      policy,
      keyed,
      at: nowMillis(fiber),
      error: tag.value
    }))
  }
}
