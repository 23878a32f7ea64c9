/**
 * Those who wait for permits of one key, first come, first served. Only the first looks whether there are any; it wakes the
 * next when it goes, for whatever reason. A mutable linked list: each step is synchronous and O(1).
 */
import { Effect } from "effect"

interface Waiter {
  readonly cost: number
  wake: () => void
  before: Waiter | undefined
  after: Waiter | undefined
  isIn: boolean
}

export type { Waiter }

export class Line {
  private first: Waiter | undefined
  private last: Waiter | undefined
  /** How many permits all in line want. */
  cost = 0

  get isEmpty(): boolean {
    return this.first === undefined
  }

  /** Takes the last place. */
  join(cost: number): Waiter {
    const waiter: Waiter = { cost, wake: () => {}, before: this.last, after: undefined, isIn: true }
    if (this.last === undefined) this.first = waiter
    else this.last.after = waiter
    this.last = waiter
    this.cost += cost
    return waiter
  }

  /** Gives the place back; only the first time counts. If it was the first, the next is. */
  leave(waiter: Waiter): void {
    if (!waiter.isIn) return
    waiter.isIn = false
    this.cost -= waiter.cost
    if (waiter.after === undefined) this.last = waiter.before
    else waiter.after.before = waiter.before
    if (waiter.before !== undefined) {
      waiter.before.after = waiter.after
      return
    }
    this.first = waiter.after
    waiter.after?.wake()
  }

  /** Waits until all before have gone. */
  readonly turnOf = (waiter: Waiter): Effect.Effect<void> =>
    Effect.async((resume) => {
      if (this.first === waiter) resume(Effect.void)
      else waiter.wake = () => resume(Effect.void)
    })

  isFirst(waiter: Waiter): boolean {
    return this.first === waiter
  }
}
