/** A lookup that counts which policies were made, and whose scopes were closed. */
import { CircuitBreaker, type Policy } from "@effect-resilience/core"
import { Effect, type Scope } from "effect"

export class Making {
  readonly made: Array<string> = []
  readonly closed: Array<string> = []

  /** Counts the making of a policy, and the closing of its scope. */
  readonly of =
    <P extends Policy.Policy<unknown>>(make: (key: string) => Effect.Effect<P, never, Scope.Scope>) =>
    (key: string): Effect.Effect<P, never, Scope.Scope> =>
      Effect.zipRight(
        Effect.acquireRelease(
          Effect.sync(() => this.made.push(key)),
          () => Effect.sync(() => this.closed.push(key))
        ),
        Effect.suspend(() => make(key))
      )

  /** Makes breakers that open at the first failure, for a minute sharp. */
  readonly breakers = this.of((key) =>
    CircuitBreaker.make(key, {
      tripPolicy: CircuitBreaker.consecutive(1),
      openDuration: "1 minute",
      openJitter: 0
    })
  )
}
