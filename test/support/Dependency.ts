/** A dependency that counts how often it was asked, and the ways in which it fails. */
import { Outcome } from "@effect-resilience/core"
import { Data, type Duration, Effect } from "effect"

/** Passes by itself: a retry may repeat it, a breaker counts it. */
export class Unavailable extends Data.TaggedError("Unavailable")<{ readonly retryAfter?: Duration.Duration }> {
  get [Outcome.OutcomeTypeId](): Outcome.Outcome {
    return Outcome.failure({ transient: true, retryAfter: this.retryAfter })
  }
}

/** Says nothing about the dependency's health; it may ask for peace. */
export class TooMany extends Data.TaggedError("TooMany")<{ readonly retryAfter?: Duration.Duration }> {
  get [Outcome.OutcomeTypeId](): Outcome.Outcome {
    return Outcome.ignored({ retryAfter: this.retryAfter })
  }
}

/** An answer that is not what the caller wanted; no classifier was told of it. */
export class Declined extends Data.TaggedError("Declined")<{ readonly reason: string }> {}

export class Dependency {
  /** How often it was asked. */
  asked = 0
  /** How many calls are under way. */
  running = 0
  /** The most that ever were under way at a time. */
  mostRunning = 0

  /** Counts a call, and answers it so. */
  readonly ask = <A, E, R>(answer: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        this.asked++
        this.running++
        this.mostRunning = Math.max(this.mostRunning, this.running)
      }),
      () => answer,
      () => Effect.sync(() => this.running--)
    )

  /** Counts a call that fails in a way that passes by itself. */
  readonly fails = (): Effect.Effect<never, Unavailable> => this.ask(Effect.fail(new Unavailable({})))

  /** Counts a call that never ends. */
  readonly hangs = (): Effect.Effect<never> => this.ask(Effect.never)

  /** Counts a call that is answered. */
  readonly answers = (): Effect.Effect<"answer"> => this.ask(Effect.succeed("answer" as const))
}
