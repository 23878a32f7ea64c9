/**
 * The permits of a bulkhead, and the refusal of a call that gets none.
 */
import { Data, type Duration, Effect, Exit, Option, type Types } from "effect"
import { type AnyFiber, nowMillis } from "../FiberTime.js"
import * as Outcome from "../Outcome.js"
import * as Telemetry from "../Telemetry.js"
import { limited } from "../Timer.js"
import { WaitingLine } from "../WaitingLine.js"

/** No permit was to be had: the dependency was not asked. Shed the call, answer with a fallback, or come back later. */
export class BulkheadFull extends Data.TaggedError("BulkheadFull")<{
  readonly policy: string
  readonly limit: number
  readonly queued: number
  /** `full`: nobody more may wait; `waited`: `maxWait` has passed. */
  readonly reason: "full" | "waited"
  readonly retryAfter: Option.Option<Duration.Duration>
}> {
  get [Outcome.RejectionTypeId](): true {
    return true
  }
  get [Outcome.OutcomeTypeId](): Outcome.Outcome {
    return Outcome.ignored()
  }
  override get message(): string {
    const what = this.reason === "full" ? "was refused" : "has waited as long as it may"
    return `All ${this.limit} permits of "${this.policy}" are taken, ${this.queued} wait; this call ${what}: use a fallback`
  }
}

/** Makes the error without running `Error`'s constructor, as that of a circuit is made, and for the same reason. */
const bulkheadFull = (policy: string, limit: number, queued: number, reason: BulkheadFull["reason"]): BulkheadFull => {
  const error: Types.Mutable<BulkheadFull> = Object.create(BulkheadFull.prototype)
  error._tag = "BulkheadFull"
  error.policy = policy
  error.limit = limit
  error.queued = queued
  error.reason = reason
  error.retryAfter = Option.none()
  return error
}

/** Options that were checked; `maxWaitMillis` is Infinity where there is none. */
export interface Settings {
  readonly limit: number
  readonly maxQueue: number
  readonly maxWaitMillis: number
}

/** What a bulkhead is doing, as of now. */
export interface Snapshot {
  readonly active: number
  readonly queued: number
  readonly limit: number
}

/** What is left of a caller's budget, and what the call fails with when that ends while it waits. */
export interface WaitBudget<E> {
  readonly millis: number
  readonly onEnd: () => E
}

/** A line and what a call goes through in it. */
export class Permits {
  private readonly line: WaitingLine
  constructor(
    readonly name: string,
    private readonly of: Settings,
    /** The Keyed that it is of one key of. */
    readonly keyed?: string | undefined
  ) {
    this.line = new WaitingLine(of)
  }

  get snapshot(): Snapshot {
    const { active, limit, queued } = this.line.present
    return { active, queued, limit }
  }

  /** Whether a call that arrives now would be refused. */
  get isFull(): boolean {
    return this.line.isFull
  }

  /** What a call is refused with that arrives when all is full. */
  readonly refuse = (fiber: AnyFiber): Effect.Effect<never, BulkheadFull> => Exit.fail(this.refusal(fiber, "full"))

  /** A permit comes free. */
  readonly release = (): void => this.line.release()

  /** From now on so many may have a permit at a time. */
  readonly resize = (to: number): Effect.Effect<void> =>
    Effect.suspend(() => {
      const { limit: from } = this.snapshot
      this.adjust(to)
      const { keyed, name: policy } = this
      return Telemetry.report((at) => ({ _tag: "BulkheadResized", policy, keyed, at, from, to }))
    })

  /** As `resize`, at once and without a word: for what does so all the time. */
  adjust(to: number): void {
    this.line.resize(to)
  }

  /**
   * Takes a permit, in an uninterruptible region. Undefined: it was there at once. Else what it gives is to be run in the
   * same synchronous step: a refusal, or the wait for a permit, which alone `restore` is for and `budget` may end.
   */
  readonly acquire = <E = never>(
    fiber: AnyFiber,
    restore: <A, E2, R>(self: Effect.Effect<A, E2, R>) => Effect.Effect<A, E2, R>,
    budget?: () => WaitBudget<E> | undefined
  ): Effect.Effect<void, BulkheadFull | E> | undefined => {
    const decision = this.line.enter()
    if (decision === "Admitted") return undefined
    if (decision === "Rejected") return this.refuse(fiber)
    const { maxWaitMillis } = this.of
    const left = budget?.()
    const waited = () => this.refusal(fiber, "waited")
    const wait = this.line.wait((turn) => {
      const patient = limited(turn, maxWaitMillis, () => waited)
      return restore(left === undefined ? patient : limited(patient, left.millis, () => left.onEnd))
    })
    // Told only to who has left: a permit that was handed over in the moment in which the wait ended is used.
    return Effect.mapError(wait, (refuse) => refuse())
  }

  /** Makes the error of a call that gets no permit, and reports it. */
  private refusal(fiber: AnyFiber, reason: BulkheadFull["reason"]): BulkheadFull {
    const { keyed, name: policy } = this
    const { limit, queued } = this.snapshot
    Telemetry.publish(fiber, () => ({
      _tag: "CallRejected",
      policy,
      keyed,
      at: nowMillis(fiber),
      by: "bulkhead",
      retryAfter: undefined
    }))
    return Telemetry.ownedBy(fiber, { policy, keyed }, bulkheadFull(policy, limit, queued, reason))
  }
}
