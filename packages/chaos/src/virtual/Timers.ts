/**
 * The armed timers of a run in virtual time: a binary heap by due time, in which every timer knows its place, so that one
 * that is called off is gone at once. Of those that are due together, the first armed comes first.
 */

/** What is to happen when its time has come. Mutable: its place changes as the heap does. */
interface Timer {
  readonly dueMillis: number
  /** How many were armed before. */
  readonly order: number
  readonly ring: () => void
  /** Where it is in the heap; -1 where it is not. */
  place: number
}

const isBefore = (one: Timer, other: Timer): boolean =>
  one.dueMillis === other.dueMillis ? one.order < other.order : one.dueMillis < other.dueMillis

export class Timers {
  private readonly heap: Array<Timer> = []
  private armed = 0

  /** When the next one is due; Infinity if none is armed. */
  get nextDueMillis(): number {
    return this.heap[0]?.dueMillis ?? Infinity
  }

  /** Arms a timer; what it gives calls it off, and says whether there was still something to call off. */
  arm(dueMillis: number, ring: () => void): () => boolean {
    const timer: Timer = { dueMillis, order: this.armed++, ring, place: -1 }
    this.rise(timer, this.heap.length)
    return () => this.remove(timer)
  }

  /** Rings all that are due, but for those that are armed meanwhile. */
  ringDue(nowMillis: number): void {
    const before = this.armed
    for (
      let first = this.heap[0];
      first !== undefined && first.dueMillis <= nowMillis && first.order < before;
      first = this.heap[0]
    ) {
      this.remove(first)
      first.ring()
    }
  }

  private remove(timer: Timer): boolean {
    const { place } = timer
    if (place < 0) return false
    timer.place = -1
    const last = this.heap.pop()
    if (last !== undefined && last !== timer) {
      this.rise(last, place)
      this.sink(last)
    }
    return true
  }

  private put(timer: Timer, place: number): void {
    this.heap[place] = timer
    timer.place = place
  }

  private rise(timer: Timer, from: number): void {
    let place = from
    while (place > 0) {
      const above = (place - 1) >> 1
      const parent = this.heap[above]
      if (parent === undefined || isBefore(parent, timer)) break
      this.put(parent, place)
      place = above
    }
    this.put(timer, place)
  }

  private sink(timer: Timer): void {
    for (;;) {
      const { place } = timer
      const left = this.heap[2 * place + 1]
      const right = this.heap[2 * place + 2]
      const child = left !== undefined && right !== undefined && isBefore(right, left) ? right : left
      if (child === undefined || isBefore(timer, child)) return
      const below = child.place
      this.put(child, place)
      this.put(timer, below)
    }
  }
}
