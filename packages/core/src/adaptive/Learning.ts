/**
 * A limit that is learned from calls: its options, and which of the exits say something of it.
 */
import { AdaptiveLimit as Machine } from "@effect-resilience/machines"
import { Cause, Duration, type Exit, Option } from "effect"
import type { Classifier, Verdict } from "../Classifier.js"
import { inForce } from "../Deadline.js"
import { type AnyFiber, nowMillis } from "../FiberTime.js"
import * as InvalidOptions from "../InvalidOptions.js"
import * as Outcome from "../Outcome.js"
import { statusOf } from "../telemetry/Status.js"

/** How a limit is learned, and within which bounds. */
export interface LimitOptions {
  /**
   * `"knee"`, the default: from how much longer calls take than they do alone; or a rule of Netflix's concurrency-limits,
   * `"aimd"`, `"vegas"`, `"gradient2"`.
   */
  readonly algorithm?: Machine.Algorithm | undefined
  /** The limit never falls below this. From 1; default 1. */
  readonly min?: number | undefined
  /** The limit never exceeds this: no more than the pool that the calls draw from. From `min`; default 1000. */
  readonly max?: number | undefined
  /** The first limit, from `min` to `max`; default 20, or the nearest to it that these allow. */
  readonly initial?: number | undefined
}

const algorithms: ReadonlyArray<Machine.Algorithm> = ["knee", "aimd", "vegas", "gradient2"]

/** Checks the options; `path` names them in what is said of them. */
export const limitSettings = (options: LimitOptions, path: string): InvalidOptions.Checked<Machine.Config> => {
  const { algorithm = "knee", min = 1, max = Math.max(1000, min) } = options
  const lowest = Number.isInteger(min) ? Math.max(1, min) : 1
  const highest = Number.isInteger(max) ? Math.max(lowest, max) : lowest
  const initial = options.initial ?? Math.min(highest, Math.max(lowest, 20))
  return InvalidOptions.every<Machine.Config>({
    algorithm: InvalidOptions.also(
      InvalidOptions.valid(algorithm),
      (name) => algorithms.includes(name),
      (name) => ({
        option: `${path}algorithm`,
        value: JSON.stringify(name),
        allowed: `one of ${algorithms.join(", ")}`
      })
    ),
    min: InvalidOptions.integer(`${path}min`, min, 1),
    max: InvalidOptions.integer(`${path}max`, max, lowest),
    initial: InvalidOptions.integer(`${path}initial`, initial, lowest, highest)
  })
}

/** What of a call's end says something of the limit: how long it took, or that it was dropped. */
type Sampled = Machine.Sample["outcome"] | undefined

/** What a call that was cut short says of the limit: nothing, unless it was the budget around it that ended. */
const sampleOfCutShort = (fiber: AnyFiber, now: number): Sampled =>
  now >= (inForce(fiber)?.dueMillis ?? Infinity) ? "Dropped" : undefined

/** What a call's end says of the limit. */
const sampleOf = ({ exit, outcome }: Verdict<unknown, unknown>): Sampled => {
  if (exit._tag === "Failure" && Option.isSome(Cause.dieOption(exit.cause))) return undefined
  if (statusOf(exit) === "timeout") return "Dropped"
  if (outcome._tag === "Success") return "Success"
  return Option.isSome(outcome.retryAfter) ? "Dropped" : undefined
}

/** A call that runs under a limit that is learned from it. */
export interface Begun {
  readonly startedMillis: number
  /** How many ran when it began, itself included. */
  readonly inFlight: number
}

/** What has been learned. */
export class Learning {
  private state: Machine.State
  constructor(private readonly config: Machine.Config) {
    this.state = Machine.initial(config)
  }

  /** How many calls may run at a time. */
  get limit(): number {
    return Machine.limit(this.state)
  }

  /** What a call takes when none waits for another; none as long as that is not known. */
  get baseline(): Option.Option<Duration.Duration> {
    const { baselineMillis } = this.state
    return baselineMillis === 0 ? Option.none() : Option.some(Duration.millis(baselineMillis))
  }

  /** A call has ended: learns from it what there is to learn, and gives what its caller gets. */
  ended<A, E>(fiber: AnyFiber, call: Begun, exit: Exit.Exit<A, E>, classifier: Classifier): Exit.Exit<A, E> {
    const now = nowMillis(fiber)
    if (Outcome.wasCutShort(exit)) {
      this.learn(call, sampleOfCutShort(fiber, now), now)
      return exit
    }
    const verdict = classifier.judge(fiber, exit)
    this.learn(call, sampleOf(verdict), now)
    return verdict.exit
  }

  /** Takes a call for a sample, and the limit that follows. */
  private learn(call: Begun, outcome: Sampled, now: number): void {
    if (outcome !== undefined) this.state = Machine.learn(this.config, this.state, { ...call, outcome }, now)
  }
}
