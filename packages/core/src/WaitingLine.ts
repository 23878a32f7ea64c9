/**
 * The permits of a bulkhead and the line of those who wait for one.
 *
 * Mutable, and the only place that is: a linked list, so that joining, leaving and handing over cost O(1) however long
 * the line is (Effect's semaphore wakes every waiter at each release, which is quadratic). The numbers are the machine's.
 *
 * A permit that comes free is handed to the first in line in the same synchronous step; nobody who arrives in between can
 * overtake. A waiter that was handed a permit and is interrupted before it can use it passes it on.
 */
import { Bulkhead as Machine } from "@effect-resilience/machines"
import { Cause, Effect } from "effect"

interface Waiter {
  state: "waiting" | "served" | "gone"
  wake: () => void
  before: Waiter | undefined
  after: Waiter | undefined
}

export class WaitingLine {
  private numbers: Machine.State
  private first: Waiter | undefined
  private last: Waiter | undefined

  constructor(config: { readonly limit: number; readonly maxQueue: number }) {
    this.numbers = Machine.initial(config)
  }

  get present(): Machine.State {
    return this.numbers
  }

  /** Whether a call that arrives now would be rejected. */
  get isFull(): boolean {
    return Machine.isFull(this.numbers)
  }

  /** A call arrives. Who is queued must `wait` in the same synchronous step. */
  readonly enter = (): Machine.Decision => {
    const [decision, next] = Machine.acquire(this.numbers)
    this.numbers = next
    return decision
  }

  /** A permit comes free. */
  readonly release = (): void => {
    const [outcome, next] = Machine.release(this.numbers)
    this.numbers = next
    if (outcome === "HandedOver") this.serveFirst()
  }

  /** From now on so many may have a permit at a time. */
  readonly resize = (limit: number): void => {
    const [handedOver, next] = Machine.resize(this.numbers, limit)
    this.numbers = next
    for (let served = 0; served < handedOver; served++) this.serveFirst()
  }

  /**
   * Waits for a permit at the end of the line; `limit` may end the wait. Whoever is interrupted or whose wait is ended
   * has left the line, and a permit that was handed over in the last moment is used, or passed on.
   */
  readonly wait = <E>(limit: (waiting: Effect.Effect<void>) => Effect.Effect<void, E>): Effect.Effect<void, E> => {
    const waiter: Waiter = { state: "waiting", wake: () => {}, before: this.last, after: undefined }
    if (this.last === undefined) this.first = waiter
    else this.last.after = waiter
    this.last = waiter
    const turn = Effect.async<void>((resume) => {
      if (waiter.state === "served") resume(Effect.void)
      else waiter.wake = () => resume(Effect.void)
    })
    return Effect.catchAllCause(limit(turn), (cause) =>
      Effect.suspend(() => {
        if (waiter.state === "served") {
          const interrupted = Cause.isInterrupted(cause)
          if (interrupted) this.release()
          return interrupted ? Effect.failCause(cause) : Effect.void
        }
        this.unlink(waiter, "gone")
        this.numbers = Machine.leave(this.numbers)
        return Effect.failCause(cause)
      })
    )
  }

  private serveFirst(): void {
    const { first } = this
    if (first === undefined) return
    this.unlink(first, "served")
    first.wake()
  }

  private unlink(waiter: Waiter, state: "served" | "gone"): void {
    if (waiter.before === undefined) this.first = waiter.after
    else waiter.before.after = waiter.after
    if (waiter.after === undefined) this.last = waiter.before
    else waiter.after.before = waiter.before
    waiter.before = undefined
    waiter.after = undefined
    waiter.state = state
  }
}
