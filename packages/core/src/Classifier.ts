/**
 * A classifier at work for one policy: it never throws, and it reports each kind of error that the default classifier
 * knows nothing about, once.
 */
import { Exit, Option } from "effect"
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

/** A judge by a classifier of the caller's. If that throws, the exit counts for nothing and the caller gets the defect. */
export const judgeBy =
  <A, E>(classify: (exit: Exit.Exit<A, E>) => Outcome.Outcome): Judge<A, E> =>
  (_, exit) => {
    try {
      return { outcome: classify(exit), exit }
    } catch (defect) {
      return { outcome: Outcome.ignored(), exit: Exit.die(defect) }
    }
  }

/** No more tags than this are remembered; the error types of a program are few. */
const mostTags = 1_000

export class Classifier {
  private readonly reported = new Set<string>()
  constructor(
    private readonly policy: string,
    private readonly own: Outcome.Classify | undefined
  ) {}

  /** The same, with another classifier for a call. */
  readonly with = (classify: Outcome.Classify | undefined): Classifier =>
    classify === undefined ? this : new Classifier(this.policy, classify)

  readonly judge = <A, E>(fiber: AnyFiber, exit: Exit.Exit<A, E>): Verdict<A, E> => {
    if (this.own !== undefined) return judgeBy<A, E>(this.own)(fiber, exit)
    if (exit._tag === "Failure") this.report(fiber, exit)
    return { outcome: Outcome.classify(exit), exit }
  }

  private report(fiber: AnyFiber, exit: Exit.Exit<unknown, unknown>): void {
    const tag = Outcome.unclassifiedTag(exit)
    if (Option.isNone(tag) || this.reported.has(tag.value) || this.reported.size >= mostTags) return
    this.reported.add(tag.value)
    const { policy } = this
    Telemetry.publish(fiber, () => ({ _tag: "UnclassifiedError", policy, at: nowMillis(fiber), error: tag.value }))
  }
}
