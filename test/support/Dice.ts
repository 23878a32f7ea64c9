/** A sequence of numbers that looks random and is the same for the same seed: mulberry32. */
export class Dice {
  constructor(private state: number) {}

  /** A number in [0, 1). */
  readonly next = (): number => {
    this.state = (this.state + 0x6d2b79f5) | 0
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }

  /** A whole number from `low` to `high`, both included. */
  readonly between = (low: number, high: number): number => low + Math.floor(this.next() * (high - low + 1))

  /** Whether something of this chance happens. */
  readonly happens = (chance: number): boolean => this.next() < chance
}
