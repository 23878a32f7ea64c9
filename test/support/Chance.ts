/** A source of random numbers that is scripted, and counts how many were drawn. */
import { Effect, Random } from "effect"

export class Chance {
  /** How many numbers were drawn. */
  drawn = 0

  /** Gives these numbers in [0, 1) in turn, over and over. */
  constructor(private readonly numbers: readonly [number, ...ReadonlyArray<number>]) {}

  /** Decides everything random in the effect. */
  readonly rule = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
    const next = Effect.sync(() => this.numbers[this.drawn++ % this.numbers.length] ?? 0)
    const random: Random.Random = Object.create(Random.fixed([...this.numbers]), { next: { value: next } })
    return Effect.withRandom(self, random)
  }
}
