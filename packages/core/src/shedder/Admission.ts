/**
 * How a request gets into a server: at once, after a wait in the line of its class, or not at all.
 *
 * Mutable, and the only place that is: one state of the machine, and where each that waits is to be told. Whatever changes
 * the state tells all whom that concerns, in the same synchronous step.
 */
import { LoadShedder as Machine } from "@effect-resilience/machines"
import { Effect, Exit } from "effect"
import { Learning } from "../adaptive/Learning.js"
import type { Classifier } from "../Classifier.js"
import * as Criticality from "../Criticality.js"
import { inForce } from "../Deadline.js"
import { type AnyFiber, drawn, nowMillis } from "../FiberTime.js"
import * as Occupancy from "../Occupancy.js"
import { inRegion, outside, type Outside, type Restore, type Step } from "../Region.js"
import * as Telemetry from "../Telemetry.js"
import { limited } from "../Timer.js"
import type { Settings } from "./Options.js"
import { type Shed, shed } from "./Shed.js"

/** One who waits; the answer is set once. */
class Place {
  answer: "served" | Machine.Refusal | undefined = undefined
  wake: () => void = () => {}

  tell(answer: "served" | Machine.Refusal): void {
    this.answer = answer
    this.wake()
  }

  readonly told: Effect.Effect<void> = Effect.async((resume) => {
    if (this.answer === undefined) this.wake = () => resume(Effect.void)
    else resume(Effect.void)
  })
}

export class Admission {
  private readonly learning: Learning
  private readonly places = new Map<number, Place>()
  private state: Machine.State
  private ids = 0

  constructor(
    private readonly subject: Telemetry.Subject,
    private readonly of: Settings,
    private readonly classifier: Classifier,
    /** How late the event loop is. */
    private readonly lateMillis: () => number
  ) {
    this.learning = new Learning(of.capacity)
    this.state = Machine.initial(this.learning.limit)
  }

  get snapshot() {
    const { limit, running } = this.state
    return { limit, inFlight: running, waiting: Machine.waiting(this.state), baseline: this.learning.baseline }
  }

  /** What a request that arrives now is refused with, if it is; else it is still to `enter`. */
  refusedAtOnce(fiber: AnyFiber): Effect.Effect<never, Shed> | undefined {
    const now = nowMillis(fiber)
    const request = this.requestOf(fiber)
    this.hearLoop()
    if (now <= request.latestMillis) {
      if (Machine.wouldRefuse(this.of.machine, this.state, request.class, now) === undefined) return undefined
    }
    const refusal = this.arrive(request, now)
    return refusal === undefined || refusal === "served" ? undefined : this.refuse(fiber, refusal)
  }

  /** Runs a request when it is its turn, in an uninterruptible region. */
  enter<A, E, R>(fiber: AnyFiber, restore: Restore, self: Effect.Effect<A, E, R>): Step<A, E | Shed, R> {
    const request = this.requestOf(fiber)
    const answer = this.arrive(request, nowMillis(fiber))
    if (answer === "served") return this.run(fiber, self)
    if (answer !== undefined) return this.refuse(fiber, answer)
    const place = new Place()
    this.places.set(request.id, place)
    const turn = this.turn(fiber, restore, request, place)
    return Effect.flatMap(turn, () => inRegion(this.run(fiber, self), restore))
  }

  private requestOf(fiber: AnyFiber): Machine.Request {
    const { dueMillis = Infinity } = inForce(fiber) ?? {}
    return { id: this.ids++, class: Criticality.inForce(fiber), latestMillis: dueMillis - this.of.minServiceMillis }
  }

  /** Undefined: it waits. */
  private arrive(request: Machine.Request, now: number): Place["answer"] {
    const [outcome, next] = Machine.arrive(this.of.machine, this.state, request, now)
    this.follow(outcome, next)
    if (outcome.admitted.length > 0) return "served"
    return outcome.refused.find(({ id }) => id === request.id)
  }

  private follow({ admitted, refused }: Machine.Outcome, next: Machine.State): void {
    this.state = next
    for (const id of admitted) this.tell(id, "served")
    for (const refusal of refused) this.tell(refusal.id, refusal)
  }

  private tell(id: number, answer: "served" | Machine.Refusal): void {
    const place = this.places.get(id)
    this.places.delete(id)
    place?.tell(answer)
  }

  /** Waits until somebody has told the place; who has waited long enough looks whether it must go. */
  private turn(fiber: AnyFiber, restore: Restore, request: Machine.Request, place: Place): Effect.Effect<void, Shed> {
    const now = nowMillis(fiber)
    if (place.answer === undefined) {
      this.hearLoop()
      const [refused, next] = Machine.sweep(this.of.machine, this.state, now)
      this.follow({ admitted: [], refused }, next)
    }
    const { answer } = place
    if (answer === "served") return Effect.void
    if (answer !== undefined) return this.refuse(fiber, answer)
    const leaves = Machine.leavesMillis(this.of.machine, this.state, request) ?? now
    const patient = limited(place.told, Math.max(1, leaves - now), () => "look")
    return Effect.matchCauseEffect(restore(Effect.ignore(patient)), {
      onSuccess: () => this.turn(fiber, restore, request, place),
      onFailure: (cause) => {
        if (place.answer === "served") this.release(nowMillis(fiber))
        else if (place.answer === undefined) {
          this.places.delete(request.id)
          this.state = Machine.leave(this.state, request.id)
        }
        return Exit.failCause(cause)
      }
    })
  }

  /** Runs a request that was let in, and learns from how it ends. */
  private run<A, E, R>(fiber: AnyFiber, self: Effect.Effect<A, E, R>): Outside<A, E, R> {
    const call = { startedMillis: nowMillis(fiber), inFlight: this.state.running }
    const { letGo, work } = Occupancy.occupied(fiber, self, () => this.release(nowMillis(fiber)))
    return outside(work, (exit) => {
      const answer = this.learning.ended(fiber, call, exit, this.classifier)
      const { limit } = this.learning
      if (limit !== this.state.limit) {
        this.follow(...Machine.resize(this.of.machine, this.state, limit, nowMillis(fiber)))
      }
      letGo()
      return answer
    })
  }

  private release(now: number): void {
    this.follow(...Machine.release(this.of.machine, this.state, now))
  }

  private hearLoop(): void {
    const late = this.lateMillis()
    if (late !== this.state.delayMillis) this.state = Machine.delayed(this.state, late)
  }

  /** Makes the error of a request that is refused, and reports it. */
  private refuse(fiber: AnyFiber, refusal: Machine.Refusal): Effect.Effect<never, Shed> {
    return Effect.flatMap(drawn(fiber), (random) => {
      const { keyed, policy } = this.subject
      const { class: priority, reason, retryAfterMillis } = refusal
      const retryAfter = Math.min(this.of.maxRetryAfterMillis, Math.ceil(retryAfterMillis * (1 + random / 2)))
      const at = nowMillis(fiber)
      Telemetry.publish(fiber, () => ({ _tag: "RequestShed", policy, keyed, at, priority, reason, retryAfter }))
      return Exit.fail(Telemetry.ownedBy(fiber, this.subject, shed(policy, refusal, retryAfter)))
    })
  }
}
