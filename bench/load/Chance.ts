import { random } from "../harness/Statistics.js"

/** Random numbers that are the same for the same seed, and what is made of them. */
export class Chance {
  /** A number in [0, 1). */
  readonly next: () => number

  constructor(seed: number) {
    this.next = random(seed)
  }

  readonly happens = (chance: number): boolean => this.next() < chance

  /** The times between arrivals that know nothing of each other. */
  readonly exponential = (mean: number): number => -Math.log(1 - this.next()) * mean

  /** Many near the mean, a few several times as long; `spread` is the standard deviation of the logarithm. */
  readonly lognormal = (mean: number, spread: number): number => {
    const normal = Math.sqrt(-2 * Math.log(1 - this.next())) * Math.cos(2 * Math.PI * this.next())
    return mean * Math.exp(spread * normal - (spread * spread) / 2)
  }
}
