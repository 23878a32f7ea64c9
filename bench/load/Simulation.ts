/** A clock that jumps from one event to the next: what is to happen, and when. Events of one moment keep their order. */

interface Event {
  readonly atMillis: number
  readonly order: number
  readonly run: () => void
}

const isBefore = (one: Event, other: Event): boolean =>
  one.atMillis < other.atMillis || (one.atMillis === other.atMillis && one.order < other.order)

export class Simulation {
  /** A binary heap: the event that is next stands first. */
  private readonly events: Array<Event> = []
  private scheduled = 0
  nowMillis = 0

  /** The present moment as a machine is told it. */
  get wholeMillis(): number {
    return Math.floor(this.nowMillis)
  }

  readonly after = (millis: number, run: () => void): void => {
    const event = { atMillis: this.nowMillis + millis, order: this.scheduled++, run }
    let place = this.events.length
    while (place > 0) {
      const above = (place - 1) >> 1
      const parent = this.events[above]
      if (parent === undefined || isBefore(parent, event)) break
      this.events[place] = parent
      place = above
    }
    this.events[place] = event
  }

  /** All that happens until then. */
  readonly run = (untilMillis: number): void => {
    for (let next = this.events[0]; next !== undefined && next.atMillis <= untilMillis; next = this.events[0]) {
      this.removeFirst()
      this.nowMillis = next.atMillis
      next.run()
    }
    this.nowMillis = untilMillis
  }

  private removeFirst(): void {
    const last = this.events.pop()
    if (last === undefined || this.events.length === 0) return
    let place = 0
    for (;;) {
      const left = 2 * place + 1
      const [one, other] = [this.events[left], this.events[left + 1]]
      const [child, at] =
        other !== undefined && one !== undefined && isBefore(other, one) ? [other, left + 1] : [one, left]
      if (child === undefined || isBefore(last, child)) break
      this.events[place] = child
      place = at
    }
    this.events[place] = last
  }
}
